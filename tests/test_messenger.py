"""The daemon has the centre told at its slots, at once where something is new, and never by two senders."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from agent.core.beat import Pulse
from agent.host.child import Child
from agent.jobrecord import keep_begun, keep_ended
from agent.messenger import Messenger
from agent.reporting import Listener
from agent.store import Store
from agent.telling.pulse import pulse_document
from agent.tellingfile import write_telling
from tests.core.given import policy

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)
LONG_AGO = NOON - timedelta(days=1)


class FakeChild(Child):
    """A sender that ends when it is told to."""

    def __init__(self) -> None:
        self.pid = -1
        self.code: int | None = None
        self.age = 0.0

    def ended(self) -> int | None:
        return self.code

    def age_s(self) -> float:
        return self.age

    def kill(self) -> None:
        self.code = -9


@dataclass
class World:
    """A daemon's messenger and what it has started."""

    directory: Path
    started: list[FakeChild] = field(default_factory=list)
    arguments: Sequence[str] = ()
    url: str = "https://centre.example.org"

    def __post_init__(self) -> None:
        self.store = Store(str(self.directory / "state"))
        (self.directory / "run").mkdir()
        self.messenger = Messenger(Path("/etc/c.toml"), self.store, str(self.directory / "run"), self.start)

    def start(self, arguments: Sequence[str]) -> Child:
        self.arguments = arguments
        self.started.append(FakeChild())
        return self.started[-1]

    def look(self, now: datetime, up_since: datetime = LONG_AGO) -> int:
        """Look once; return how many senders there were so far."""
        wanted = replace(policy(), endpoint=replace(policy().endpoint, url=self.url))
        self.messenger.look(wanted, "machine", now, up_since)
        return len(self.started)

    def says(self, pulse: Pulse) -> None:
        """Have the sender come to its end and leave its word."""
        self.started[-1].code = 0
        write_telling(str(self.directory / "run"), Listener.CENTRE, {"pulse": pulse_document(pulse), "listeners": {}})


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_with_no_centre_nothing_is_ever_started(world: World) -> None:
    world.url = ""

    assert [world.look(NOON + MINUTE * minute) for minute in range(60)] == [0] * 60


def test_a_sender_is_started_each_five_minutes(world: World) -> None:
    for half in range(120):
        now = NOON + half * MINUTE / 2
        before = len(world.started)
        if world.look(now) > before:
            world.says(Pulse(last=now))

    assert len(world.started) == 13  # the first at once, after a day without one
    assert list(world.arguments[:2]) == ["--config", "/etc/c.toml"]
    assert "tell-centre" in world.arguments


def test_after_booting_it_waits_for_its_slot(world: World) -> None:
    found = [world.look(NOON + second * timedelta(seconds=30), up_since=NOON) for second in range(11)]

    assert found[0] == 0
    assert found[-1] == 1


def test_a_job_that_has_ended_is_told_at_once(world: World) -> None:
    now = NOON
    while not world.look(now):
        now += MINUTE / 2
    world.says(Pulse(last=now))
    assert world.look(now + MINUTE / 2) == 1
    keep_begun(world.store, "check", now, "schedule")
    keep_ended(world.store, "check", now, 0)

    assert world.look(now + MINUTE) == 2


def test_after_a_failure_it_waits_as_the_sender_says(world: World) -> None:
    now = NOON
    while not world.look(now):
        now += MINUTE / 2
    world.says(Pulse(last=now, failures=7, not_before=now + 14 * MINUTE))

    assert world.look(now + 13 * MINUTE) == 1
    assert world.look(now + 14 * MINUTE) == 2


def test_there_is_one_sender_at_a_time_and_one_that_hangs_is_ended(world: World) -> None:
    now = NOON
    while not world.look(now):
        now += MINUTE / 2

    assert world.look(now + 10 * MINUTE) == 1
    world.started[0].age = 121.0
    assert world.look(now + 10 * MINUTE) == 1
    assert world.started[0].code == -9
    assert world.look(now + 11 * MINUTE) == 2


def test_a_sender_that_says_nothing_is_not_started_again_before_the_next_slot(world: World) -> None:
    for half in range(40):
        before = len(world.started)
        if world.look(NOON + half * MINUTE / 2) > before:
            world.started[-1].code = 1

    assert len(world.started) == 5  # the first at once, then four slots


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": "maestro.telling/1", "pulse": 7}', "\x00" * 99])
def test_a_word_that_cannot_be_read_is_no_word(text: str, world: World) -> None:
    (world.directory / "run/telling.json").write_text(text)

    assert world.look(NOON) == 1


def test_a_pulse_is_read_as_it_was_written() -> None:
    pulse = Pulse(last=NOON, failures=3, not_before=NOON + MINUTE)

    assert json.loads(json.dumps(pulse_document(pulse))) == pulse_document(pulse)
