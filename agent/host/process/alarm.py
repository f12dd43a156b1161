"""Wall-clock limit for a block of code: setitimer(2)."""

import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType

_REPEAT_S = 2.0
"""The signal repeats, in case a library swallows the first exception. Later than a busy machine needs to clean up: a
second one in the middle of that leaves a connection open."""


@contextmanager
def time_limit(limit: timedelta) -> Iterator[None]:
    """Raise TimeoutError in the block when the limit expires. Main thread only.

    A timer that was set before stands still in the block and goes on after it; blocks do not nest.

    Socket timeouts apply to single reads and writes: a peer that sends a byte now and then never triggers them.
    """

    def on_alarm(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"no answer within {limit.total_seconds():g} seconds")

    # An exception in a finalizer or a callback of the cyclic collector is printed and lost: none runs in the block.
    collecting = gc.isenabled()
    gc.disable()
    before = signal.signal(signal.SIGALRM, on_alarm)
    earlier = (0.0, 0.0)
    try:
        earlier = signal.setitimer(signal.ITIMER_REAL, limit.total_seconds(), _REPEAT_S)
        yield
    finally:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)  # raises what has expired in the meantime, for the last time
        finally:
            signal.signal(signal.SIGALRM, before)
            signal.setitimer(signal.ITIMER_REAL, *earlier)
            if collecting:
                gc.enable()
