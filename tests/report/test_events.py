"""What is new in the record becomes events, once each, however long no exporter ran."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from agent.core.reboot.model import RebootResult
from agent.report.event_text import event_sentence
from agent.report.events import Cursor, DaemonStart, Event, Fields, Snapshot, initial_cursor, new_events
from agent.state.documents.reboot_outcome import reboot_outcome_to_document
from tests.report.given import BOOT, NEXT_BOOT, NOON, check_event, golden
from tests.report.given_engine_outcome import UPGRADED, view
from tests.report.given_reboot_outcome import EACH, REBOOTED, STARTED

HOUR = timedelta(hours=1)
LONG_AGO = NOON - timedelta(days=365)


@dataclass(frozen=True, kw_only=True)
class Record:
    """The record of the tests' machine."""

    runs: Mapping[str, Fields | None] = field(default_factory=dict)
    jobs: Mapping[str, Fields] = field(default_factory=dict)
    reboot: tuple[Sequence[str], datetime] | None = None
    reboot_known: bool = True
    boot_id: str | None = BOOT
    booted_at: datetime = NOON
    daemon: DaemonStart | None = None

    @property
    def seen(self) -> Snapshot:
        return Snapshot(
            now=NOON,
            runs=sorted(self.runs, reverse=True),
            read_run=lambda name: self.runs[name],
            jobs=self.jobs,
            reboot=self.reboot,
            reboot_known=self.reboot_known,
            boot_id=self.boot_id,
            booted_at=self.booted_at,
            kernel="6.1.0-18-amd64",
            daemon=self.daemon,
        )


def run(number: int, *, finished: bool = True) -> dict[str, Fields]:
    outcome = golden("outcome")
    name = f"20261101T{number:06}Z"
    return {name: {**outcome, "id": name, "finished_at": outcome["finished_at"] if finished else None}}


def advance(cursor: Cursor, record: Record) -> tuple[list[Event], Cursor]:
    events, after = new_events(cursor, record.seen)
    for event in events:
        at = event.at.strftime("%Y-%m-%dT%H:%M:%SZ")
        check_event({"schema": "maestro.event/1", "type": event.kind, "at": at, "document": event.document})
    assert new_events(after, record.seen) == ([], after)
    return events, after


def kinds(events: Sequence[Event]) -> list[str]:
    return [event.kind for event in events]


def cursor_of(record: Record) -> Cursor:
    """Return the cursor of an outbox that has all of this."""
    return advance(initial_cursor(record.seen, LONG_AGO), record)[1]


def test_new_outbox_gets_runs_within_its_reach_only() -> None:
    record = Record(runs={**run(1), **run(2), "20200101T000000Z": run(3)["20261101T000003Z"]})

    events, _ = advance(initial_cursor(record.seen, LONG_AGO), record)

    assert [event.document["id"] for event in events] == ["20261101T000001Z", "20261101T000002Z"]


def test_cloned_disk_sends_no_past_events() -> None:
    failed = {"check": {"finished_at": "2026-11-23T11:00:00Z", "exit_code": 1, "failures": 2}}
    record = Record(runs=run(1), jobs=failed)

    assert advance(initial_cursor(record.seen, None), record)[0] == []


def test_every_run_is_an_event_once_and_in_order() -> None:
    cursor = cursor_of(Record(runs=run(1)))
    runs = {name: document for number in range(1, 200) for name, document in run(number).items()}

    events, _ = advance(cursor, Record(runs=runs))

    assert [event.document["id"] for event in events] == sorted(runs)[1:]


def test_an_upgrade_of_docker_is_an_event_of_its_own_kind() -> None:
    record = Record(runs={UPGRADED.id: view(UPGRADED).raw})

    events, _ = advance(initial_cursor(Record().seen, LONG_AGO), record)

    assert kinds(events) == ["engine-outcome"]
    assert event_sentence("engine-outcome", events[0].document).startswith("upgrade of docker: upgraded, 20.10.24 ran")


