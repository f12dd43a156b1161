"""The snapshot of a change of Docker that has not ended."""

from agent.core.docker.snapshot import DockerSnapshot
from agent.core.schemas import DOCKER_SNAPSHOT_SCHEMA
from agent.state.documents.docker_snapshot import snapshot_from_document, snapshot_to_document
from agent.state.engine_change import EngineChangeRecord
from agent.state.store import Store


class DockerChangeRecord(EngineChangeRecord[DockerSnapshot]):
    """The document docker-snapshot.json in a store."""

    def __init__(self, store: Store) -> None:
        super().__init__(
            store,
            "docker",
            DOCKER_SNAPSHOT_SCHEMA,
            encode=snapshot_to_document,
            decode=snapshot_from_document,
        )
