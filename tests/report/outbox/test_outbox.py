"""The outbox keeps events in order through kills, full disks and damage, and within its bounds."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from agent.errors import BusyError, HostError
from agent.report.outbox.file import open_outbox, open_readonly
from agent.report.outbox.outbox import Outbox, OutboxLimits, parse_event

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
    with box.changing():
        for number in range(count):
            box.add(kind, now, {"number": number, "text": "x" * size}, now)
        box.shrink(now)


def bodies(box: Outbox) -> list[dict[str, object]]:
    return [json.loads(event.body) for event in box.next_events(100_000, 1 << 40)]


def sequences(box: Outbox) -> list[int]:
    return [event.sequence for event in box.next_events(100_000, 1 << 40)]


def test_a_new_outbox_begins_its_stream_with_an_event_that_says_so(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        (begun,) = bodies(box)

    assert begun["type"] == "outbox-begun"
    assert begun["document"] == {"previous_instance_id": None, "reason": "new"}


def test_what_was_added_is_there_again_in_order_with_the_same_keys(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        add(box, 5)
        before, name = box.next_events(100, 1 << 20), box.instance_id

    with outbox(tmp_path) as box:
        assert box.next_events(100, 1 << 20) == before
        assert [event.sequence for event in before] == [1, 2, 3, 4, 5, 6]
        assert box.instance_id == name
        assert len({event.key for event in before}) == 6


def test_what_was_answered_is_gone_and_its_number_is_never_used_again(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        add(box, 2)
        with box.changing():
            box.forget([1, 2, 3])

    with outbox(tmp_path) as box:
        add(box, 1)
        assert sequences(box) == [4]
        assert (box.depth().events, box.depth().last_sequence, box.depth().dropped) == (1, 4, 0)


def test_a_batch_holds_at_least_one_event_however_large(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        add(box, 3, size=5000)
        assert len(box.next_events(500, 10)) == 1
        assert len(box.next_events(2, 1 << 20)) == 2
        assert len(box.next_events(500, 12_000)) == 3  # outbox-begun and two more


def test_a_block_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        with pytest.raises(ZeroDivisionError), box.changing():  # noqa: PT012 - the block is what fails
            box.add("outcome", NOON, {}, NOON)
            box.keep("mark", 1 // 0)
        assert sequences(box) == [1]
        assert box.fact("mark") is None


def test_what_a_bound_forces_out_is_counted_and_told_as_one_event(tmp_path: Path) -> None:
    with outbox(tmp_path, bounds=OutboxLimits(size=20_000, age=timedelta(days=1))) as box:
        for _ in range(20):
            add(box, 5, size=1000)
        kept = sequences(box)
        assert kept == list(range(kept[0], 102))
        assert box.depth().size <= 20_000
        with box.changing():
            assert box.tell_losses(NOON)
            assert not box.tell_losses(NOON)
        told = bodies(box)[-1]

    assert told["type"] == "messages-lost"
    assert told["document"] == {
        "count": kept[0] - 1,
        "first_sequence": 1,
        "last_sequence": kept[0] - 1,
        "reason": "too-many-bytes",
    }


def test_a_clock_that_leaps_ahead_makes_nothing_old_for_a_day(tmp_path: Path) -> None:
    wrong = NOON + timedelta(days=4000)
    with outbox(tmp_path) as box:
        add(box, 3)
        with box.changing():
            box.shrink(wrong)
            assert sequences(box) == [1, 2, 3, 4]
            box.shrink(NOON + timedelta(minutes=5))  # it was set right, and goes on
            for day in range(1, 30):
                box.shrink(NOON + timedelta(days=day, minutes=5))
                assert sequences(box) == [1, 2, 3, 4]
            box.shrink(NOON + timedelta(days=30, minutes=5))

        assert sequences(box) == []


def test_a_clock_that_stays_ahead_is_believed_after_a_day(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        add(box, 3)
        with box.changing():
            for hours in (0, 12, 23):
                box.shrink(NOON + timedelta(days=4000, hours=hours))
                assert sequences(box) == [1, 2, 3, 4]
            box.shrink(NOON + timedelta(days=4001))

        assert sequences(box) == []


def test_losses_that_could_not_be_told_either_are_part_of_the_next_word_on_them(tmp_path: Path) -> None:
    with outbox(tmp_path, bounds=OutboxLimits(size=1 << 20, age=timedelta(hours=1))) as box:
        add(box, 3)
        with box.changing():
            box.shrink(NOON + timedelta(hours=2))  # 1 to 4 are lost
            box.tell_losses(NOON + timedelta(hours=2))  # 5 says so
            box.shrink(NOON + timedelta(hours=4))  # and is lost itself
            box.tell_losses(NOON + timedelta(hours=4))
        (told,) = bodies(box)

    assert told["document"] == {"count": 5, "first_sequence": 1, "last_sequence": 5, "reason": "too-old"}


def test_a_week_of_events_without_a_centre_takes_no_more_disk_than_the_bound(tmp_path: Path) -> None:
    bounds = OutboxLimits(size=500_000, age=timedelta(days=30))
    for day in range(7):
        with outbox(tmp_path, bounds=bounds) as box:
            for _ in range(30):
                add(box, 10, now=NOON + timedelta(days=day), size=2000)

    on_disk = sum(file.stat().st_size for file in (tmp_path / "outbox").iterdir())
    with outbox(tmp_path, bounds=bounds) as box:
        depth = box.depth()
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
def test_a_damaged_file_is_set_aside_and_a_new_stream_tells_which_one_came_before(
    content: bytes, tmp_path: Path
) -> None:
    with outbox(tmp_path) as box:
        first = box.instance_id
    (tmp_path / "outbox/outbox.sqlite").write_bytes(content)

    with outbox(tmp_path) as box:
        (begun,) = bodies(box)
        assert box.instance_id != first

    assert begun["document"] == {"previous_instance_id": first, "reason": "corrupt"}
    assert (tmp_path / "outbox/outbox.sqlite.unreadable").read_bytes()[:5000] == content[:5000]


def test_a_file_with_any_page_overwritten_still_opens(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        add(box, 100, size=400)
        name = box.instance_id
    whole = (tmp_path / "outbox/outbox.sqlite").read_bytes()
    lots = random.Random(5)  # noqa: S311 - chance, no secret

    for _ in range(60):
        place = lots.randrange(0, len(whole) - 64)
        damaged = whole[:place] + bytes(lots.randrange(256) for _ in range(64)) + whole[place + 64 :]
        (tmp_path / "outbox/outbox.sqlite").write_bytes(damaged)
        (tmp_path / "outbox/instance").write_text(name)
        with outbox(tmp_path) as box:
            add(box, 1)
            found = sequences(box)
            assert found == sorted(set(found))
            assert [parse_event(event.body) is None for event in box.next_events(999, 1 << 30)].count(True) < 3


def test_an_outbox_that_was_taken_away_is_begun_anew(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        first = box.instance_id
    (tmp_path / "outbox/outbox.sqlite").unlink()

    with outbox(tmp_path) as box:
        (begun,) = bodies(box)

    assert begun["document"] == {"previous_instance_id": first, "reason": "missing"}


def test_a_cloned_disk_begins_a_stream_of_its_own(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        add(box, 3)
        first = box.instance_id

    with outbox(tmp_path, host=OTHER_HOST) as box:
        (begun,) = bodies(box)
        assert box.instance_id != first

    assert begun["document"] == {"previous_instance_id": first, "reason": "other-host"}


def test_only_one_process_has_it_open(tmp_path: Path) -> None:
    program = (
        "import sys, datetime; sys.path.insert(0, sys.argv[1])\n"
        "from agent.report.outbox.file import open_outbox\nfrom agent.report.outbox.outbox import OutboxLimits\n"
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
        with pytest.raises(BusyError, match=f"pid {other.pid}"), open_readonly(str(tmp_path / "outbox"), BOUNDS, {}):
            pass
        other.communicate()

    with outbox(tmp_path) as box:
        assert sequences(box) == [1]


def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        add(box, 5)

    with outbox(tmp_path) as box:
        pages = box._sql.execute("PRAGMA page_count").fetchone()[0]  # noqa: SLF001 - stands in for a full disk
        box._sql.execute(f"PRAGMA max_page_count={pages}")  # noqa: SLF001
        with pytest.raises(HostError, match="full"):
            add(box, 500, size=1000)
        assert sequences(box) == [1, 2, 3, 4, 5, 6]


def test_what_a_file_knows_of_its_stream_is_recalled_without_events_and_nothing_of_it_is_kept(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        add(box, 5)
        with box.changing():
            box.give_up(3, "", "too-old")
            box.keep("told_hash", "old")
        before = box.instance_id

    with open_readonly(str(tmp_path / "outbox"), BOUNDS, {"told_hash": "new", "state_sequence": 7}) as box:
        with box.changing():
            again = box.next_state_sequence()
            lost = box.tell_losses(NOON)
        assert (box.instance_id, box.fact("told_hash"), again, lost) == (before, "new", 8, False)
        assert sequences(box) == []

    with outbox(tmp_path) as box:
        assert (box.instance_id, box.fact("told_hash"), box.fact("state_sequence")) == (before, "old", None)
        assert sequences(box) == [1, 2, 4, 5, 6]
        assert box.fact("lost") is not None


@pytest.mark.parametrize("held", [None, b"", b"nonsense" * 1000, b"a directory"])
def test_where_no_stream_is_there_is_none_to_recall(tmp_path: Path, held: bytes | None) -> None:
    path = tmp_path / "outbox/outbox.sqlite"
    path.parent.mkdir()
    if held == b"a directory":
        path.mkdir()
    elif held is not None:
        path.write_bytes(held)

    with pytest.raises(HostError, match=r"outbox\.sqlite"), open_readonly(str(path.parent), BOUNDS, {}):
        pass


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file")

    with pytest.raises(HostError, match="outbox"), outbox(tmp_path):
        pass


def test_a_file_that_cannot_be_opened_is_no_damaged_one(tmp_path: Path) -> None:
    with outbox(tmp_path):
        pass
    (tmp_path / "outbox/outbox.sqlite").unlink()
    (tmp_path / "outbox/outbox.sqlite").mkdir()

    with pytest.raises(HostError, match="cannot be opened"), outbox(tmp_path):
        pass


def test_the_last_hundred_refusals_are_kept_with_their_answers(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        with box.changing():
            for number in range(130):
                box.refuse(f"e-{number:030}", "y" * 5000, NOON + timedelta(seconds=number))
        refusals = box.refusals()
        assert box.depth().refused == 130

    assert len(refusals) == 100
    assert refusals[0].key == f"e-{129:030}"
    assert len(refusals[0].answer) == 2000


WRITER = """
import sys, datetime
sys.path.insert(0, sys.argv[1])
from agent.report.outbox.file import open_outbox
from agent.report.outbox.outbox import OutboxLimits
now = datetime.datetime.now(datetime.timezone.utc)
with open_outbox(sys.argv[2], sys.argv[3], OutboxLimits(size=1 << 30, age=datetime.timedelta(9)), now) as box:
    while True:
        with box.changing():
            box.add("outcome", now, {"text": "x" * 300}, now)
            box.keep("mark", box.depth().last_sequence)
        print(box.depth().last_sequence, flush=True)
