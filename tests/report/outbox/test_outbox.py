"""The outbox keeps events in order and within its limits through kills, full disks and damage."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import fields, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from agent.core.schedule.exports import ExportState
from agent.errors import BusyError, HostError
from agent.report.outbox.event import parse_event
from agent.report.outbox.file import open_outbox, open_readonly
from agent.report.outbox.outbox import Outbox
from agent.report.outbox.stream_state import (
    Loss,
    RefusedState,
    StreamState,
    continued,
    sent_part,
    stream_state_from_document,
    stream_state_to_document,
)
from agent.report.outbox.transaction import OutboxLimits
from tests.report.given import check_event

CHECKOUT = Path(__file__).resolve().parent.parent.parent.parent
NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
HOST = "11111111-2222-4333-8444-555555555555"
OTHER_HOST = "99999999-2222-4333-8444-555555555555"
BOUNDS = OutboxLimits(size=1_000_000, age=timedelta(days=30))


@contextmanager
def outbox(directory: Path, *, host: str = HOST, bounds: OutboxLimits = BOUNDS) -> Iterator[Outbox]:
    with open_outbox(str(directory / "outbox"), host, bounds, NOON) as found:
        yield found


def add(box: Outbox, count: int, *, now: datetime = NOON, size: int = 10, kind: str = "outcome") -> None:
    with box.transaction() as tx:
        for number in range(count):
            tx.add(kind, now, {"number": number, "text": "x" * size}, now)
        tx.enforce_limits(now)


def bodies(box: Outbox) -> list[dict[str, object]]:
    return [json.loads(event.body) for event in box.next_events(100_000, 1 << 40)]


def sequences(box: Outbox) -> list[int]:
    return [event.sequence for event in box.next_events(100_000, 1 << 40)]


def test_new_outbox_starts_its_stream_with_outbox_begun(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        (started,) = bodies(box)

    assert started["type"] == "outbox-begun"
    assert started["document"] == {"previous_instance_id": None, "reason": "new"}


def test_events_survive_in_order_with_their_keys(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        add(box, 5)
        before, name = box.next_events(100, 1 << 20), box.state.instance_id

    with outbox(tmp_path) as box:
        assert box.next_events(100, 1 << 20) == before
        assert [event.sequence for event in before] == [1, 2, 3, 4, 5, 6]
        assert box.state.instance_id == name
        assert len({event.key for event in before}) == 6


def test_acknowledged_event_is_deleted_and_its_sequence_never_reused(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        add(box, 2)
        with box.transaction() as tx:
            tx.delete([1, 2, 3])

    with outbox(tmp_path) as box:
        add(box, 1)
        assert sequences(box) == [4]
        assert (box.stats().events, box.stats().last_sequence, box.stats().dropped) == (1, 4, 0)


def test_batch_has_at_least_one_event_of_any_size(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        add(box, 3, size=5000)
        assert len(box.next_events(500, 10)) == 1
        assert len(box.next_events(2, 1 << 20)) == 2
        assert len(box.next_events(500, 12_000)) == 3  # outbox-begun and two more


def test_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        with pytest.raises(ZeroDivisionError), box.transaction() as tx:  # noqa: PT012 - the block is what fails
            tx.add("outcome", NOON, {}, NOON)
            tx.state = replace(tx.state, last_sequence=1 // 0)
        assert sequences(box) == [1]
        assert box.state.last_sequence == 1


@pytest.mark.parametrize(("answer", "sequence"), [("\ud83d", 1), ("no", 2**70)], ids=["surrogate", "large number"])
def test_value_that_sqlite_does_not_take_is_an_error_and_leaves_nothing(
    answer: str, sequence: int, tmp_path: Path
) -> None:
    with outbox(tmp_path) as box:
        with pytest.raises(HostError), box.transaction() as tx:  # noqa: PT012 - the block is what fails
            tx.record_rejection(f"e-{1:030}", answer, NOON)
            tx.delete([sequence])
        assert box._sql.execute("SELECT count(*) FROM refusals").fetchone() == (0,)  # noqa: SLF001
        assert sequences(box) == [1]


def test_events_dropped_by_a_limit_are_reported_as_one_event(tmp_path: Path) -> None:
    with outbox(tmp_path, bounds=OutboxLimits(size=20_000, age=timedelta(days=1))) as box:
        for _ in range(20):
            add(box, 5, size=1000)
        kept = sequences(box)
        assert kept == list(range(kept[0], 102))
        assert box.stats().size <= 20_000
        with box.transaction() as tx:
            assert tx.append_loss_event(NOON)
            assert not tx.append_loss_event(NOON)
        loss = bodies(box)[-1]

    assert loss["type"] == "messages-lost"
    assert loss["document"] == {
        "count": kept[0] - 1,
        "first_sequence": 1,
        "last_sequence": kept[0] - 1,
        "reason": "too-many-bytes",
    }


def test_forward_clock_jump_expires_nothing_for_a_day(tmp_path: Path) -> None:
    wrong = NOON + timedelta(days=4000)
    with outbox(tmp_path) as box:
        add(box, 3)
        with box.transaction() as tx:
            tx.enforce_limits(wrong)
            assert sequences(box) == [1, 2, 3, 4]
            tx.enforce_limits(NOON + timedelta(minutes=5))  # the clock was corrected
            for day in range(1, 30):
                tx.enforce_limits(NOON + timedelta(days=day, minutes=5))
                assert sequences(box) == [1, 2, 3, 4]
            tx.enforce_limits(NOON + timedelta(days=30, minutes=5))

        assert sequences(box) == []


def test_clock_that_stays_ahead_counts_after_a_day(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        add(box, 3)
        with box.transaction() as tx:
            for hours in (0, 12, 23):
                tx.enforce_limits(NOON + timedelta(days=4000, hours=hours))
                assert sequences(box) == [1, 2, 3, 4]
            tx.enforce_limits(NOON + timedelta(days=4001))

        assert sequences(box) == []


def test_dropped_loss_event_is_part_of_the_next_one(tmp_path: Path) -> None:
    with outbox(tmp_path, bounds=OutboxLimits(size=1 << 20, age=timedelta(hours=1))) as box:
        add(box, 3)
        with box.transaction() as tx:
            tx.enforce_limits(NOON + timedelta(hours=2))  # 1 to 4 are lost
            tx.append_loss_event(NOON + timedelta(hours=2))  # 5 is the loss event
            tx.enforce_limits(NOON + timedelta(hours=4))  # and is dropped itself
            tx.append_loss_event(NOON + timedelta(hours=4))
        (loss,) = bodies(box)

    assert loss["document"] == {"count": 5, "first_sequence": 1, "last_sequence": 5, "reason": "too-old"}


def test_week_without_an_endpoint_keeps_the_disk_limit(tmp_path: Path) -> None:
    bounds = OutboxLimits(size=500_000, age=timedelta(days=30))
    for day in range(7):
        with outbox(tmp_path, bounds=bounds) as box:
            for _ in range(30):
                add(box, 10, now=NOON + timedelta(days=day), size=2000)

    on_disk = sum(file.stat().st_size for file in (tmp_path / "outbox").iterdir())
    with outbox(tmp_path, bounds=bounds) as box:
        depth = box.stats()
    print(f"{on_disk} bytes on disk for {depth.size} of {bounds.size}, {depth.dropped} of 2101 dropped")
    assert on_disk < 2 * bounds.size
    assert depth.dropped + depth.events == 2101


@pytest.mark.parametrize(
    "content",
    [
        b"no database at all, but long enough to be one" * 100,
        b"SQLite format 3\0" + bytes(5000),
        os.urandom(20_000),
    ],
    ids=["text", "header", "noise"],
)
def test_damaged_file_is_set_aside_and_the_new_stream_names_the_previous(content: bytes, tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        first = box.state.instance_id
    (tmp_path / "outbox/outbox.sqlite").write_bytes(content)

    with outbox(tmp_path) as box:
        (started,) = bodies(box)
        assert box.state.instance_id != first

    assert started["document"] == {"previous_instance_id": first, "reason": "corrupt"}
    assert (tmp_path / "outbox/outbox.sqlite.unreadable").read_bytes()[:5000] == content[:5000]


@pytest.mark.parametrize("name", ["instance", "outbox.sqlite"])
def test_a_pipe_in_the_place_of_a_file_does_not_hang(name: str, tmp_path: Path) -> None:
    with outbox(tmp_path):
        pass
    (tmp_path / "outbox" / name).unlink()
    os.mkfifo(tmp_path / "outbox" / name)

    with suppress(HostError), outbox(tmp_path) as box:
        assert box.state.instance_id
    with suppress(HostError), open_readonly(str(tmp_path / "outbox")) as state:
        assert state.instance_id


@pytest.mark.parametrize("place", [18, 19, 47], ids=["write version", "read version", "schema"])
def test_file_with_an_unknown_format_number_starts_a_new_stream(place: int, tmp_path: Path) -> None:
    """Found by tools/fuzz: such a file was neither opened nor set aside, so that nothing was ever sent."""
    with outbox(tmp_path) as box:
        first = box.state.instance_id
    file = tmp_path / "outbox/outbox.sqlite"
    content = bytearray(file.read_bytes())
    content[place] = 200
    file.write_bytes(content)

    with outbox(tmp_path) as box:
        add(box, 1)
        started, _ = bodies(box)

    assert started["document"] == {"previous_instance_id": first, "reason": "corrupt"}


def test_file_with_any_page_overwritten_still_opens(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        add(box, 100, size=400)
        name = box.state.instance_id
    whole = (tmp_path / "outbox/outbox.sqlite").read_bytes()
    rng = random.Random(5)  # noqa: S311 - chance, no secret

    for _ in range(60):
        place = rng.randrange(0, len(whole) - 64)
        damaged = whole[:place] + bytes(rng.randrange(256) for _ in range(64)) + whole[place + 64 :]
        (tmp_path / "outbox/outbox.sqlite").write_bytes(damaged)
        (tmp_path / "outbox/instance").write_text(name)
        with outbox(tmp_path) as box:
            add(box, 1)
            found = sequences(box)
            assert found == sorted(set(found))
            assert [parse_event(event.body) is None for event in box.next_events(999, 1 << 30)].count(True) < 3


def test_deleted_outbox_starts_a_new_stream(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        first = box.state.instance_id
    (tmp_path / "outbox/outbox.sqlite").unlink()

    with outbox(tmp_path) as box:
        (started,) = bodies(box)

    assert started["document"] == {"previous_instance_id": first, "reason": "missing"}


def test_cloned_disk_starts_its_own_stream(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        add(box, 3)
        first = box.state.instance_id

    with outbox(tmp_path, host=OTHER_HOST) as box:
        (started,) = bodies(box)
        assert box.state.instance_id != first

    assert started["document"] == {"previous_instance_id": first, "reason": "other-host"}


def test_only_one_process_can_open_it(tmp_path: Path) -> None:
    program = (
        "import sys, datetime; sys.path.insert(0, sys.argv[1])\n"
        "from agent.report.outbox.file import open_outbox\n"
        "from agent.report.outbox.transaction import OutboxLimits\n"
        "now = datetime.datetime.now(datetime.timezone.utc)\n"
        "with open_outbox(sys.argv[2], sys.argv[3], OutboxLimits(size=9, age=datetime.timedelta(9)), now):\n"
        "    print('open', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, str(CHECKOUT), str(tmp_path / "outbox"), HOST]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(BusyError, match=f"pid {other.pid}"), outbox(tmp_path):
            pass
        with pytest.raises(BusyError, match=f"pid {other.pid}"), open_readonly(str(tmp_path / "outbox")):
            pass
        other.communicate()

    with outbox(tmp_path) as box:
        assert sequences(box) == [1]


def test_full_disk_is_an_error_and_keeps_the_content(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        add(box, 5)

    with outbox(tmp_path) as box:
        pages = box._sql.execute("PRAGMA page_count").fetchone()[0]  # noqa: SLF001 - stands in for a full disk
        box._sql.execute(f"PRAGMA max_page_count={pages}")  # noqa: SLF001
        with pytest.raises(HostError, match="full"):
            add(box, 500, size=1000)
        assert sequences(box) == [1, 2, 3, 4, 5, 6]


def test_readonly_file_yields_its_state_and_stays_as_it_is(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        add(box, 5)
        with box.transaction() as tx:
            tx.drop(3, "", "too-old")
            tx.state = replace(tx.state, sent_hash="old", state_sequence=6)
        before = box.state
    content = (tmp_path / "outbox/outbox.sqlite").read_bytes()

    with open_readonly(str(tmp_path / "outbox")) as state:
        assert state == before
    assert (tmp_path / "outbox/outbox.sqlite").read_bytes() == content


def test_state_that_was_sent_meanwhile_continues_the_one_on_disk() -> None:
    on_disk = StreamState(instance_id="a", last_sequence=9, state_sequence=6, sent_hash="old")
    kept = sent_part(replace(on_disk, url="https://endpoint.example.org", state_sequence=8, sent_hash="new"))

    assert kept.url is None

    assert continued(on_disk, kept) == replace(on_disk, state_sequence=8, sent_hash="new")
    assert continued(on_disk, replace(kept, instance_id="b")) == on_disk
    assert continued(on_disk, replace(kept, state_sequence=5)) == on_disk
    assert continued(on_disk, StreamState()) == on_disk


@pytest.mark.parametrize("held", [None, b"", b"nonsense" * 1000, b"a directory"])
def test_readonly_without_a_stream_fails(tmp_path: Path, held: bytes | None) -> None:
    path = tmp_path / "outbox/outbox.sqlite"
    path.parent.mkdir()
    if held == b"a directory":
        path.mkdir()
    elif held is not None:
        path.write_bytes(held)

    with pytest.raises(HostError, match=r"outbox\.sqlite"), open_readonly(str(path.parent)):
        pass


def test_directory_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file")

    with pytest.raises(HostError, match="outbox"), outbox(tmp_path):
        pass


def test_unopenable_file_is_not_set_aside(tmp_path: Path) -> None:
    with outbox(tmp_path):
        pass
    (tmp_path / "outbox/outbox.sqlite").unlink()
    (tmp_path / "outbox/outbox.sqlite").mkdir()

    with pytest.raises(HostError, match="cannot be opened"), outbox(tmp_path):
        pass


def test_last_hundred_rejections_are_kept_with_their_answers(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        with box.transaction() as tx:
            for number in range(130):
                tx.record_rejection(f"e-{number:030}", "y" * 5000, NOON + timedelta(seconds=number))
        refusals = box._sql.execute("SELECT key, answer FROM refusals ORDER BY at DESC").fetchall()  # noqa: SLF001

    assert len(refusals) == 100
    assert refusals[0] == (f"e-{129:030}", "y" * 2000)


WRITER = """
import sys, datetime
sys.path.insert(0, sys.argv[1])
from dataclasses import replace
from agent.report.outbox.file import open_outbox
from agent.report.outbox.transaction import OutboxLimits
now = datetime.datetime.now(datetime.timezone.utc)
with open_outbox(sys.argv[2], sys.argv[3], OutboxLimits(size=1 << 30, age=datetime.timedelta(9)), now) as box:
    while True:
        with box.transaction() as tx:
            tx.add("outcome", now, {"text": "x" * 300}, now)
            tx.state = replace(tx.state, cursor={"last": tx.state.last_sequence})
        print(box.stats().last_sequence, flush=True)
