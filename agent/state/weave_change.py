"""The snapshot of a change of Weave that has not ended, for root alone. It has no password."""

from datetime import datetime

from agent.core.schemas import WEAVE_SNAPSHOT_SCHEMA
from agent.core.weave.snapshot import WeaveSnapshot
from agent.state.documents.weave_snapshot import weave_snapshot_from_document, weave_snapshot_to_document
from agent.state.store import SNAPSHOTS, Store

_NAME = SNAPSHOTS["weave"]


class WeaveChangeRecord:
    """The document weave-snapshot.json in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def load(self) -> WeaveSnapshot | None:
        """Return what a change of Weave saved before it began and has not finished; None: nothing is unfinished.

        Raises:
            RecordError: the document is damaged: a person has to look at Weave. It stays, so that nothing goes on.
        """
        reader = self._store.read(_NAME, WEAVE_SNAPSHOT_SCHEMA, keep=True)
        return weave_snapshot_from_document(reader) if reader else None

    def set_aside(self) -> None:
        """Set a damaged snapshot aside, once a person accepts Weave as it is."""
        self._store.set_aside(_NAME)

    def save(self, snapshot: WeaveSnapshot, now: datetime) -> None:
        """Record Weave before a change and how far the change came.

        Raises:
            HostError: it cannot be written.
        """
        self._store.write(_NAME, weave_snapshot_to_document(snapshot, now), mode=0o600)

    def finish(self) -> None:
        """Remove the snapshot of a change that has ended and was verified.

        Raises:
            HostError: it cannot be removed.
        """
        self._store.remove(_NAME)
