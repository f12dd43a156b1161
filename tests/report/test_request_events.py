"""Each step of a request becomes one event, derived from the record; and what an endpoint offers reaches the worker."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from agent.core.requests.book import REPEAT_AFTER, with_known
from agent.core.requests.model import Authentic, RequestBook, RequestOffers
from agent.report.event_text import event_sentence
from agent.report.events import Cursor, Event, Snapshot, initial_cursor, new_events
from agent.state.request_steps import read_request_steps
from agent.state.requests_record import RequestsRecord
from agent.state.store import REQUESTS, Store
from agent.worker import carry
from agent.worker.protocol import JobAnswer, JobRequest, decode_request, encode_request
from agent.worker.steps.requests.desk import RequestDesk
from tests.core.given import NOW
from tests.core.requests.given_request import DAY, document, request, request_id, rules
from tests.report.given import BOOT, check_event


@pytest.fixture
def record(tmp_path: Path) -> RequestsRecord:
    return RequestsRecord(Store(str(tmp_path)))


def desk(record: RequestsRecord) -> RequestDesk:
    return RequestDesk(record, rules(), lambda: NOW)


def snapshot(record: RequestsRecord) -> Snapshot:
    return Snapshot(
        now=NOW,
        runs=(),
        read_run=lambda _run: None,
        jobs={},
        reboot=None,
        reboot_known=True,
        boot_id=BOOT,
        booted_at=NOW,
        kernel=None,
        daemon=None,
        requests=read_request_steps(record.store),
    )


def advance(cursor: Cursor, record: RequestsRecord) -> tuple[list[Event], Cursor]:
    seen = snapshot(record)
    events, after = new_events(cursor, seen)
    for event in events:
        at = event.at.strftime("%Y-%m-%dT%H:%M:%SZ")
        check_event({"schema": "maestro.event/1", "type": event.kind, "at": at, "document": event.document})
    assert new_events(after, seen) == ([], after)
    return events, after


def begin(record: RequestsRecord) -> Cursor:
    return advance(initial_cursor(snapshot(record), NOW - 365 * DAY), record)[1]


def test_each_step_is_one_event_in_its_order(record: RequestsRecord) -> None:
    cursor = begin(record)
    desk(record).receive(document(), lambda _request: Authentic(signed_by="jörg@example.org"))
    events, cursor = advance(cursor, record)
    desk(record).begin()
    more, cursor = advance(cursor, record)

    assert [event.kind for event in (*events, *more)] == ["request-received", "request-accepted", "request-running"]
    assert events[1].document == {
        "request_id": request_id(),
        "verb": "upgrade-security",
        "at": "2026-11-23T05:10:00Z",
        "why": None,
        "detail": None,
        "run": None,
        "signed_by": "jörg@example.org",
    }
    assert advance(cursor, record)[0] == []


def test_a_refusal_says_why(record: RequestsRecord) -> None:
    cursor = begin(record)
    desk(record).receive(document(verb="run"), lambda _request: Authentic())
    (_, refused), _ = advance(cursor, record)

    assert (refused.kind, refused.document["why"]) == ("request-refused", "unknown-verb")
    assert event_sentence(refused.kind, refused.document) == f"request {request_id()} (run) refused: unknown-verb"


def test_an_endpoint_that_forgot_gets_the_last_step_again(record: RequestsRecord) -> None:
    desk(record).receive(document(), lambda _request: Authentic())
    cursor = begin(record)
    later = NOW + REPEAT_AFTER

    def again(book: RequestBook) -> RequestBook:
        return with_known(book, book.entries[0], request().digest, later)

    record.change(again, later)

    assert [event.kind for event in advance(cursor, record)[0]] == ["request-accepted"]


def test_another_content_of_a_known_id_is_an_event_too(record: RequestsRecord) -> None:
    desk(record).receive(document(), lambda _request: Authentic())
    cursor = begin(record)
    desk(record).receive(document(comment="other"), lambda _request: Authentic())

    (event,), _ = advance(cursor, record)
    assert (event.kind, event.document["why"]) == ("request-refused", "duplicate-id")


def test_another_record_is_read_from_its_beginning(record: RequestsRecord) -> None:
    desk(record).receive(document(), lambda _request: Authentic())
    cursor = begin(record)
    Path(record.store.path(REQUESTS)).write_text("{}")
    assert read_events_of_damage(record, cursor) == []
    RequestDesk(record, rules(), lambda: NOW + DAY / 2).receive(document(2), lambda _request: Authentic())

    events, _ = advance(cursor, record)
    assert [event.kind for event in events] == ["request-received", "request-refused"]


def read_events_of_damage(record: RequestsRecord, cursor: Cursor) -> list[Event]:
    """Return the events while the record cannot be read, as `ReportSource` does."""
    assert record.exists()
    return new_events({**cursor}, snapshot_without(record))[0]


def snapshot_without(record: RequestsRecord) -> Snapshot:
    Path(record.store.path(REQUESTS)).rename(record.store.path("aside"))
    seen = snapshot(record)
    Path(record.store.path("aside")).rename(record.store.path(REQUESTS))
    return seen


@pytest.mark.parametrize(("since", "count"), [(NOW - timedelta(seconds=1), 2), (NOW + DAY, 0), (None, 0)], ids=str)
def test_a_new_outbox_gets_what_is_within_its_reach(record: RequestsRecord, since: datetime | None, count: int) -> None:
    desk(record).receive(document(), lambda _request: Authentic())
    cursor = initial_cursor(snapshot(record), since)

    assert len(advance(cursor, record)[0]) == count


def test_cancellations_are_carried_first_and_a_failure_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[JobRequest] = []

    def send(request: JobRequest, *_arguments: object, **_options: object) -> JobAnswer:
        sent.append(decode_request(encode_request(request), "/var/lib/maestro-agent"))
        return JobAnswer(exit_code=1 if len(sent) == 2 else 0, error="no answer" if len(sent) == 2 else "")

    monkeypatch.setattr(carry, "request_job", send)
    offers = RequestOffers(documents=(document(1), document(2)), cancelled=(request_id(3),))

    assert carry.carry_to_worker(offers) == "no answer"
    assert [one.cancelled for one in sent] == [(request_id(3),), (), ()]
    assert [one.carried for one in sent] == [None, document(1), document(2)]


def test_a_request_that_cannot_be_written_again_does_not_end_the_exporter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carry, "request_job", lambda request, *_more, **_options: encode_request(request))
    deep: dict[str, object] = {}
    for _ in range(100_000):
        deep = {"x": deep}

    assert carry.carry_to_worker(RequestOffers(documents=(deep,)))


def test_without_a_worker_the_problem_is_named(tmp_path: Path) -> None:
    problem = carry.carry_to_worker(RequestOffers(documents=(document(),)), str(tmp_path / "socket"))

    assert "no worker answers" in problem
