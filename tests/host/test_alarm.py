"""The wall-clock limit of a block: it is raised in the block, and never in a callback of the cyclic collector."""

import gc
import signal
import weakref
from datetime import timedelta

import pytest

from agent.host.process.alarm import time_limit


class Cycle:
    """Garbage that only the cyclic collector finds."""

    def __init__(self) -> None:
        self.itself = self


def test_the_limit_is_raised_in_the_block_and_not_in_a_callback_of_the_collector() -> None:
    called: list[object] = []
    inside = []

    def make_garbage() -> None:
        while True:
            references = [weakref.ref(Cycle(), called.append) for _ in range(1000)]
            inside.append(len(called))
            del references

    while not inside:  # a busy machine may not come to the first turn in time
        with pytest.raises(TimeoutError), time_limit(timedelta(seconds=0.05)):
            make_garbage()

    assert set(inside) == {0}


@pytest.mark.parametrize("collecting", [True, False])
def test_the_collector_is_left_as_it_was(collecting: bool) -> None:  # noqa: FBT001 - a parameter of the test
    try:
        if not collecting:
            gc.disable()
        with time_limit(timedelta(seconds=60)):
            assert not gc.isenabled()
        assert gc.isenabled() is collecting
    finally:
        gc.enable()


def test_a_timer_that_was_set_before_goes_on_after_the_block() -> None:
    """Pytest's limit for a test is one."""
    before = signal.setitimer(signal.ITIMER_REAL, 600, 60)
    try:
        with time_limit(timedelta(seconds=5)):
            inside, _ = signal.getitimer(signal.ITIMER_REAL)
        after, interval = signal.getitimer(signal.ITIMER_REAL)
    finally:
        signal.setitimer(signal.ITIMER_REAL, *before)
    assert inside <= 5
    assert 5 < after <= 600
    assert interval == 60


def test_a_limit_that_expires_as_the_block_ends_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The alarm has come, and Python runs its handler only after the timer was stopped."""
    stop, before = signal.setitimer, signal.getsignal(signal.SIGALRM)

    def stop_late(which: int, seconds: float, interval: float = 0) -> tuple[float, float]:
        found = stop(which, seconds, interval)
        if seconds == 0 and signal.getsignal(signal.SIGALRM) is not before:
            signal.raise_signal(signal.SIGALRM)
        return found

    monkeypatch.setattr(signal, "setitimer", stop_late)

    with pytest.raises(TimeoutError), time_limit(timedelta(seconds=60)):
        pass

    assert gc.isenabled()
    assert signal.getsignal(signal.SIGALRM) is before
