"""The life of requests with a real record on disk: damage, a kill at each write, an endpoint that sends again."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.core.requests.book import with_accepted, with_cancelled
from agent.core.requests.ending import JobEnd
from agent.core.requests.judge import RequestRules
from agent.core.requests.model import Authentic, Request, RequestBook, RequestEntry, RequestRefusal, RequestWhy, Verb
from agent.errors import HostError, UsageError
from agent.state.requests_record import RequestsRecord
from agent.state.store import REQUESTS, SIGNED_REQUESTS, Store
from agent.worker.steps.requests.desk import RequestDesk, run_next
from tests.core.given import NOW
from tests.core.requests.given_request import DAY, document, request, request_id, rules
from tests.core.requests.test_ending import RUN, outcome

DONE = JobEnd(exit_code=0, document=outcome("updated"))


class Killed(BaseException):
    """`kill -9`."""


class Host:
    """One machine: record, clock, rules, and what ran."""

    def __init__(self, directory: Path) -> None:
        self.now = NOW
        self.rules: RequestRules = rules()
        self.record = RequestsRecord(Store(str(directory)))
        self.proof: Authentic | RequestRefusal | HostError = Authentic()
        self.asked: list[str] = []
        self.ran: list[str] = []
        self.history: dict[str, list[Mapping[str, object]]] = {}
        self.reboots = False
        self.kill_in_run = False

    @property
    def desk(self) -> RequestDesk:
        return RequestDesk(self.record, self.rules, lambda: self.now)

    def receive(self, number: int = 1, **changed: Any) -> None:
        self.desk.receive(document(number, **changed), self.authenticate)

    def run(self) -> Request | None:
        return run_next(self.desk, self._run, self._runs_of, reboots=self.reboots)

    def settle(self) -> None:
        self.desk.settle(self._runs_of, reboots=self.reboots)

    @property
    def book(self) -> RequestBook:
        found = self.record.load()
        assert found is not None
        return found

    def entry(self, number: int = 1) -> RequestEntry:
        found = self.book.find(request_id(number))
        assert found is not None
        return found

    def states(self, number: int = 1) -> list[str]:
        return [step.state.value for step in self.entry(number).steps]

    def authenticate(self, request: Request) -> Authentic | RequestRefusal:
        self.asked.append(request.id)
        if isinstance(self.proof, HostError):
            raise self.proof
        return self.proof

    def _run(self, request: Request) -> JobEnd:
        self.ran.append(request.id)
        if self.kill_in_run:
            raise Killed
        self.history.setdefault(request.id, []).append(outcome("updated"))
        return DONE

    def _runs_of(self, request: str) -> Sequence[Mapping[str, object]]:
        return self.history.get(request, ())


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_an_allowed_request_runs_once(host: Host) -> None:
    host.receive()
    assert host.run() is not None
    host.receive()
    assert host.run() is None

    assert host.states() == ["received", "accepted", "running", "done"]
    assert host.entry().last.run == RUN
    assert host.ran == [request_id()]
    assert host.asked == [request_id()], "a known id asks nobody"


@pytest.mark.parametrize("why", [RequestWhy.UNSIGNED, RequestWhy.BAD_SIGNATURE, RequestWhy.NOT_CONFIRMED])
def test_one_that_is_not_authentic_never_runs(host: Host, why: RequestWhy) -> None:
    host.proof = RequestRefusal(why=why)
    host.receive()
    host.proof = Authentic()
    host.receive()

    assert host.run() is None
    assert (host.states(), host.entry().last.why) == (["received", "refused"], why)


def test_nobody_is_asked_about_what_is_refused_anyway(host: Host) -> None:
    host.rules = rules(Verb.CHECK)
    host.receive()

    assert host.asked == []
    assert host.entry().last.why is RequestWhy.NOT_ALLOWED


def test_an_endpoint_that_cannot_be_asked_leaves_no_trace_and_the_request_comes_again(host: Host) -> None:
    host.proof = HostError("no answer")
    with pytest.raises(HostError):
        host.receive()
    assert not host.record.exists()

    host.proof = Authentic()
    host.receive()
    assert host.run() is not None


def test_a_document_without_an_id_is_no_request(host: Host) -> None:
    with pytest.raises(UsageError):
        host.desk.receive({"id": 1}, host.authenticate)

    assert not host.record.exists()


def test_a_job_that_is_killed_before_its_run_is_on_record_never_runs_again(host: Host) -> None:
    host.receive()
    host.kill_in_run = True
    with pytest.raises(Killed):
        host.run()
    host.kill_in_run = False

    assert host.states()[-1] == "running"
    assert host.run() is None
    assert (host.states()[-1], host.entry().last.why) == ("failed", RequestWhy.INTERRUPTED)
    host.receive()
    assert host.run() is None
    assert host.ran == [request_id()]


def test_a_job_that_is_killed_after_its_run_has_the_result_of_that(host: Host) -> None:
    host.receive()
    assert host.desk.begin() is not None
    host.history[request_id()] = [outcome("updated")]

    assert host.run() is None
    assert (host.states()[-1], host.entry().last.run) == ("done", RUN)


def test_a_request_that_reboots_ends_after_the_boot(host: Host) -> None:
    host.receive(verb="reboot-if-required")
    begun = host.desk.begin()
    assert begun is not None
    going = outcome("requested", schema="maestro.reboot-outcome/1", finished_at=None)
    host.history[begun.id], host.reboots = [going], True
    host.desk.finish(begun.id, JobEnd(exit_code=0, document=going))
    host.settle()
    assert host.states()[-1] == "running"

    host.history[begun.id], host.reboots = [outcome("rebooted", schema="maestro.reboot-outcome/1")], False
    host.settle()
    assert host.states()[-1] == "done"


def test_a_request_that_cannot_be_recorded_does_not_begin(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.receive()

    def full(*_arguments: object, **_options: object) -> None:
        raise HostError("no space")

    monkeypatch.setattr(Store, "write", full)
    with pytest.raises(HostError):
        host.run()
    monkeypatch.undo()

    assert host.ran == []
    assert host.run() is not None


def test_one_whose_check_fails_stays_accepted_and_holds_up_none_behind_it(host: Host) -> None:
    for number in (1, 2, 3, 4):
        host.receive(number)
    fault = HostError("ssh-keygen: killed by signal 9")
    verdicts: dict[str, RequestRefusal | HostError] = {
        request_id(1): fault,
        request_id(2): RequestRefusal(why=RequestWhy.SIGNER_UNKNOWN),
    }

    begun = [host.desk.begin(lambda found, _at: verdicts.get(found.id)) for _ in range(2)]
    host.receive(5)
    verdicts[request_id(5)] = RequestRefusal(why=RequestWhy.SIGNER_UNKNOWN)
    with pytest.raises(HostError) as raised:
        host.desk.begin(lambda found, _at: verdicts.get(found.id))
    del verdicts[request_id(1)]
    again = host.desk.begin(lambda found, _at: verdicts.get(found.id))

    assert [one and one.id for one in (*begun, again)] == [request_id(3), request_id(4), request_id(1)]
    assert raised.value is fault
    assert [host.states(number)[-1] for number in (2, 5)] == ["refused", "refused"]


def test_a_damaged_record_is_set_aside_and_what_it_may_have_had_is_stale(host: Host, tmp_path: Path) -> None:
    host.receive()
    host.run()
    Path(host.record.store.path(REQUESTS)).write_text("{")

    host.receive()

    assert host.run() is None
    assert host.entry().last.why is RequestWhy.STALE
    assert list(tmp_path.glob("requests.json.unreadable"))
    host.now += timedelta(hours=1)
    host.receive(2, created_at=host.now - timedelta(minutes=1))
    assert host.run() is not None


@pytest.mark.parametrize("lost", ["nothing-to-write", "full-disk", "killed"])
def test_a_record_that_was_set_aside_and_has_no_successor_yet_is_not_forgotten(
    host: Host, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    host.receive()
    host.run()
    Path(host.record.store.path(REQUESTS)).write_text("{")
    if lost == "nothing-to-write":
        host.desk.cancel([])  # as before each request that arrives
    else:
        fault = Killed() if lost == "killed" else HostError("no space")

        def fail(*_arguments: object, **_options: object) -> None:
            raise fault

        with monkeypatch.context() as failing:
            failing.setattr(Store, "write", fail)
            with pytest.raises(type(fault)):
                host.receive()
    assert not host.record.exists()

    host.receive()

    assert host.run() is None
    assert (host.entry().last.why, host.ran) == (RequestWhy.STALE, [request_id()])


def test_a_kill_between_what_was_signed_and_the_record_of_it_changes_neither(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, signed = Store.write, [document(number, comment=f"token: Secret-{number}") for number in (1, 2)]

    def killed(store: Store, name: str, *arguments: Any, **options: Any) -> None:
        if name == REQUESTS:
            raise Killed
        write(store, name, *arguments, **options)

    host.receive(1, comment=signed[0]["comment"])
    second = request(2, comment=signed[1]["comment"])
    with monkeypatch.context() as failing:
        failing.setattr(Store, "write", killed)
        with pytest.raises(Killed):
            host.record.change(
                lambda book: with_accepted(with_cancelled(book, [request_id(1)], NOW), second, Authentic(), NOW), NOW
            )
    assert [entry.document for entry in host.book.entries] == signed[:1]
    host.receive(2, comment=signed[1]["comment"])
    assert [entry.document for entry in host.book.entries] == signed
    host.desk.cancel([request_id(1)])
    assert [entry.document for entry in host.book.entries] == [None, signed[1]]
    host.desk.cancel([request_id(2)])

    assert not host.record.store.has(SIGNED_REQUESTS)


@pytest.mark.parametrize("damage", [None, "{", '{"schema": "maestro.signed-requests/1", "forms": ["7g", 1]}', "others"])
def test_without_what_was_signed_a_request_is_what_everybody_may_read(host: Host, damage: str | None) -> None:
    host.receive(1, comment="token: Secret-1")
    file = Path(host.record.store.path(SIGNED_REQUESTS))
    text = file.read_text()
    file.unlink()
    if damage:
        file.write_text(damage if damage != "others" else text.replace(b"Secret-1".hex(), b"Secret-9".hex()))
    host.receive(2, comment="token: Secret-2")

    comments = [(entry.document or {})["comment"] for entry in host.book.entries]

    assert comments == ["token: ...", "token: Secret-2"]


def test_the_record_keeps_every_value(host: Host) -> None:
    host.proof = Authentic(signed_by="jörg@example.org")
    host.receive(arguments={"reboot": "if-required"}, plan_id="0123456789ab", created_at="2026-11-23T05:09:59.125Z")
    host.receive(2)
    host.run()
    host.desk.cancel([request_id(3)])
    host.receive(2, comment="other")
    before = host.record.load()
    assert before is not None

    after = host.record.change(lambda book: book, host.now)

    assert after == before
    entry = host.entry()
    assert (entry.signed_by, entry.created_at) == ("jörg@example.org", NOW - timedelta(milliseconds=875))


def test_a_clock_that_jumps_runs_nothing_twice(host: Host) -> None:
    host.receive()
    host.run()
    for days in (-400, 400, 0):
        host.now = NOW + days * DAY
        host.receive()
        assert host.run() is None

    assert host.ran == [request_id()]


def test_the_order_of_records_is_that_of_their_events(host: Host) -> None:
    for number in range(1, 4):
        host.receive(number)
    host.run()
    book = host.record.load()
    assert isinstance(book, RequestBook)

    assert sorted(step.sequence for entry in book.entries for step in entry.steps) == list(range(1, 9))
