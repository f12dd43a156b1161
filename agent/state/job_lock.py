"""The job lock: one job at a time per state directory, and the pid of the process that runs it. Light."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from agent.state.file_lock import exclusive
from agent.state.process_id import alive_pid, own_process_id
from agent.state.store import Store


@contextmanager
def job_lock(store: Store) -> Iterator[None]:
    """Keep other jobs from running for the length of the block; removes temporary files that a killed one left.

    Raises:
        BusyError: another job runs. HostError: the lock file cannot be opened.
    """
    busy = "another maestro-agent (pid {pid}) is running; nothing was changed"
    running = _running_path(store.directory)
    with exclusive(os.path.join(store.directory, "lock"), busy=busy):
        store.remove_leftovers()
        try:
            with suppress(OSError), open(running, "w", encoding="ascii") as file:
                file.write(own_process_id())
            yield
        finally:
            with suppress(OSError):
                os.unlink(running)


def worker_pid(directory: str) -> int | None:
    """Return the other process that runs a job on this state directory; None if there is none.

    Anybody may call it: the lock file is readable for root alone, so the pid is in a file of its own.
    """
    try:
        with open(_running_path(directory), encoding="ascii", errors="replace") as file:
            pid = alive_pid(file.read(64))
    except OSError:
        return None
    return None if pid == os.getpid() else pid


def _running_path(directory: str) -> str:
    return os.path.join(directory, "running")
