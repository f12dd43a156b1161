"""What is remembered under the state directory: one JSON document a file, whole or not at all.

A write goes to a temporary file in the same directory, is fsynced, renamed over the old one, and the
directory is fsynced, so that a power cut leaves either the old document or the new. Everyone may read. A
document that cannot be read, or that a newer agent wrote, is set aside under another name with a message.

Kept free of heavy imports, for `status` reads through here.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from agent.core.schemas import Document
from agent.errors import BusyError, HostError, RecordError
from agent.state.file_lock import try_lock
from agent.state.json_reader import JsonReader
from agent.state.process_id import alive_pid, own_process_id
from agent.state.safe_open import open_regular

DEFAULT_DIRECTORY = "/var/lib/maestro-agent"
STATE = "state"
REFRESH = "refresh"
CVES = "cves"
AHEAD = "ahead"
_HISTORY = "history"
_KEPT_RUNS = 500


class Store:
    """The state directory."""

    def __init__(self, directory: str = DEFAULT_DIRECTORY) -> None:
        self.directory = directory

    def path(self, name: str) -> str:
        """Return the file of a named document."""
        return os.path.join(self.directory, f"{name}.json")

    def log_path(self, run_id: str) -> str:
        """Return the file that takes a run's package manager output (root alone may read it)."""
        return os.path.join(self.directory, _HISTORY, f"{run_id}.log")

    @property
    def ledger_path(self) -> str:
        """The file that lists downloaded archives until they are removed."""
        return os.path.join(self.directory, "downloaded")

    def writable(self) -> bool:
        """Whether this process may remember anything; makes the directories where it can."""
        try:
            self._make_directories()
        except OSError:
            return False
        return os.access(self.directory, os.W_OK)

    def write(self, name: str, document: Document) -> None:
        """Replace a document.

        Raises:
            HostError: it cannot be written; the old one still stands.
        """
        path = self.path(name)
        temporary = f"{path}.new-{os.getpid()}"
        try:
            self._make_directories()
            with open(temporary, "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), 0o644)
                json.dump(document, file, indent=1)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            _sync_directory(os.path.dirname(path))
        except OSError as error:
            raise HostError(f"{path}: cannot be written: {error.strerror}") from error
        finally:
            with suppress(OSError):  # once it is in place, there is no temporary file any more
                os.unlink(temporary)

    def read(self, name: str, schema: str) -> JsonReader | None:
        """Return a document of that schema ("maestro.state/1"); None where none was ever written.

        Raises:
            RecordError: it is damaged or of a newer schema; it was set aside where that is allowed.
        """
        path = self.path(name)
        try:
            with open(path, encoding="utf-8", opener=open_regular) as file:
                reader = JsonReader(json.load(file, parse_constant=_no_number), path)
            found = reader.text("schema")
            if found != schema:
                raise RecordError(f"{path}: holds {found!r}, this version of the agent reads {schema!r}")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RecordError(f"{path}: cannot be read: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise RecordError(f"{path}: is damaged: {error}{self._set_aside(path)}") from error
        except RecordError as error:
            raise RecordError(f"{error}{self._set_aside(path)}") from error
        return reader

    def read_or_warn(self, name: str, schema: str) -> JsonReader | None:
        """As `read`, but a document that cannot be read is only warned of, as if there were none."""
        try:
            return self.read(name, schema)
        except RecordError as error:
            print(f"maestro-agent: {error}", file=sys.stderr)
            return None

    def run_ids(self) -> list[str]:
        """Return the ids of remembered runs, newest first."""
        try:
            names = os.listdir(os.path.join(self.directory, _HISTORY))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RecordError(f"{self.directory}: cannot be read: {error.strerror}") from error
        return sorted((name[:-5] for name in names if name[:1].isdigit() and name.endswith(".json")), reverse=True)

    def read_run(self, run_id: str, schema: str) -> JsonReader | None:
        """As `read`, for one run of the history."""
        return self.read(f"{_HISTORY}/{run_id}", schema)

    def write_run(self, run_id: str, document: Document) -> None:
        """As `write`, for one run of the history; the oldest beyond the newest 500 are forgotten."""
        self.write(f"{_HISTORY}/{run_id}", document)
        for old in self.run_ids()[_KEPT_RUNS:]:
            for path in (self.path(f"{_HISTORY}/{old}"), self.log_path(old)):
                with suppress(FileNotFoundError):
                    os.unlink(path)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other agents from acting for the length of the block; removes what a killed one was just writing.

        Raises:
            BusyError: another agent is at work.
            HostError: the lock cannot be opened.
        """
        try:
            descriptor = try_lock(self._lock_path, 0o600)
        except OSError as error:
            raise HostError(f"{self._lock_path}: cannot be opened: {error.strerror}") from error
        if descriptor is None:
            raise BusyError(f"another maestro-agent (pid {self.worker_pid()}) is at work; nothing was changed")
        try:
            self._sweep()
            with suppress(OSError), open(self._running_path, "w", encoding="ascii") as file:
                file.write(own_process_id())
            yield
        finally:
            with suppress(OSError):
                os.unlink(self._running_path)
            os.close(descriptor)

    def worker_pid(self) -> int | None:
        """Return the process, not this one, that is acting right now, if one is."""
        try:
            with open(self._running_path, encoding="ascii", errors="replace") as file:
                pid = alive_pid(file.read(64))
        except OSError:
            return None
        return None if pid == os.getpid() else pid

    @property
    def _lock_path(self) -> str:
        return os.path.join(self.directory, "lock")

    @property
    def _running_path(self) -> str:
        return os.path.join(self.directory, "running")

    def _make_directories(self) -> None:
        """Make the directories that are missing; whatever the umask, everyone may read the record."""
        for directory in (self.directory, os.path.join(self.directory, _HISTORY)):
            if not os.path.isdir(directory):
                os.makedirs(directory)
                os.chmod(directory, 0o755)  # noqa: S103 - the record is for everyone to read

    def _sweep(self) -> None:
        """Remove temporary files whose writer is gone: it was killed before it could rename them."""
        for directory in (self.directory, os.path.join(self.directory, _HISTORY)):
            with suppress(OSError):
                for name in os.listdir(directory):
                    document, _, writer = name.rpartition(".new-")
                    if document.endswith(".json") and writer.isdigit() and not _is_writing(writer):
                        os.unlink(os.path.join(directory, name))

    def _set_aside(self, path: str) -> str:
        """Rename a document out of the way; return the rest of the message."""
        aside = f"{path}.unreadable"
        try:
            os.replace(path, aside)
        except OSError:
            return "; root may set it aside with `maestro-agent check`"
        return f"; it was set aside as {aside}"


def _no_number(word: str) -> None:
    """Take NaN and Infinity for damage: nothing here writes them, and no other side takes them."""
    raise ValueError(f"{word} is no JSON")


def _is_writing(pid: str) -> bool:
    """Whether another process of that number lives; of one that is dead but still listed, the command line is empty."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return pid != str(os.getpid()) and file.read(1) != b""
    except OSError:
        return False


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
