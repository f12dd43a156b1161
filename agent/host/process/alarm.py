"""A limit to a whole piece of work in this process, however it is spent: setitimer(2)."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType

_AGAIN_S = 0.5
"""Should a library swallow the first one, another comes."""


@contextmanager
def time_limit(limit: timedelta) -> Iterator[None]:
    """End the block with TimeoutError once the limit is over. For the main thread alone; blocks do not nest.

    Time limits of sockets are for one read or write each: another side that sends a byte now and then keeps any number
    of reads going.
    """

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"no answer within {limit.total_seconds():g} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, limit.total_seconds(), _AGAIN_S)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
