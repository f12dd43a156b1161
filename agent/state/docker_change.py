"""The snapshot of a change of Docker that has not ended, for root alone."""

from datetime import datetime

from agent.core.docker.snapshot import DockerSnapshot
from agent.core.schemas import DOCKER_SNAPSHOT_SCHEMA
from agent.state.documents.docker_snapshot import snapshot_from_document, snapshot_to_document
from agent.state.store import SNAPSHOTS, Store

_NAME = SNAPSHOTS["docker"]


class DockerChangeRecord:
    """The document docker-snapshot.json in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def load(self) -> DockerSnapshot | None:
        """Return what a change of Docker saved before it began and has not finished; None: nothing is unfinished.

        Raises:
            RecordError: the document is damaged: a person has to look at Docker. It stays, so that nothing goes on.
        """
        reader = self._store.read(_NAME, DOCKER_SNAPSHOT_SCHEMA, keep=True)
        return snapshot_from_document(reader) if reader else None

    def set_aside(self) -> None:
        """Set a damaged snapshot aside, once a person accepts Docker as it is."""
        self._store.set_aside(_NAME)

    def save(self, snapshot: DockerSnapshot, now: datetime) -> None:
        """Record Docker before a change and how far the change came.

        Raises:
            HostError: it cannot be written.
        """
        self._store.write(_NAME, snapshot_to_document(snapshot, now), mode=0o600)

    def finish(self) -> None:
        """Remove the snapshot of a change that has ended and was verified.

        Raises:
            HostError: it cannot be removed.
        """
        self._store.remove(_NAME)
