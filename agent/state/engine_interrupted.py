"""Whether an upgrade was interrupted so that a check has to finish it soon. Light: the daemon calls it at each tick."""

from datetime import datetime

from agent.core.schemas import ENGINE_OUTCOME_SCHEMA
from agent.errors import RecordError
from agent.state.job_lock import worker_pid
from agent.state.store import ENGINE_OUTCOMES, OWED_HOOKS, Store


def engine_interrupted(store: Store) -> bool:
    """Return whether an upgrade of Docker or Weave has no end on record, or one of packages still owes its hooks.

    Not while a job runs.
    """
    unfinished = store.has(OWED_HOOKS) or interrupted_since(store) is not None
    return unfinished and worker_pid(store.directory) is None


def interrupted_since(store: Store) -> datetime | None:
    """Return when the first upgrade of Docker or Weave that has no end on record began; None: there is none."""
    begun = (_unfinished(store, name) for name in ENGINE_OUTCOMES.values())
    return min(filter(None, begun), default=None)


def _unfinished(store: Store, name: str) -> datetime | None:
    try:
        found = store.read(name, ENGINE_OUTCOME_SCHEMA)
        return found.time("started_at") if found and found.optional_text("finished_at") is None else None
    except RecordError:  # `status` reports it
        return None
