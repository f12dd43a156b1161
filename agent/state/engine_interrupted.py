"""Whether an upgrade was interrupted so that a check has to finish it soon. Light: the daemon calls it at each tick."""

from agent.core.schemas import ENGINE_OUTCOME_SCHEMA
from agent.errors import RecordError
from agent.state.job_lock import worker_pid
from agent.state.store import ENGINE_OUTCOMES, OWED_HOOKS, Store


def engine_interrupted(store: Store) -> bool:
    """Return whether an upgrade of Docker or Weave has no end on record, or one of packages still owes its hooks.

    Not while a job runs.
    """
    unfinished = store.has(OWED_HOOKS) or any(_unfinished(store, name) for name in ENGINE_OUTCOMES.values())
    return unfinished and worker_pid(store.directory) is None


def _unfinished(store: Store, name: str) -> bool:
    try:
        found = store.read(name, ENGINE_OUTCOME_SCHEMA)
        return found is not None and found.optional_text("finished_at") is None
    except RecordError:  # `status` reports it
        return False
