"""The state directory: one JSON document per file, replaced atomically.

A write goes to a temporary file in the same directory, is fsynced and renamed, and the directory is fsynced: after a
power cut either the old document is there or the new one. Everybody may read. A document that is damaged, or that a
newer agent wrote, is set aside under another name with a message.

Credentials are removed from every text, also as it is read: earlier versions of the agent wrote some.

Light: `status` reads through this module.
"""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from agent.core.redact import redact_document
from agent.core.schemas import RUN_SCHEMAS, Document
from agent.errors import HostError, RecordError
from agent.state.json_reader import JsonReader
from agent.state.safe_open import open_regular, sync_directory

DEFAULT_DIRECTORY = "/var/lib/maestro-agent"
STATE = "state"
REFRESH = "refresh"
CVES = "cves"
EXPOSURE = "exposure"
FIRST_SEEN = "first-seen"
SNOOZES = "snoozes"
PLANS = "plans"
PACKAGES = "packages"
"""What libapt found, for the next job."""
AHEAD = "ahead"
FLEET_LOCK = "fleet-lock"
SNAPSHOTS = {"docker": "docker-snapshot", "weave": "weave-snapshot"}
"""What a change saved before it began, by component; there until it has ended."""
ENGINE_OUTCOMES = {"docker": "docker-outcome", "weave": "weave-outcome"}
"""The outcome of the last run by component: `status` need not search the history."""
OWED_HOOKS = "owed-hooks"
"""The run whose hooks of a post- directory have to run; there from before those of the pre- directory until then."""
REBOOT = "reboot"
"""The course of the reboot that is under way or waits."""
REBOOT_SCHEDULE = "reboot-schedule"
SKIPPED_OPENING = "skipped-opening"
"""The last opening of the window in which no reboot by the policy is tried any more."""
REBOOT_OUTCOME = "reboot-outcome"
"""The outcome of the last reboot, as `ENGINE_OUTCOMES`."""
REQUESTS = "requests"
SIGNED_REQUESTS = "signed-requests"
"""The requests that have not ended as they were signed, for root alone: `REQUESTS` is without credentials."""
UNATTENDED_UPGRADES = "unattended-upgrades"
"""The distribution's daily job, and who patches this machine, as the last check saw them."""
UNATTENDED_UPGRADES_BEFORE = "unattended-upgrades-before"
"""How that job was before it was stood down; there until it is put back."""
PROVISION = "provision"
"""How far the provisioning of this server has come."""
_HISTORY = "history"
_KEPT_RUNS = 500


