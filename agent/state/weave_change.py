"""The snapshot of a change of Weave that has not ended."""

from agent.core.schemas import WEAVE_SNAPSHOT_SCHEMA
from agent.core.weave.snapshot import WeaveSnapshot
from agent.state.documents.weave_snapshot import weave_snapshot_from_document, weave_snapshot_to_document
from agent.state.engine_change import EngineChangeRecord
from agent.state.store import Store


class WeaveChangeRecord(EngineChangeRecord[WeaveSnapshot]):
    """The document weave-snapshot.json in a store."""

    def __init__(self, store: Store) -> None:
        super().__init__(
            store,
            "weave",
            WEAVE_SNAPSHOT_SCHEMA,
            encode=weave_snapshot_to_document,
            decode=weave_snapshot_from_document,
        )
