"""Each exporter's status file under /run, read by `status` and by the daemon, neither of which opens an outbox. Light.

One file per exporter, so that none waits for another; its process writes it, or the daemon in its place. It covers the
current boot; what must outlive a boot is in the outbox.
"""

import os
from collections.abc import Mapping
from contextlib import suppress

from agent.core.exporters import ExporterName
from agent.core.schemas import EXPORTER_SCHEMA, Document
from agent.errors import RecordError
from agent.state.file_version import FileVersion, file_version
from agent.state.json_reader import JsonReader
from agent.state.runtime_file import read_runtime_file, write_runtime_file

NO_QUEUE: Document = {"depth": 0, "oldest_at": None, "dropped": 0, "refused": 0}
"""The entry's queue for an exporter without one."""
UNKNOWN_QUEUE: Document = dict.fromkeys(NO_QUEUE)
"""The entry's queue for an outbox that cannot be opened."""


def read_exporter_status(run_dir: str, exporter: ExporterName) -> JsonReader | None:
    """Return an exporter's `maestro.exporter/1`; None before its first run since boot.

    Raises:
        RecordError: it cannot be read.
    """
    path = _path(run_dir, exporter)
    found = read_runtime_file(path)
    if found is not None and found.text("schema") != EXPORTER_SCHEMA:
        raise RecordError(f"{path}: is of another version")
    return found


def exporter_status_or_none(run_dir: str, exporter: ExporterName) -> JsonReader | None:
    """Return what `read_exporter_status` does; None also where the file cannot be read."""
    try:
        return read_exporter_status(run_dir, exporter)
    except RecordError:
        return None


def status_entry(status: JsonReader | None, exporter: ExporterName) -> Mapping[str, object]:
    """Return the exporter's entry, as in `reporting` of `maestro.status/1`; empty where there is none.

    Raises:
        RecordError: it is malformed.
    """
    exporters = status.optional_child("exporters") if status else None
    entry = exporters.optional_child(exporter.value) if exporters else None
    return entry.raw if entry else {}


def write_exporter_status(run_dir: str, exporter: ExporterName, document: Mapping[str, object]) -> None:
    """Replace the status file; best effort, as only `status` would miss it."""
    write_runtime_file(_path(run_dir, exporter), {"schema": EXPORTER_SCHEMA, **document}, 0o644)


def status_version(run_dir: str, exporter: ExporterName) -> FileVersion | None:
    """Return a value that differs once the status file was written again; None without one."""
    try:
        return file_version(_path(run_dir, exporter))
    except OSError:
        return None


def clear_exporter_status(run_dir: str, exporter: ExporterName) -> None:
    """Remove the status file of an exporter that is off."""
    with suppress(OSError):
        os.unlink(_path(run_dir, exporter))


def _path(run_dir: str, exporter: ExporterName) -> str:
    return os.path.join(run_dir, f"exporter-{exporter.value}.json")
