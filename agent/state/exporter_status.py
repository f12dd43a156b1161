"""What the senders say of their work, for `status` and for the daemon, neither of which opens an outbox. Light.

A file for each listener under /run, which its one sender alone writes, so that none waits for another's. They say what
this boot has seen; what must outlive a boot is in the outbox.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from enum import Enum

from agent.errors import RecordError
from agent.state.json_reader import Reader
from agent.state.runtime_file import read_said, say


class Listener(Enum):
    """Who may be told; the value is the name in documents."""

    CENTRE = "centre"
    TEXTFILE = "textfile"
    OTLP = "otlp"

    @property
    def label(self) -> str:
        """The name at the beginning of a line."""
        return "OTLP" if self is Listener.OTLP else self.value.capitalize()

    @property
    def words(self) -> str:
        """The name within a sentence."""
        names = {Listener.TEXTFILE: "the file for Prometheus", Listener.OTLP: "the OpenTelemetry collector"}
        return names.get(self, "the centre")


TELLING_SCHEMA = "maestro.telling/1"
_FILES = {
    Listener.CENTRE: "telling.json",
    Listener.TEXTFILE: "telling-textfile.json",
    Listener.OTLP: "telling-otlp.json",
}


def read_telling(run_dir: str, listener: Listener) -> Reader | None:
    """Return a listener's `maestro.telling/1`; None where nothing was told it since the machine booted.

    Raises:
        RecordError: it cannot be read.
    """
    path = os.path.join(run_dir, _FILES[listener])
    found = read_said(path)
    if found is not None and found.text("schema") != TELLING_SCHEMA:
        raise RecordError(f"{path}: is of another version")
    return found


def heard(run_dir: str, listener: Listener) -> Reader | None:
    """Return what `read_telling` does; None also where it cannot be read, for whom that makes no difference."""
    try:
        return read_telling(run_dir, listener)
    except RecordError:
        return None


def entry_of(telling: Reader | None, listener: Listener) -> Mapping[str, object]:
    """Return what was said of the listener itself; empty where nothing was.

    Raises:
        RecordError: it has another shape.
    """
    listeners = telling.maybe_part("listeners") if telling else None
    entry = listeners.maybe_part(listener.value) if listeners else None
    return entry.raw if entry else {}


def write_telling(run_dir: str, listener: Listener, document: Mapping[str, object]) -> None:
    """Replace what is said; that it cannot be written harms nobody but a reader of `status`."""
    say(os.path.join(run_dir, _FILES[listener]), {"schema": TELLING_SCHEMA, **document}, 0o644)


def withdraw_telling(run_dir: str, listener: Listener) -> None:
    """Take back what is said of a listener that is off."""
    with suppress(OSError):
        os.unlink(os.path.join(run_dir, _FILES[listener]))


SKEW = timedelta(seconds=30)
"""Clocks that are this far apart are told."""


NOTHING_WAITS: dict[str, object] = {"depth": 0, "oldest_at": None, "dropped": 0, "refused": 0}
"""What is said of a listener for whom nothing is kept."""


NOT_KNOWN: dict[str, object] = dict.fromkeys(NOTHING_WAITS)
"""What is said of one whose outbox cannot be looked at."""
