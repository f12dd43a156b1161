"""The record of this host's slot at a FleetLock server, fleet-lock.json. Written and fsynced before each call."""

from datetime import datetime

from agent.core.fleet_lock.model import NO_LOCK, LockRecord
from agent.core.schemas import FLEET_LOCK_SCHEMA
from agent.state.documents.fleet_lock import lock_from_document, lock_to_document
from agent.state.store import FLEET_LOCK, Store


class FleetLockRecord:
    """The document fleet-lock.json in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def load(self) -> LockRecord:
        """Return what is on record; `NO_LOCK` if there is no document.

        Raises:
            RecordError: the document is damaged. It stays: a slot that it names must not be forgotten.
        """
        reader = self._store.read(FLEET_LOCK, FLEET_LOCK_SCHEMA, keep=True)
        return lock_from_document(reader) if reader else NO_LOCK

    def save(self, record: LockRecord, now: datetime) -> None:
        """Write the record; without a slot and without a refusal there is no document.

        Raises:
            HostError: it cannot be written.
        """
        if record == NO_LOCK:
            self._store.remove(FLEET_LOCK)
        else:
            self._store.write(FLEET_LOCK, lock_to_document(record, now))

    def set_aside(self) -> None:
        """Set a damaged document aside, once a person has released the slot at the server."""
        self._store.set_aside(FLEET_LOCK)