class Store:
    """The state directory."""

    def __init__(self, directory: str = DEFAULT_DIRECTORY, warn: Callable[[str], None] = lambda _message: None) -> None:
        """Take the directory, and what is called with a message if `read_or_warn` cannot read a document."""
        self.directory = directory
        self._warn = warn

    def path(self, name: str) -> str:
        """Return the file of a named document."""
        return os.path.join(self.directory, f"{name}.json")

    def has(self, name: str) -> bool:
        """Return whether there is a named document."""
        return os.path.exists(self.path(name))

    def log_path(self, run_id: str) -> str:
        """Return the file of a run's package manager output (mode 0600)."""
        return os.path.join(self.directory, _HISTORY, f"{run_id}.log")

    @property
    def download_log_path(self) -> str:
        """The file that lists downloaded archives until they are removed."""
        return os.path.join(self.directory, "downloaded")

    def writable(self) -> bool:
        """Return whether this process may write documents; creates missing directories if it may."""
        try:
            self._make_directories()
        except OSError:
            return False
        return os.access(self.directory, os.W_OK)

    def write(self, name: str, document: Document, *, mode: int = 0o644) -> None:
        """Replace a document; `mode` is that of its file.

        Raises:
            HostError: it cannot be written; the old one is unchanged.
        """
        path = self.path(name)
        temporary = f"{path}.new-{os.getpid()}"
        try:
            self._make_directories()
            # With its mode from the first: who has it open goes on reading.
            with open(temporary, "w", encoding="utf-8", opener=partial(os.open, mode=mode)) as file:
                os.fchmod(file.fileno(), mode)
                json.dump(redact_document(document), file, indent=1)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            sync_directory(os.path.dirname(path))
        except OSError as error:
            raise HostError(f"{path}: cannot be written: {error.strerror}") from error
        finally:
            with suppress(OSError):  # renamed: there is none any more
                os.unlink(temporary)

    def read(self, name: str, *schemas: str, keep: bool = False) -> JsonReader | None:
        """Return a document of one of the given schemas, such as "maestro.state/1"; None if it was never written.

        Raises:
            RecordError: it is damaged or has another schema. It is set aside, if permissions allow; with `keep` not.
        """
        path = self.path(name)
        try:
            with open(path, encoding="utf-8", opener=open_regular) as file:
                reader = JsonReader(redact_document(json.load(file, parse_constant=_no_number)), path)
            found = reader.text("schema")
            if found not in schemas:
                raise RecordError(f"{path}: holds {found!r}, this version of the agent reads {schemas[0]!r}")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RecordError(f"{path}: cannot be read: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise RecordError(f"{path}: is damaged: {error}{'' if keep else self._set_aside(path)}") from error
        except RecordError as error:
            raise RecordError(f"{error}{'' if keep else self._set_aside(path)}") from error
        return reader

    def set_aside(self, name: str) -> None:
        """Rename a damaged document that was kept, so that it is not read again."""
        self._set_aside(self.path(name))

    def was_set_aside(self, name: str) -> bool:
        """Return whether a document was ever set aside, and is still there."""
        return os.path.lexists(_aside(self.path(name)))

    def remove(self, name: str) -> None:
        """Remove a document, if there is one.

        Raises:
            HostError: it cannot be removed.
        """
        path = self.path(name)
        try:
            os.unlink(path)
            sync_directory(os.path.dirname(path))
        except FileNotFoundError:
            return
        except OSError as error:
            raise HostError(f"{path}: cannot be removed: {error.strerror}") from error

    def warn(self, message: str) -> None:
        """Report a document that cannot be used, as `read_or_warn` does."""
        self._warn(message)

    def read_or_warn(self, name: str, schema: str) -> JsonReader | None:
        """Return a document as `read` does; None with a warning if it cannot be read."""
        try:
            return self.read(name, schema)
        except RecordError as error:
            self._warn(str(error))
            return None

    @property
    def history_path(self) -> str:
        """The directory of all runs on record."""
        return os.path.join(self.directory, _HISTORY)

    def run_ids(self) -> list[str]:
        """Return the ids of all runs on record, newest first.

        Raises:
            RecordError: the directory cannot be read.
        """
        try:
            names = os.listdir(self.history_path)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RecordError(f"{self.directory}: cannot be read: {error.strerror}") from error
        return sorted((name[:-5] for name in names if name[:1].isdigit() and name.endswith(".json")), reverse=True)

    def read_run(self, run_id: str) -> JsonReader | None:
        """Return one run of the history, as `read` does: of packages, or of Docker or Weave."""
        return self.read(f"{_HISTORY}/{run_id}", *RUN_SCHEMAS)

    def newest_run(self, schema: str) -> tuple[str, JsonReader | None]:
        """Return the newest run whose document has a schema, with the id of its file; None if there is none.

        Raises:
            RecordError: it, or a newer run, cannot be read.
        """
        for run_id in self.run_ids():
            run = self.read_run(run_id)
            if run is not None and run.text("schema") == schema:
                return run_id, run
        return "", None

    def write_run(self, run_id: str, document: Document) -> None:
        """Write one run of the history, as `write` does; only the newest 500 are kept."""
        self.write(f"{_HISTORY}/{run_id}", document)
        for old in self.run_ids()[_KEPT_RUNS:]:
            for path in (self.path(f"{_HISTORY}/{old}"), self.log_path(old)):
                with suppress(FileNotFoundError):
                    os.unlink(path)

    def remove_leftovers(self) -> None:
        """Remove temporary files of processes that were killed before they could rename them."""
        for directory in (self.directory, self.history_path):
            with suppress(OSError):
                for name in os.listdir(directory):
                    document, _, writer = name.rpartition(".new-")
                    if document.endswith(".json") and writer.isdigit() and not _is_writing(writer):
                        os.unlink(os.path.join(directory, name))

    def _make_directories(self) -> None:
        """Create missing directories with mode 0755, whatever the umask."""
        for directory in (self.directory, self.history_path):
            if not os.path.isdir(directory):
                os.makedirs(directory)
                os.chmod(directory, 0o755)  # noqa: S103 - everybody may read the record

    def _set_aside(self, path: str) -> str:
        """Rename a document out of the way; return the rest of the message."""
        aside = _aside(path)
        try:
            os.replace(path, aside)
        except OSError:
            return "; root may set it aside with `maestro-agent check`"
        return f"; it was set aside as {aside}"


def _aside(path: str) -> str:
    """Return the name of a document that was set aside."""
    return f"{path}.unreadable"


def _no_number(word: str) -> None:
    """Reject NaN and Infinity: the agent never writes them, and other JSON parsers reject them."""
    raise ValueError(f"{word} is not JSON")


def _is_writing(pid: str) -> bool:
    """Return whether another process with that pid is alive; a zombie has an empty command line."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return pid != str(os.getpid()) and file.read(1) != b""
    except OSError:
        return False
