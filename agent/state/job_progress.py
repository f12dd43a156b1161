"""The progress of the running job, as lines of JSON that any user may follow: `progress` in the state directory.

The first line (`maestro.progress/1`) names the job and its process; each further line has `at` and one of
`step` (a line worth keeping), `progress` (replaced by the next one) or `exit_code` (the end). The file is removed at
the end, so a reader that has it open still reads the end; a killed job leaves it, without an end. When it is too long,
the writer starts another one: `continued` is the last line of the old one. Light: `status` reads it.
"""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from agent.core.redact import redact
from agent.core.schemas import PROGRESS_SCHEMA, Document
from agent.errors import RecordError
from agent.state.json_reader import JsonReader
from agent.state.process_id import alive_pid, own_process_id
from agent.state.safe_open import open_new, open_regular
from agent.state.timestamps import format_utc, utc_now

_MAX_BYTES = 256 * 1024
_MAX_LINE = 1000
"""Characters of one message."""
_TAIL_BYTES = 8192
"""Where the last line is looked for: longer than two lines."""


class ProgressWriter:
    """The job's side. Best effort: a full disk must not fail the job."""

    def __init__(self, directory: str, *, job: str, run: str, requested_by: str, started_at: datetime) -> None:
        """Replace the file of an earlier job."""
        self._path = progress_path(directory)
        self._header: Document = {
            "schema": PROGRESS_SCHEMA,
            "process": own_process_id(),
            "job": job,
            "run": run or None,
            "requested_by": requested_by,
            "started_at": format_utc(started_at),
        }
        self._last = ""
        self._size = 0
        self._descriptor: int | None = None
        self._begin()

    def progress(self, message: str) -> None:
        """Add a line that the next one replaces; an empty message is a keep-alive."""
        if message and message != self._last:
            self._last = message
            self._add({"progress": redact(message[:_MAX_LINE])})

    def step(self, message: str) -> None:
        """Add a line that stays."""
        self._last = message
        self._add({"step": redact(message[:_MAX_LINE])})

    def end(self, exit_code: int, error: str = "") -> None:
        """Add the end, and remove the file."""
        self._add({"exit_code": exit_code, "error": redact(error)})
        with suppress(OSError):
            os.unlink(self._path)
        self._close()

    def _begin(self) -> None:
        """Put a file with the header in place at once: a reader finds no file without one."""
        temporary = f"{self._path}.new"
        with suppress(OSError):
            self._descriptor = open_new(temporary, os.O_WRONLY | os.O_APPEND)
            os.fchmod(self._descriptor, 0o644)
            self._size = 0
            self._write(self._header)
            os.replace(temporary, self._path)

    def _add(self, fields: Document) -> None:
        if self._size > _MAX_BYTES:
            self._begin_another()
        self._write({"at": format_utc(utc_now()), **fields})

    def _begin_another(self) -> None:
        """Begin another file, then end the old one: a reader opens the next file as soon as it reads that end."""
        old, self._descriptor = self._descriptor, None
        self._begin()
        if old is not None:
            with suppress(OSError):
                os.write(old, b'{"continued": true}\n')
            with suppress(OSError):
                os.close(old)

    def _write(self, document: Document) -> None:
        if self._descriptor is not None:
            with suppress(OSError):
                self._size += os.write(self._descriptor, f"{json.dumps(document)}\n".encode())

    def _close(self) -> None:
        if self._descriptor is not None:
            with suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None


class ProgressReader:
    """A follower's side: the header of one job, and its lines as they come."""

    def __init__(self, directory: str) -> None:
        """Open the file and read its header.

        Raises:
            OSError: no job has written one, or it cannot be opened.
            RecordError: the header is malformed.
        """
        self._path = progress_path(directory)
        self._partial = b""
        self._open()

    def _open(self) -> None:
        self._file = open(self._path, "rb", buffering=0, opener=open_regular)  # noqa: SIM115 - closed by `close`
        try:
            self.header = JsonReader(json.loads(self._file.readline(_TAIL_BYTES)), self._path)
            self.process, self.job = self.header.text("process"), self.header.text("job")
            self.run = self.header.optional_text("run")
            self.started_at = self.header.time("started_at")
        except (OSError, ValueError, RecursionError) as error:
            self.close()
            raise RecordError(f"{self._path}: cannot be read: {error}") from error
        except RecordError:
            self.close()
            raise

    @property
    def pid(self) -> int | None:
        """The job's process; None if it has exited."""
        return alive_pid(self.process)

    def _reopen(self) -> None:
        """Open the file that continues this one; if the job has ended meanwhile, there are no more lines."""
        self.close()
        self._partial = b""
        try:
            self._open()
        except (OSError, RecordError):
            self._file = open(os.devnull, "rb", buffering=0)  # noqa: SIM115 - closed by `close`

    def lines(self) -> Iterator[JsonReader]:
        """Yield the lines that were written since the last call; malformed ones are skipped."""
        while chunk := self._file.read(65536):
            *complete, self._partial = (self._partial + chunk).split(b"\n")
            for line in complete:
                with suppress(ValueError, RecursionError, RecordError):
                    found = JsonReader(json.loads(line), self._path)
                    if not found.raw.get("continued"):
                        yield found
                        continue
                    self._reopen()
                    break

    def __enter__(self) -> "ProgressReader":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def progress_path(directory: str) -> str:
    """Return the file of the running job."""
    return os.path.join(directory, "progress")


def last_message(directory: str, pid: int) -> str:
    """Return what the job of this process reported last; empty if nothing is known of it."""
    with suppress(OSError, ValueError, RecursionError, RecordError):
        with open(progress_path(directory), "rb", opener=open_regular) as file:
            header = JsonReader(json.loads(file.readline(_TAIL_BYTES)), "progress")
            if alive_pid(header.text("process")) != pid:
                return ""
            file.seek(max(os.fstat(file.fileno()).st_size - _TAIL_BYTES, 0))
            lines = file.read().rpartition(b"\n")[0].split(b"\n")
        for line in reversed(lines):
            message = message_of(line)
            if message:
                return message
    return ""


def message_of(line: bytes) -> str:
    """Return the message of one line; empty if it has none, or is cut off at its start."""
    with suppress(ValueError, RecursionError, RecordError):
        found = JsonReader(json.loads(line), "progress")
        return found.optional_text("step") or found.optional_text("progress") or ""
    return ""