@pytest.mark.parametrize("result", EACH, ids=lambda result: result.value)
def test_each_result_of_a_reboot_is_an_event(result: RebootResult) -> None:
    outcome = EACH[result]
    document = reboot_outcome_to_document(outcome, NOON)
    record = Record(runs={outcome.id: document})

    events, _ = advance(initial_cursor(Record().seen, LONG_AGO), record)

    assert kinds(events) == ["reboot-outcome" if outcome.finished_at else "reboot-started"]
    assert result.value in event_sentence("reboot-outcome", document)


def test_a_reboot_is_an_event_when_the_machine_goes_down_and_one_when_it_was_verified() -> None:
    before = cursor_of(Record(runs=run(1)))
    done: Fields = {**reboot_outcome_to_document(REBOOTED, STARTED), "id": "20261101T000002Z"}
    going: Fields = {**done, "finished_at": None, "result": "requested", "fired_at": "2026-11-01T02:00:00Z"}

    went, cursor = advance(before, Record(runs={**run(1), "20261101T000002Z": going}))
    back, _ = advance(cursor, Record(runs={**run(1), "20261101T000002Z": done}))
    at_once, _ = advance(before, Record(runs={**run(1), "20261101T000002Z": done}))

    assert (kinds(went), kinds(back), kinds(at_once)) == (["reboot-started"], ["reboot-outcome"], ["reboot-outcome"])
    assert went[0].at.isoformat() == "2026-11-01T02:00:00+00:00"
    assert event_sentence(back[0].kind, back[0].document) == "reboot: rebooted; down for 42.0 s"


def test_a_reboot_that_is_only_prepared_is_no_event() -> None:
    before = cursor_of(Record(runs=run(1)))
    begun: Fields = reboot_outcome_to_document(
        replace(REBOOTED, finished_at=None, result=RebootResult.INTERRUPTED, fired_at=None), STARTED
    )

    assert advance(before, Record(runs={**run(1), "20261101T000002Z": begun}))[0] == []


def test_unfinished_run_is_an_event_when_it_ends_even_after_later_ones() -> None:
    cursor = cursor_of(Record())
    first, cursor = advance(cursor, Record(runs=run(1, finished=False)))
    second, cursor = advance(cursor, Record(runs={**run(1, finished=False), **run(2)}))
    third, cursor = advance(cursor, Record(runs={**run(1), **run(2)}))

    found = [[event.document["id"] for event in events] for events in (first, second, third)]
    assert found == [[], ["20261101T000002Z"], ["20261101T000001Z"]]


def test_unreadable_run_does_not_delay_others() -> None:
    cursor = cursor_of(Record())

    events, _ = advance(cursor, Record(runs={"20261101T000001Z": None, **run(2)}))

    assert kinds(events) == ["outcome"]


def test_reboot_event_names_both_boots() -> None:
    cursor = cursor_of(Record())

    (event,), _ = advance(cursor, Record(boot_id=NEXT_BOOT, booted_at=NOON + HOUR))

    assert event.kind == "rebooted"
    assert (event.document["previous_boot_id"], event.document["boot_id"]) == (BOOT, NEXT_BOOT)


def test_unknown_boot_id_is_not_a_reboot() -> None:
    cursor = cursor_of(Record())
    events, cursor = advance(cursor, Record(boot_id=None))
    again, _ = advance(cursor, Record())

    assert events == again == []


def test_clock_change_does_not_move_the_boot_time() -> None:
    cursor = cursor_of(Record())

    assert advance(cursor, Record(booted_at=NOON + HOUR))[1]["booted_at"] == "2026-11-23T12:00:00Z"


def test_daemon_start_names_the_previous_version() -> None:
    cursor = cursor_of(Record(daemon=DaemonStart(version="1.0", at="2026-11-23T10:00:00Z")))
    none, cursor = advance(cursor, Record())
    (event,), _ = advance(cursor, Record(daemon=DaemonStart(version="1.1", at="2026-11-23T11:00:00Z")))

    assert none == []
    assert event.kind == "agent-started"
    assert (event.document["previous_version"], event.document["version"]) == ("1.0", "1.1")


