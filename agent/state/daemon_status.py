"""Whether the daemon is alive, and what it is about to do: a file under /run that it holds a lock on. Light."""

import os
from contextlib import suppress
from datetime import datetime

from agent.core.schemas import DAEMON_SCHEMA
from agent.errors import BusyError, HostError
from agent.state.file_lock import holder_pid, try_lock
from agent.state.json_reader import JsonReader
from agent.state.process_id import alive_pid, own_process_id
from agent.state.runtime_file import read_runtime_file, write_runtime_file
from agent.state.timestamps import format_utc
from agent.version import VERSION

RUN_DIRECTORY = "/run/maestro-agent"
_LONGEST_WORDS = 2000
"""Of one problem: a configuration may be wrong in a thousand places."""


class DaemonStatusFile:
    """The daemon's side: one daemon at a time, and a word on what it is doing."""

    def __init__(self, directory: str, started_at: datetime) -> None:
        """Take the directory that is to hold its two files, and when this daemon began."""
        self._started_at = started_at
        self._mark = own_process_id()
        self._lock_path = os.path.join(directory, "daemon.lock")
        self._path = os.path.join(directory, "daemon.json")
        self._descriptor = -1

    def acquire(self) -> None:
        """Be the one daemon of this machine.

        Raises:
            BusyError: there is another. HostError: the directory cannot be written.
        """
        try:
            os.makedirs(os.path.dirname(self._lock_path), exist_ok=True)
            descriptor = try_lock(self._lock_path, 0o600)
        except OSError as error:
            raise HostError(f"{self._lock_path}: cannot be opened: {error.strerror}") from error
        if descriptor is None:
            raise BusyError(f"another daemon (pid {holder_pid(self._lock_path)}) runs on this machine")
        self._descriptor = descriptor

    def publish(self, now: datetime, jobs: dict[str, datetime], doing: str, problems: list[str]) -> None:
        """Replace what is said; that it cannot be written harms nobody but a reader of `status`."""
        document = {
            "schema": DAEMON_SCHEMA,
            "process": self._mark,
            "version": VERSION,
            "started_at": format_utc(self._started_at),
            "seen_at": format_utc(now),
            "doing": doing,
            "problems": [words[:_LONGEST_WORDS] for words in problems],
            "next": {name: format_utc(at) for name, at in jobs.items()},
        }
        write_runtime_file(self._path, document)

    def release(self) -> None:
        """Be the daemon no more."""
        with suppress(OSError):
            os.unlink(self._path)
        os.close(self._descriptor)


def read_daemon_status(directory: str = RUN_DIRECTORY) -> tuple[int, JsonReader] | None:
    """Return the living daemon's pid and what it says; None where there is no daemon.

    Raises:
        RecordError: what it says cannot be read.
    """
    said = read_runtime_file(os.path.join(directory, "daemon.json"))
    if said is None:
        return None
    pid = alive_pid(said.text("process"))
    return None if pid is None else (pid, said)
