"""Ticks run when the one before has said, or on request; APScheduler comes without its search for plugins."""

import subprocess
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue

import pytest

from agent.daemon.scheduler import Scheduler
from agent.state.timestamps import utc_now
from tests.conftest import CHECKOUT

HEAVY = ("pkg_resources", "importlib.metadata", "asyncio", "multiprocessing", "concurrent.futures.process", "tzlocal")
IMPORT = f"""
import sys
sys.path.insert(0, {str(CHECKOUT)!r})
import agent.daemon.scheduler
print({{name for name in {HEAVY} if name in sys.modules}})
import asyncio, concurrent.futures, importlib.metadata, tzlocal
print(importlib.metadata.__spec__ is not None, hasattr(importlib.metadata, "Distribution"))
print(hasattr(asyncio, "run"), hasattr(concurrent.futures, "ProcessPoolExecutor"), tzlocal.get_localzone() is not None)
"""


def test_the_stand_ins_are_gone_after_the_import() -> None:
    done = subprocess.run(["/usr/bin/python3", "-I", "-c", IMPORT], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["set()", "True True", "True True True"]


def scheduler_with(delays_s: Sequence[float]) -> tuple[Scheduler, "SimpleQueue[int]"]:
    """Return a scheduler whose ticks name these delays in turn, and the queue that gets a number for each tick."""
    ticks: SimpleQueue[int] = SimpleQueue()
    left = iter(enumerate(delays_s))

    def tick() -> datetime:
        number, delay_s = next(left)
        ticks.put(number)
        return utc_now() + timedelta(seconds=delay_s)

    return Scheduler(tick), ticks


def test_a_tick_names_the_time_of_the_next_one() -> None:
    scheduler, ticks = scheduler_with([0.05, 0.05, 3600])
    scheduler.start()

    assert [ticks.get(timeout=60) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(Empty):
        ticks.get(timeout=0.5)
    scheduler.stop()


def test_a_tick_runs_at_once_on_request_and_work_beside_it() -> None:
    scheduler, ticks = scheduler_with([3600] * 3)
    once = threading.Event()
    scheduler.start()

    ticks.get(timeout=60)
    scheduler.run_now()
    ticks.get(timeout=60)
    scheduler.run_within(0.05)
    ticks.get(timeout=60)
    scheduler.once(once.set)
    assert once.wait(60)
    scheduler.stop()


def test_a_request_during_a_tick_runs_another_one_after_it() -> None:
    begun, go_on, again = threading.Event(), threading.Event(), threading.Event()

    def tick() -> datetime:
        if begun.is_set():
            again.set()
        begun.set()
        assert go_on.wait(60)
        return utc_now() + timedelta(hours=1)

    scheduler = Scheduler(tick)
    scheduler.start()
    assert begun.wait(60)
    scheduler.run_now()
    go_on.set()

    assert again.wait(60)
    scheduler.stop()


def test_a_tick_that_hangs_delays_neither_requests_nor_the_stop() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def tick() -> datetime:
        begun.set()
        go_on.wait(60)
        return utc_now() + timedelta(hours=1)

    scheduler = Scheduler(tick)
    scheduler.start()
    assert begun.wait(60)
    scheduler.run_now()
    scheduler.run_within(1)
    scheduler.once(lambda: None)
    scheduler.stop()

    assert not go_on.is_set()
    go_on.set()
    scheduler.run_now()


def test_a_request_for_later_does_not_put_off_an_earlier_tick() -> None:
    scheduler, ticks = scheduler_with([0.3, 3600])
    scheduler.start()

    ticks.get(timeout=60)
    scheduler.run_within(3600)
    assert ticks.get(timeout=60) == 1
    scheduler.stop()


def test_a_second_stop_is_no_error() -> None:
    scheduler, _ = scheduler_with([3600])
    scheduler.start()

    scheduler.stop()
    scheduler.stop()


def test_before_it_sleeps_it_says_so_and_not_while_a_tick_is_wanted() -> None:
    said: SimpleQueue[str] = SimpleQueue()
    left = iter([0.0, 0.0, 3600.0])

    def tick() -> datetime:
        said.put("tick")
        return utc_now() + timedelta(seconds=next(left))

    scheduler = Scheduler(tick, lambda: said.put("sleep"))
    scheduler.start()
    found = [said.get(timeout=60) for _ in range(4)]
    scheduler.stop()

    assert found == ["tick", "tick", "tick", "sleep"]
