"""What the senders say of their work, for `status` and for the daemon, neither of which opens an outbox. Light.

A file for each listener under /run, which its one sender alone writes, so that none waits for another's. They say what
this boot has seen; what must outlive a boot is in the outbox.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from enum import Enum

from agent.core.schemas import EXPORTER_SCHEMA
from agent.errors import RecordError
from agent.state.json_reader import JsonReader
from agent.state.runtime_file import read_runtime_file, write_runtime_file


class ExporterName(Enum):
    """Who may be told; the value is the name in documents."""

    ENDPOINT = "endpoint"
    PROMETHEUS = "prometheus"
    OTLP = "otlp"

    @property
    def label(self) -> str:
        """The name at the beginning of a line."""
        return "OTLP" if self is ExporterName.OTLP else self.value.capitalize()

    @property
    def words(self) -> str:
        """The name within a sentence."""
        names = {ExporterName.PROMETHEUS: "the file for Prometheus", ExporterName.OTLP: "the OpenTelemetry collector"}
        return names.get(self, "the endpoint")


def read_exporter_status(run_dir: str, listener: ExporterName) -> JsonReader | None:
    """Return a listener's `maestro.exporter/1`; None where nothing was told it since the machine booted.

    Raises:
        RecordError: it cannot be read.
    """
    path = _path(run_dir, listener)
    found = read_runtime_file(path)
    if found is not None and found.text("schema") != EXPORTER_SCHEMA:
        raise RecordError(f"{path}: is of another version")
    return found


def exporter_status_or_none(run_dir: str, listener: ExporterName) -> JsonReader | None:
    """Return what `read_exporter_status` does; None also where it cannot be read, for whom that makes no difference."""
    try:
        return read_exporter_status(run_dir, listener)
    except RecordError:
        return None


def status_entry(telling: JsonReader | None, listener: ExporterName) -> Mapping[str, object]:
    """Return what was said of the listener itself; empty where nothing was.

    Raises:
        RecordError: it has another shape.
    """
    listeners = telling.optional_child("exporters") if telling else None
    entry = listeners.optional_child(listener.value) if listeners else None
    return entry.raw if entry else {}


def write_exporter_status(run_dir: str, listener: ExporterName, document: Mapping[str, object]) -> None:
    """Replace what is said; that it cannot be written harms nobody but a reader of `status`."""
    write_runtime_file(_path(run_dir, listener), {"schema": EXPORTER_SCHEMA, **document}, 0o644)


def clear_exporter_status(run_dir: str, listener: ExporterName) -> None:
    """Take back what is said of a listener that is off."""
    with suppress(OSError):
        os.unlink(_path(run_dir, listener))


CLOCK_SKEW_TOLERANCE = timedelta(seconds=30)
"""Clocks that are this far apart are told."""


NO_QUEUE: dict[str, object] = {"depth": 0, "oldest_at": None, "dropped": 0, "refused": 0}
"""What is said of a listener for whom nothing is kept."""


UNKNOWN_QUEUE: dict[str, object] = dict.fromkeys(NO_QUEUE)
"""What is said of one whose outbox cannot be looked at."""


def _path(run_dir: str, exporter: ExporterName) -> str:
    return os.path.join(run_dir, f"exporter-{exporter.value}.json")
