"""When the daemon has a request carried out: from the record of root and the accepted configuration alone."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from agent.core.job_kinds import JobKind
from agent.core.model.engine_plan import Downtime
from agent.core.policy.policy import Policy, RequestsPolicy
from agent.core.reboot.model import RebootPhase
from agent.core.requests.ending import JobEnd
from agent.core.requests.judge import starts_at
from agent.core.requests.model import Authentic, Verb
from agent.core.schedule.slots import JobAttempts
from agent.host.machine.identity import host_id
from agent.state.reboot_record import RebootRecord
from agent.state.requests_record import RequestsRecord
from agent.state.store import REBOOT, REQUESTS, SIGNED_REQUESTS, Store
from agent.worker.request_rules import request_rules
from agent.worker.request_runs import RequestsWatch
from agent.worker.steps.requests.desk import RequestDesk
from agent.worker.window_jobs import window_runs
from tests.core import given
from tests.core.given import NOW
from tests.core.requests.given_request import DAY, document, request, request_id
from tests.state.test_reboot_record import COURSE
from tests.worker.test_window_jobs import POLICY as OF_DOCKER
from tests.worker.test_window_jobs import READY, store_with

UTC = timezone.utc
WINDOW = "Sat 02:00-04:00 UTC"
OPENS = NOW.replace(day=28, hour=2, minute=0)


def policy(window: str = WINDOW, *, allow: tuple[str, ...] = ("upgrade-security", "check")) -> Policy:
    made = given.policy()
    return replace(made, agent=replace(made.agent, upgrade_window=window), requests=RequestsPolicy(allow=allow))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


def desk(store: Store, of: Policy, now: datetime = NOW) -> RequestDesk:
    return RequestDesk(RequestsRecord(store), request_rules(of, store, UTC), lambda: now)


def receive(store: Store, number: int = 1, *, when: str = "now", lives: timedelta = 8 * DAY, comment: str = "") -> None:
    made = document(number, host_id=host_id(), arguments={"when": when}, lives=lives, comment=comment)
    desk(store, policy()).receive(made, lambda _request: Authentic())


def next_at(store: Store, of: Policy | None = None, now: datetime = NOW, last: JobAttempts | None = None) -> object:
    return RequestsWatch(store).next_at(of or policy(), last or JobAttempts(), now, UTC)


def test_without_requests_nothing_starts(store: Store) -> None:
    assert next_at(store) is None


def test_a_request_starts_at_once_or_in_its_window(store: Store) -> None:
    receive(store, when="window")
    assert next_at(store) == OPENS
    receive(store, 2)
    assert next_at(store) == NOW


def test_a_comment_that_is_longer_in_the_open_record_makes_nothing_due(store: Store) -> None:
    receive(store, when="window", comment="token: 7".rjust(200, "."))
    Path(store.path(SIGNED_REQUESTS)).unlink()  # as for the daemon, which may not read it

    assert next_at(store) == OPENS


@pytest.mark.parametrize("changed", [policy(""), policy(allow=())], ids=["no-window", "not-allowed"])
def test_what_is_no_longer_possible_is_ended_at_once(store: Store, changed: Policy) -> None:
    receive(store, when="window")

    assert next_at(store, changed) == NOW


def test_a_window_that_is_moved_behind_the_expiry_has_it_expire(store: Store) -> None:
    receive(store, when="window", lives=6 * DAY)

    assert next_at(store, policy("Sun 01:00-02:00 UTC")) == NOW.replace(day=29, hour=1, minute=0)
    assert next_at(store, policy("1st Sat 02:00-04:00 UTC")) == NOW + 6 * DAY


def test_one_that_waits_for_the_end_of_a_reboot_is_looked_at_once_a_minute(store: Store) -> None:
    receive(store)
    assert desk(store, policy()).begin() is not None
    last = JobAttempts(last=NOW)

    assert next_at(store, last=last) == NOW + timedelta(minutes=1)
    receive(store, 2)
    assert next_at(store, last=last) == NOW, "another one need not wait for that"
    assert next_at(store, last=JobAttempts(last=NOW, failures=1)) == NOW + timedelta(minutes=1)
    assert next_at(store, last=JobAttempts(last=NOW + DAY, failures=1)) == NOW, "that clock was wrong"


@pytest.mark.parametrize("phase", RebootPhase)
def test_nothing_begins_between_the_beginning_of_a_reboot_and_its_verification(
    store: Store, phase: RebootPhase
) -> None:
    receive(store)
    receive(store, 2, when="window")
    RebootRecord(store).save_course(replace(COURSE, phase=phase), NOW)

    assert next_at(store) == (NOW if phase is RebootPhase.WAITING else None)
    RebootRecord(store).end_course()
    assert next_at(store) == NOW


def test_a_damaged_record_of_reboots_is_set_aside_first(store: Store) -> None:
    receive(store)
    Path(store.path(REBOOT)).write_text("{")

    assert next_at(store) is None


def test_the_record_is_read_again_after_a_change_only(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    receive(store)
    watch = RequestsWatch(store)
    assert watch.next_at(policy(), JobAttempts(), NOW, UTC) == NOW
    desk(store, policy()).begin()
    desk(store, policy()).finish(request_id(), JobEnd(exit_code=0))
    assert watch.next_at(policy(), JobAttempts(), NOW, UTC) is None

    monkeypatch.setattr(RequestsRecord, "load", lambda _record: pytest.fail("it has not changed"))
    assert watch.next_at(policy(), JobAttempts(), NOW, UTC) is None


def test_a_damaged_record_starts_nothing(store: Store) -> None:
    receive(store)
    Path(store.path(REQUESTS)).write_text("{")

    assert next_at(store) is None


def test_each_kind_of_work_has_the_window_of_its_section(store: Store) -> None:
    made = given.policy()
    made = replace(
        made,
        agent=replace(made.agent, upgrade_window="Mon 01:00-02:00"),
        reboot=replace(made.reboot, window="Tue 01:00-02:00"),
        docker=replace(made.docker, window="Wed 01:00-02:00"),
        weave=replace(made.weave, window="Thu 01:00-02:00 Nowhere/Land"),
    )

    found = request_rules(made, store, UTC).windows

    assert {verb: work.window.text[:3] for verb, work in found.items()} == {
        Verb.UPGRADE_SECURITY: "Mon",
        Verb.UPGRADE_FIXES: "Mon",
        Verb.REBOOT_IF_REQUIRED: "Tue",
        Verb.APPLY_DOCKER: "Wed",
    }
    assert found[Verb.REBOOT_IF_REQUIRED].needed == made.reboot.expected + made.reboot.warning


def test_the_hold_off_of_reboots_counts_for_them_alone(store: Store) -> None:
    made = given.policy()
    made = replace(
        made,
        agent=replace(made.agent, upgrade_window=WINDOW),
        reboot=replace(made.reboot, window=WINDOW, not_before="2026-12-27"),
    )

    found = request_rules(made, store, UTC).windows

    assert found[Verb.REBOOT_IF_REQUIRED].not_before == datetime(2026, 12, 27, tzinfo=UTC)
    assert found[Verb.UPGRADE_SECURITY].not_before is None


@pytest.mark.parametrize("downtime", [timedelta(minutes=10), timedelta(hours=3), None], ids=str)
def test_work_on_docker_needs_as_much_of_its_window_as_without_a_request(
    tmp_path: Path, downtime: timedelta | None
) -> None:
    longest = Downtime(low_s=1, high_s=downtime.total_seconds(), basis=()) if downtime else None
    store = store_with(tmp_path, replace(READY, downtime=longest))
    asked = request(verb="apply-docker", arguments={"when": "window"}, created_at=OPENS, lives=8 * DAY)

    for minutes in (0, 95, 104, 106):
        now = OPENS + timedelta(minutes=minutes)
        by_itself = window_runs(OF_DOCKER, store, {}, now, UTC).get(JobKind.DOCKER_UPGRADE)
        requested = starts_at(asked, request_rules(OF_DOCKER, store, UTC), now)
        assert (requested is None) == (by_itself is None)
        assert requested == (max(by_itself, now) if by_itself else None)


@pytest.mark.parametrize("damaged", [True, False])
def test_work_of_unknown_length_is_half_an_hour(store: Store, tmp_path: Path, damaged: bool) -> None:  # noqa: FBT001
    if damaged:
        (tmp_path / "state.json").write_text("{")

    assert request_rules(OF_DOCKER, store, UTC).windows[Verb.APPLY_DOCKER].needed == timedelta(minutes=30)
