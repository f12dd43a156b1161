"""The snapshot of a change of Docker or Weave that has not ended, for root alone. It has no password."""

from collections.abc import Callable
from datetime import datetime
from typing import Generic, TypeVar

from agent.core.schemas import Document
from agent.state.json_reader import JsonReader
from agent.state.store import SNAPSHOTS, Store

_Snapshot = TypeVar("_Snapshot")


class EngineChangeRecord(Generic[_Snapshot]):
    """The document of one component in a store, docker-snapshot.json or weave-snapshot.json."""

    def __init__(
        self,
        store: Store,
        component: str,
        schema: str,
        *,
        encode: Callable[[_Snapshot, datetime], Document],
        decode: Callable[[JsonReader], _Snapshot],
    ) -> None:
        self._store = store
        self._name = SNAPSHOTS[component]
        self._schema = schema
        self._encode = encode
        self._decode = decode

    def load(self) -> _Snapshot | None:
        """Return what a change saved before it began and has not finished; None: nothing is unfinished.

        Raises:
            RecordError: the document is damaged: a person has to look at the engine. It stays, so that nothing goes on.
        """
        reader = self._store.read(self._name, self._schema, keep=True)
        return self._decode(reader) if reader else None

    def set_aside(self) -> None:
        """Set a damaged snapshot aside, once a person accepts the engine as it is."""
        self._store.set_aside(self._name)

    def save(self, snapshot: _Snapshot, now: datetime) -> None:
        """Record the engine before a change and how far the change came.

        Raises:
            HostError: it cannot be written.
        """
        self._store.write(self._name, self._encode(snapshot, now), mode=0o600)

    def finish(self) -> None:
        """Remove the snapshot of a change that has ended and was verified.

        Raises:
            HostError: it cannot be removed.
        """
        self._store.remove(self._name)
