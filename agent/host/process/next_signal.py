"""Wait for a signal that the thread blocks: sigtimedwait(2)."""

import signal
from collections.abc import Collection


def next_signal(signals: Collection[int], limit_s: float) -> int | None:
    """Return the number of the next of these signals; None after `limit_s` seconds without one.

    Where the process was stopped (SIGSTOP, a frozen control group) until after the limit, CPython returns memory that
    nothing was written to instead of None: findings/cpython-sigtimedwait-after-a-stop.sh.
    """
    received = signal.sigtimedwait(signals, limit_s)
    return received.si_signo if received is not None and received.si_signo in signals else None