"""


def test_committed_events_survive_a_kill(tmp_path: Path) -> None:
    rng = random.Random(9)  # noqa: S311 - chance, no secret
    confirmed = 0
    for _ in range(15):
        command = [sys.executable, "-c", WRITER, str(CHECKOUT), str(tmp_path / "outbox"), HOST]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(rng.uniform(0, 0.1))
            os.kill(writer.pid, signal.SIGKILL)
            rest = writer.stdout.read().split()
        confirmed = max([confirmed, *map(int, rest[:-1])])
        with outbox(tmp_path, bounds=OutboxLimits(size=1 << 30, age=timedelta(days=9999))) as box:
            found = sequences(box)
            assert found == list(range(1, len(found) + 1))
            assert len(found) >= confirmed
            assert (box.state.cursor or {"last": 1})["last"] == len(found)


def test_files_are_private_to_the_owner(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        add(box, 1)
        modes = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "outbox").iterdir()}

    assert (tmp_path / "outbox").stat().st_mode & 0o777 == 0o700
    assert modes["outbox.sqlite"] == modes["lock"] == 0o600


def test_sqlite_syncs_at_each_commit(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        pragmas = [box._sql.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]  # noqa: SLF001

    assert pragmas == ["wal", 2]
    assert sqlite3.threadsafety >= 1


@pytest.mark.parametrize("bad", ['"typf"', '"type": 7, "was"', '"document": 7, "was"', '"type": [], "was"'])
def test_damaged_event_can_be_dropped(tmp_path: Path, bad: str) -> None:
    with outbox(tmp_path) as box:
        add(box, 3)
        add(box, 1, kind="messages-lost")
    spoil(tmp_path, "UPDATE events SET body = replace(body, '\"type\"', ?)", bad)

    with outbox(tmp_path, bounds=OutboxLimits(size=500, age=timedelta(days=30))) as box:
        add(box, 0)
        assert box.stats().dropped == 4
        with box.transaction() as tx:
            tx.start_stream(HOST, NOON, previous=None, reason="rolled-back")


def test_event_with_non_json_numbers_is_rejected() -> None:
    body = '{"schema": "maestro.event/1", "type": "outcome", "at": "", "document": {"x": %s}}'

    assert [parse_event(body % text) is None for text in ("1.5", "NaN", "-Infinity", "1e999")] == [
        False,
        True,
        True,
        True,
    ]
    assert parse_event("[" * 100_000) is None


def test_damaged_loss_in_the_state_stops_nothing(tmp_path: Path) -> None:
    lost = {"cpunt": 1, "first_sequence": 1, "last_sequence": 1, "reason": "too-old"}
    with outbox(tmp_path):
        pass
    spoil(tmp_path, "UPDATE state SET document = json_set(document, '$.lost', json(?))", json.dumps(lost))

    with outbox(tmp_path, bounds=OutboxLimits(size=500, age=timedelta(days=30))) as box:
        add(box, 10)
        with box.transaction() as tx:
            assert tx.append_loss_event(NOON)
        assert bodies(box)[-1]["document"]["count"] > 1  # type: ignore[index]


def test_age_limit_beyond_the_calendar_is_no_limit(tmp_path: Path) -> None:
    with outbox(tmp_path, bounds=OutboxLimits(size=1_000_000, age=timedelta(days=999_999))) as box:
        add(box, 2)

        assert box.stats().events == 3


@pytest.mark.parametrize(
    "damage",
    [
        "DROP TABLE state",
        "DELETE FROM state",
        "UPDATE state SET document = substr(document, 2)",
        "UPDATE state SET document = '[]'",
        "UPDATE state SET document = json_set(document, '$.instance_id', 7)",
        "UPDATE state SET document = json_set(document, '$.last_sequence', 1)",
    ],
)
def test_file_without_an_intact_state_is_set_aside(damage: str, tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        add(box, 1)
    spoil(tmp_path, damage)

    with outbox(tmp_path) as box:
        assert box.state.start_reason == "corrupt"


def test_every_member_of_the_state_survives_the_disk(tmp_path: Path) -> None:
    state = StreamState(
        instance_id="7c1d4d34-8d5c-4c0c-9d51-5d3a2f0f2b11",
        host_id=HOST,
        start_reason="new",
        last_sequence=1,
        cursor={"runs": ["20261123T100000Z"], "open": []},
        lost=Loss(count=2, first_sequence=3, last_sequence=9, reason="too-old"),
        dropped=4,
        refused=5,
        limits_checked_at=NOON,
        clock_jumped_at=NOON + timedelta(days=1),
        url="https://endpoint.example.org",
        state_sequence=7,
        sent_hash="a" * 16,
        refused_state=RefusedState(hash="b" * 16, until=NOON, why="/updates: too long"),
        batches_until=NOON,
        batch_limit=250,
        export_state=ExportState(last=NOON, failures=3, not_before=NOON),
        last_attempt={"why": "HTTP 503", "skew_s": -2},
    )
    default = StreamState()
    assert [field.name for field in fields(state) if getattr(state, field.name) == getattr(default, field.name)] == []

    with outbox(tmp_path) as box, box.transaction() as tx:
        tx.state = state

    with outbox(tmp_path) as box:
        assert box.state == state
    assert stream_state_from_document(stream_state_to_document(default)) == default


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    """Return the directory of an outbox as commit 8f639af wrote it."""
    directory = tmp_path / "outbox"
    directory.mkdir(mode=0o700)
    with closing(sqlite3.connect(directory / "outbox.sqlite")) as connection, connection:
        connection.executescript((CHECKOUT / "tests/report/outbox/outbox-1.sql").read_text())
    (directory / "instance").write_text(f"{VERSION_1.instance_id}\n")
    return tmp_path


VERSION_1 = StreamState(
    instance_id="ee8da807-370a-45b9-a8fb-2d24cb6a3712",
    host_id=HOST,
    start_reason="other-centre",
    last_sequence=5,
    cursor={
        "runs": ["20261123T100000Z"],
        "open": [],
        "jobs": {"check": "2026-11-23T11:00:00Z"},
        "boot_id": "b0000000-0000-4000-8000-000000000001",
        "booted_at": "2026-11-23T09:00:00Z",
        "reboot": None,
        "daemon": None,
    },
    lost=Loss(count=1, first_sequence=3, last_sequence=3, reason="too-old"),
    dropped=1,
    refused=1,
    limits_checked_at=NOON,
    clock_jumped_at=datetime(2026, 11, 20, 12, tzinfo=timezone.utc),
    url="https://endpoint.example.org",
    state_sequence=7,
    sent_hash="a" * 16,
    refused_state=RefusedState(hash="b" * 16, until=NOON + timedelta(days=1), why="/updates: too long"),
    batches_until=NOON + timedelta(days=1),
    batch_limit=250,
    export_state=ExportState(last=NOON - timedelta(minutes=5), failures=3, not_before=NOON + timedelta(minutes=10)),
    last_attempt={
        "last_success_at": "2026-11-23T11:00:00Z",
        "failing_since": "2026-11-23T11:30:00Z",
        "why": "HTTP 503 Busy",
        "skew_s": -2,
    },
)


def test_file_of_version_1_is_migrated_once_and_loses_nothing(version_1: Path) -> None:
    for _ in range(2):
        with outbox(version_1) as box:
            assert box.state == VERSION_1
            assert sequences(box) == [1, 4, 5]
            assert [event.key[:6] for event in box.next_events(9, 1 << 20)] == ["e-61e5", "e-9b9f", "e-f899"]
            assert box._sql.execute("SELECT key, answer FROM refusals").fetchall() == [(f"e-{0:032}", "no")]  # noqa: SLF001
            check_event(bodies(box)[0])  # the schema still has the old reason


def test_file_of_version_1_is_read_from_a_full_disk_too(version_1: Path) -> None:
    with open_readonly(str(version_1 / "outbox")) as state:
        assert state == VERSION_1


def test_migration_is_done_whole_or_not_at_all(version_1: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("agent.report.outbox.file.store_state", fail)
        with pytest.raises(HostError, match="full"), outbox(version_1):
            pass

    with outbox(version_1) as box:
        assert box.state == VERSION_1


@pytest.mark.parametrize("name", ["instance_id", "last_sequence"])
def test_file_of_version_1_without_its_stream_is_set_aside(name: str, version_1: Path) -> None:
    spoil(version_1, "UPDATE facts SET value = 'rubbish' WHERE name = ?", name)

    with outbox(version_1) as box:
        assert box.state.start_reason == "corrupt"


def test_only_one_batch_of_events_is_read_into_memory(tmp_path: Path) -> None:
    with outbox(tmp_path, bounds=OutboxLimits(size=1 << 30, age=timedelta(days=30))) as box:
        add(box, 60, size=1 << 20)

    for bounds, reading in (
        ("1 << 30", "len(box.next_events(500, 1_000_000)) > 0"),
        ("1 << 25", "not tx.enforce_limits(NOON)"),
    ):
        code = READING.format(directory=str(tmp_path / "outbox"), bounds=bounds, reading=reading)
        done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
        assert int(done.stdout) < 25_000, reading


READING = """
import resource
from datetime import datetime, timedelta, timezone
from agent.report.outbox.file import open_outbox
from agent.report.outbox.transaction import OutboxLimits

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
bounds = OutboxLimits(size={bounds}, age=timedelta(days=30))
with open_outbox("{directory}", "11111111-2222-4333-8444-555555555555", bounds, NOON) as box:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with box.transaction() as tx:
        assert {reading}
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
"""Prints the growth of the process in KiB."""


def spoil(directory: Path, statement: str, *values: str) -> None:
    connection = sqlite3.connect(directory / "outbox" / "outbox.sqlite")
    with connection:
        connection.execute(statement, values)
    connection.close()