def test_required_reboot_is_an_event_when_it_appears_and_clears() -> None:
    needed = Record(reboot=(["linux-image-amd64"], NOON - HOUR))
    cursor = cursor_of(Record())
    first, cursor = advance(cursor, needed)
    more, cursor = advance(cursor, replace(needed, reboot=(["libc6", "linux-image-amd64"], NOON - HOUR)))
    last, cursor = advance(cursor, Record())

    assert (kinds(first), kinds(more), kinds(last)) == (["reboot-required"], [], ["reboot-cleared"])
    assert last[0].document["packages"] == ["libc6", "linux-image-amd64"]


def test_failed_job_is_an_event_once_and_success_never() -> None:
    cursor = cursor_of(Record())
    jobs = {
        "check": {"finished_at": "2026-11-23T11:00:00Z", "exit_code": 1, "failures": 2},
        "upgrade": {"finished_at": "2026-11-23T11:00:00Z", "exit_code": 10, "failures": 0},
    }
    (event,), cursor = advance(cursor, Record(jobs=jobs))
    later = {**jobs, "check": {"finished_at": "2026-11-23T11:09:00Z", "exit_code": 1, "failures": 3}}
    (again,), _ = advance(cursor, Record(jobs=later))

    assert event.document["job"] == "check"
    assert (event.document["consecutive_failures"], again.document["consecutive_failures"]) == (2, 3)


def test_failed_job_with_a_damaged_exit_code_is_an_event_without_one() -> None:
    jobs = {"check": {"finished_at": "2026-11-23T11:00:00Z", "exit_code": [0], "failures": 1}}

    (event,), _ = advance(cursor_of(Record()), Record(jobs=jobs))

    assert event.document["exit_code"] is None


def test_events_are_ordered_by_time() -> None:
    before = cursor_of(Record())
    late = {name: {**found, "finished_at": "2026-11-23T12:30:00Z"} for name, found in run(2).items()}
    failed = {"check": {"finished_at": "2026-11-23T12:10:00Z", "exit_code": 1, "failures": 1}}
    started = DaemonStart(version="1.0", at="2026-11-23T12:20:05Z")
    record = Record(
        runs={**run(1), **late}, jobs=failed, boot_id=NEXT_BOOT, booted_at=NOON + timedelta(minutes=20), daemon=started
    )

    events, _ = advance(before, record)

    assert kinds(events) == ["outcome", "job-failed", "rebooted", "agent-started", "outcome"]


def test_run_recorded_after_the_clock_was_set_back_is_an_event() -> None:
    ahead = {"20270101T000000Z": {**run(1)["20261101T000001Z"], "id": "20270101T000000Z"}}
    cursor = cursor_of(Record(runs={**run(1), **ahead}))

    (event,), _ = advance(cursor, Record(runs={**run(1), **ahead, **run(2)}))

    assert event.document["id"] == "20261101T000002Z"


def test_unreadable_run_is_an_event_once_it_can_be_read() -> None:
    cursor = cursor_of(Record())
    events, cursor = advance(cursor, Record(runs={"20261101T000001Z": None}))
    (later,), cursor = advance(cursor, Record(runs=run(1)))

    assert events == []
    assert later.document["id"] == "20261101T000001Z"


def test_record_unreadable_for_a_while_sends_nothing_twice() -> None:
    failed = {"check": {"finished_at": "2026-11-23T11:00:00Z", "exit_code": 1, "failures": 2}}
    needed = Record(runs=run(1), jobs=failed, reboot=(["libc6"], NOON - HOUR))
    cursor = cursor_of(needed)
    unseen, cursor = advance(cursor, Record(reboot_known=False))
    again, _ = advance(cursor, needed)

    assert unseen == again == []
