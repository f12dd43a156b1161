"""daemon.json under /run: whether the daemon is alive, what it does and when jobs are due. Light: `status` reads it."""

import os
import time
from contextlib import ExitStack, suppress
from datetime import datetime

from agent.core.schemas import DAEMON_SCHEMA
from agent.errors import HostError
from agent.state.file_lock import exclusive
from agent.state.json_reader import JsonReader
from agent.state.lazy_module import lazy_module
from agent.state.process_id import alive_pid, own_process_id
from agent.state.runtime_file import read_runtime_file, write_runtime_file
from agent.state.timestamps import format_utc
from agent.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.state import run_directory
else:
    run_directory = lazy_module("agent.state.run_directory")

RUN_DIRECTORY = "/run/maestro-agent"
_MAX_PROBLEM = 2000
"""Characters of one problem: a configuration may be wrong in a thousand places."""


class DaemonStatusFile:
    """The daemon's side: its lock, which admits one daemon at a time, and its status file."""

    def __init__(self, directory: str, started_at: datetime) -> None:
        """Take the directory of both files, and the daemon's start."""
        self._started_at = started_at
        self._process_id = own_process_id()
        self._lock_path = os.path.join(directory, "daemon.lock")
        self._path = os.path.join(directory, "daemon.json")
        self._lock = ExitStack()

    def acquire(self) -> None:
        """Lock, so that no other daemon runs on this machine.

        Raises:
            BusyError: another one runs. HostError: the directory cannot be written.
        """
        directory = os.path.dirname(self._lock_path)
        try:
            os.makedirs(directory, exist_ok=True)
        except OSError as error:
            raise HostError(f"{directory}: cannot be created: {error.strerror}") from error
        run_directory.make_way(self._lock_path)
        self._lock.enter_context(exclusive(self._lock_path, busy="another daemon (pid {pid}) runs on this machine"))
        run_directory.make_way_for_status_files(directory)

    def publish(
        self,
        now: datetime,
        jobs: dict[str, datetime],
        doing: str,
        problems: list[str],
        *,
        next_look_at: datetime,
        upgrades: bool,
    ) -> None:
        """Replace the status file, which is replaced again at `next_look_at` at the latest, as `now` is now.

        `upgrades`: `agent.upgrade` of the configuration in use, whoever installs the updates now.

        Best effort: only readers of `status` depend on it. The next look by the monotonic clock tells whether it is
        overdue, as neither a suspend nor a step of the wall clock makes it so.
        """
        document = {
            "schema": DAEMON_SCHEMA,
            "process": self._process_id,
            "version": VERSION,
            "started_at": format_utc(self._started_at),
            "seen_at": format_utc(now),
            "next_look_at": format_utc(next_look_at),
            "next_look_monotonic_s": round(time.monotonic() + (next_look_at - now).total_seconds(), 3),
            "doing": doing,
            "problems": [problem[:_MAX_PROBLEM] for problem in problems],
            "upgrades": upgrades,
            "next": {name: format_utc(at) for name, at in jobs.items()},
        }
        write_runtime_file(self._path, document)

    def release(self) -> None:
        """Remove the status file and unlock."""
        with suppress(OSError):
            os.unlink(self._path)
        self._lock.close()


def read_daemon_status(directory: str = RUN_DIRECTORY) -> tuple[int, JsonReader] | None:
    """Return the running daemon's pid and its status; None if no daemon runs.

    Raises:
        RecordError: the status file cannot be read.
    """
    status = read_runtime_file(os.path.join(directory, "daemon.json"))
    if status is None:
        return None
    pid = alive_pid(status.text("process"))
    return None if pid is None else (pid, status)