"""


def test_whatever_was_added_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    lots = random.Random(9)  # noqa: S311 - chance, no secret
    said = 0
    for _ in range(15):
        command = [sys.executable, "-c", WRITER, str(CHECKOUT), str(tmp_path / "outbox"), HOST]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(lots.uniform(0, 0.1))
            os.kill(writer.pid, signal.SIGKILL)
            rest = writer.stdout.read().split()
        said = max([said, *map(int, rest[:-1])])
        with outbox(tmp_path, bounds=OutboxLimits(size=1 << 30, age=timedelta(days=9999))) as box:
            found = sequences(box)
            assert found == list(range(1, len(found) + 1))
            assert len(found) >= said
            assert box.fact("mark") == len(found)


def test_the_files_are_for_the_owner_alone(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        add(box, 1)
        modes = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "outbox").iterdir()}

    assert (tmp_path / "outbox").stat().st_mode & 0o777 == 0o700
    assert modes["outbox.sqlite"] == modes["lock"] == 0o600


def test_sqlite_waits_for_the_disk_at_each_commit(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        pragmas = [box._sql.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]  # noqa: SLF001

    assert pragmas == ["wal", 2]
    assert sqlite3.threadsafety >= 1


@pytest.mark.parametrize("bad", ['"typf"', '"type": 7, "was"', '"document": 7, "was"', '"type": [], "was"'])
def test_an_event_that_the_disk_has_spoilt_can_be_given_up(tmp_path: Path, bad: str) -> None:
    with outbox(tmp_path) as box:
        add(box, 3)
        add(box, 1, kind="messages-lost")
    spoil(tmp_path, "UPDATE events SET body = replace(body, '\"type\"', ?)", bad)

    with outbox(tmp_path, bounds=OutboxLimits(size=500, age=timedelta(days=30))) as box:
        add(box, 0)
        assert box.depth().dropped == 4
        with box.changing():
            box.begin(HOST, NOON, previous=None, reason="rolled-back")


def test_an_event_of_numbers_that_json_does_not_know_is_none() -> None:
    body = '{"schema": "maestro.event/1", "type": "outcome", "at": "", "document": {"x": %s}}'

    assert [parse_event(body % text) is None for text in ("1.5", "NaN", "-Infinity", "1e999")] == [
        False,
        True,
        True,
        True,
    ]
    assert parse_event("[" * 100_000) is None


def test_what_is_remembered_of_losses_and_was_spoilt_stops_nothing(tmp_path: Path) -> None:
    with outbox(tmp_path) as box, box.changing():
        box.keep("lost", {"cpunt": 1, "first_sequence": 1, "last_sequence": 1, "reason": "too-old"})

    with outbox(tmp_path, bounds=OutboxLimits(size=500, age=timedelta(days=30))) as box:
        add(box, 10)
        with box.changing():
            assert box.tell_losses(NOON)
        assert bodies(box)[-1]["document"]["count"] > 1  # type: ignore[index]


def test_an_age_longer_than_the_calendar_is_no_bound(tmp_path: Path) -> None:
    with outbox(tmp_path, bounds=OutboxLimits(size=1_000_000, age=timedelta(days=999_999))) as box:
        add(box, 2)

        assert box.depth().events == 3


def test_a_file_without_its_facts_is_set_aside(tmp_path: Path) -> None:
    with outbox(tmp_path) as box:
        add(box, 1)
    spoil(tmp_path, "DROP TABLE facts")

    with outbox(tmp_path) as box:
        assert box.fact("begun") == "corrupt"


def test_events_are_read_no_further_than_a_batch_goes(tmp_path: Path) -> None:
    with outbox(tmp_path, bounds=OutboxLimits(size=1 << 30, age=timedelta(days=30))) as box:
        add(box, 60, size=1 << 20)

    for bounds, reading in (
        ("1 << 30", "len(box.next_events(500, 1_000_000)) > 0"),
        ("1 << 25", "not box.shrink(NOON)"),
    ):
        code = READING.format(directory=str(tmp_path / "outbox"), bounds=bounds, reading=reading)
        done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
        assert int(done.stdout) < 25_000, reading


READING = """
import resource
from datetime import datetime, timedelta, timezone
from agent.report.outbox.outbox import OutboxLimits
from agent.report.outbox.file import open_outbox

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
bounds = OutboxLimits(size={bounds}, age=timedelta(days=30))
with open_outbox("{directory}", "11111111-2222-4333-8444-555555555555", bounds, NOON) as box:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with box.changing():
        assert {reading}
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
"""Prints by how many KiB the process grew."""


def spoil(directory: Path, statement: str, *values: str) -> None:
    connection = sqlite3.connect(directory / "outbox" / "outbox.sqlite")
    with connection:
        connection.execute(statement, values)
    connection.close()
