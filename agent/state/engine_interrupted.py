"""Whether an upgrade of Docker or Weave was interrupted. Light: the daemon calls it at each tick, as another user."""

from agent.core.schemas import ENGINE_OUTCOME_SCHEMA
from agent.errors import RecordError
from agent.state.job_lock import worker_pid
from agent.state.store import ENGINE_OUTCOMES, Store


def engine_interrupted(store: Store) -> bool:
    """Return whether the last upgrade of either has no end on record, while no job runs."""
    return any(_unfinished(store, name) for name in ENGINE_OUTCOMES.values()) and worker_pid(store.directory) is None


def _unfinished(store: Store, name: str) -> bool:
    try:
        found = store.read(name, ENGINE_OUTCOME_SCHEMA)
        return found is not None and found.optional_text("finished_at") is None
    except RecordError:  # `status` reports it
        return False
