"""The daemon restarts itself once files that it runs were replaced."""

import os
import signal
from collections.abc import Callable
from datetime import datetime, timedelta
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


def test_replaced_files_restart_it_and_it_looks_often_until_it_is_idle(
    looks: Looks, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ticks: list[Tick] = []
    signals: list[tuple[int, int]] = []
    replaced = [False]

    class Noted(Scheduler):
        def __init__(self, tick: Tick, before_sleep: Callable[[], None]) -> None:
            super().__init__(tick, before_sleep)
            ticks.append(tick)

    monkeypatch.setattr(service, "Scheduler", Noted)
    monkeypatch.setattr(os, "kill", lambda pid, number: signals.append((pid, number)))
    monkeypatch.setattr(service, "runs_replaced_files", lambda: replaced[-1])
    (tmp_path / "config.toml").touch()
    service.Daemon(tmp_path / "config.toml", str(tmp_path / "state"), str(tmp_path / "run"))

    ticks[0]()
    replaced.append(True)
    looks.busy = True
    ticks[0]()
    while_busy = list(signals)
    looks.busy = False
    ticks[0]()

    assert looks.sleeps == [True, False, False]
    assert (while_busy, signals) == ([], [(os.getpid(), signal.SIGCHLD)])
