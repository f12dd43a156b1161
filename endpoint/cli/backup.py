"""`maestro-endpoint backup`: a verified copy of the database, while the server runs."""

import argparse
import signal

from endpoint.config.read import database_url, read_config
from endpoint.store.backup import back_up

_MIB = 1 << 20
_ENDING = (signal.SIGTERM, signal.SIGHUP)


def run(arguments: argparse.Namespace) -> None:
    """Copy the database as the caller, not as the database's owner: root may write where the owner may not.

    Raises:
        SystemExit: a signal has ended it; no incomplete copy is left.
    """
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as with nohup(1)
            signal.signal(number, _end)
    made = back_up(database_url(read_config(arguments.config)), arguments.file, replace=arguments.replace)
    print(f"{made.file}: {made.size_bytes / _MIB:.1f} MiB, verified")
    print(f"to restore it, stop maestro-endpoint and run: {made.restore_with}")


def _end(number: int, _frame: object) -> None:
    """End the process, as the signal would, but after the blocks that remove what is incomplete."""
    for one in _ENDING:
        signal.signal(one, signal.SIG_IGN)
    raise SystemExit(128 + number)
