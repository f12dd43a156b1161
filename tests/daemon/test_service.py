"""The daemon restarts itself once files that it runs were replaced."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from agent.daemon import service
from agent.daemon.job_dispatcher import JobsOverview
from agent.daemon.look import Found, Look
from agent.daemon.scheduler import Scheduler
from agent.daemon.surroundings import Surroundings

Tick = Callable[[], datetime]


class Looks:
    """Looks that find whether the daemon is busy, and note whether they may be followed by a long sleep."""

    def __init__(self) -> None:
        self.busy = False
        self.sleeps: list[bool] = []

    def take(self, _policy: object, now: datetime, _up_since: datetime, *, watched: bool) -> Found:
        self.sleeps.append(watched)
        found = JobsOverview(attempts={})
        return Found(jobs=found, due={}, delayed="", busy=self.busy, next_at=now + timedelta(minutes=5))


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    found = Looks()
    monkeypatch.setattr(Look, "take", found.take)
    monkeypatch.setattr(Surroundings, "watch", lambda _self: True)  # without signals to pytest
    return found


@dataclass
class Started:
    """A daemon that does not run: its tick, what it sent to itself, and what it sees of the machine."""

    tick: Tick
    signals: list[tuple[int, int]]
    replaced: bool
    packages_at: datetime | None
    at_work: bool = False


Start = Callable[[bool], Started]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Start:
    """Return what makes a daemon whose files were replaced before, or were not."""
    ticks: list[Tick] = []

    class Noted(Scheduler):
        def __init__(self, tick: Tick, before_sleep: Callable[[], None]) -> None:
            super().__init__(tick, before_sleep)
            ticks.append(tick)

    def made(replaced: bool) -> Started:  # noqa: FBT001 - a fixture's own
        old = datetime(2026, 11, 1, tzinfo=timezone.utc)
        found = Started(tick=lambda: old, signals=[], replaced=replaced, packages_at=old)
        monkeypatch.setattr(service, "Scheduler", Noted)
        monkeypatch.setattr(os, "kill", lambda pid, number: found.signals.append((pid, number)))
        monkeypatch.setattr(service, "runs_replaced_files", lambda: found.replaced)
        monkeypatch.setattr(service, "packages_changed_at", lambda: found.packages_at)
        monkeypatch.setattr(service, "may_be_at_work", lambda _now: found.at_work)
        (tmp_path / "config.toml").touch()
        service.Daemon(tmp_path / "config.toml", str(tmp_path / "state"), str(tmp_path / "run"))
        found.tick = ticks[-1]
        return found

    return made


RESTART = [(os.getpid(), signal.SIGCHLD)]


def test_replaced_files_restart_it_and_it_looks_often_until_it_is_idle(looks: Looks, start: Start) -> None:
    daemon = start(False)
    daemon.tick()
    daemon.replaced = looks.busy = True
    daemon.tick()
    while_busy = list(daemon.signals)
    looks.busy = False
    daemon.tick()

    assert looks.sleeps == [True, False, False]
    assert (while_busy, daemon.signals) == ([], RESTART)


def test_it_waits_until_dpkg_has_been_at_rest_as_more_may_be_replaced(looks: Looks, start: Start) -> None:
    daemon = start(False)
    daemon.replaced = daemon.at_work = True
    daemon.tick()
    at_once = list(daemon.signals)
    daemon.at_work = False
    daemon.tick()

    assert looks.sleeps == [False, False]
    assert (at_once, daemon.signals) == ([], RESTART)


@pytest.mark.parametrize("replaced", [False, True], ids=["replaced later", "replaced before its start"])
def test_without_a_readable_database_it_does_not_restart_again_and_again(
    looks: Looks, start: Start, *, replaced: bool
) -> None:
    daemon = start(replaced)
    daemon.replaced, daemon.packages_at = True, None
    daemon.tick()

    assert looks.sleeps == [True]
    assert daemon.signals == []


def test_where_a_restart_changed_nothing_it_waits_for_the_next_change_of_packages(looks: Looks, start: Start) -> None:
    daemon = start(True)
    daemon.tick()
    useless = list(daemon.signals)
    daemon.packages_at = datetime(2026, 11, 2, tzinfo=timezone.utc)
    daemon.tick()

    assert looks.sleeps == [True, False]
    assert (useless, daemon.signals) == ([], RESTART)
