"""The record of what waits for a time: first-seen.json and snoozes.json. Root writes both."""

import os
from collections.abc import Callable
from datetime import datetime

from agent.core.model.waiting import Snooze
from agent.core.packages.first_seen import FirstSeen
from agent.core.schemas import FIRST_SEEN_SCHEMA, SNOOZES_SCHEMA
from agent.errors import RecordError
from agent.state.documents.first_seen import first_seen_from_document, first_seen_to_document
from agent.state.documents.snoozes import snoozes_from_document, snoozes_to_document
from agent.state.file_lock import exclusive
from agent.state.store import FIRST_SEEN, SNOOZES, Store


class WaitingRecord:
    """Both documents in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def load_first_seen(self) -> FirstSeen:
        """Return the sightings; none if the document is damaged: every update then starts to soak again."""
        reader = self._store.read_or_warn(FIRST_SEEN, FIRST_SEEN_SCHEMA)
        try:
            return first_seen_from_document(reader) if reader else ()
        except RecordError as error:
            self._store.warn(str(error))
            return ()

    def save_first_seen(self, seen: FirstSeen, now: datetime) -> None:
        """Record the sightings.

        Raises:
            HostError: they cannot be written.
        """
        self._store.write(FIRST_SEEN, first_seen_to_document(seen, now))

    def load_snoozes(self) -> tuple[Snooze, ...]:
        """Return all snoozes on record, those that are over included.

        Raises:
            RecordError: the document is damaged. It stays, so that `status` shows that nothing is snoozed any more.
        """
        reader = self._store.read(SNOOZES, SNOOZES_SCHEMA, keep=True)
        return snoozes_from_document(reader) if reader else ()

    def warn(self, message: str) -> None:
        """Report damage to whoever reads the store."""
        self._store.warn(message)

    def update_snoozes(
        self, change: Callable[[tuple[Snooze, ...]], tuple[Snooze, ...]], now: datetime
    ) -> tuple[Snooze, ...]:
        """Replace the snoozes by what `change` makes of them, if that differs; return them.

        Raises:
            BusyError: another process replaces them at this moment. RecordError: as of `load_snoozes`.
            HostError: they cannot be written.
        """
        path = os.path.join(self._store.directory, "snoozes.lock")
        self._store.writable()
        with exclusive(path, busy="another process (pid {pid}) is changing the snoozes; nothing was changed"):
            before = self.load_snoozes()
            after = change(before)
            if after != before:
                self._store.write(SNOOZES, snoozes_to_document(after, now))
        return after

    def set_snoozes_aside(self) -> None:
        """Rename a damaged document, so that a new one can be written."""
        self._store.set_aside(SNOOZES)
