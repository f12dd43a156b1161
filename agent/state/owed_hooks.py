"""The document owed-hooks.json: a run whose hooks of post-upgrade.d have to run, even if it was interrupted."""

from datetime import datetime

from agent.core.schemas import OWED_HOOKS_SCHEMA
from agent.errors import RecordError
from agent.state.store import OWED_HOOKS, Store
from agent.state.timestamps import format_utc


def owe_hooks(store: Store, run_id: str, now: datetime) -> None:
    """Record that the hooks after this run have to run.

    Raises:
        HostError: it cannot be written.
    """
    store.write(OWED_HOOKS, {"schema": OWED_HOOKS_SCHEMA, "generated_at": format_utc(now), "run": run_id})


def owed_run(store: Store) -> str | None:
    """Return the id of the run whose hooks are owed, empty if the document is damaged; None: no run owes any."""
    if not store.has(OWED_HOOKS):
        return None
    found = store.read_or_warn(OWED_HOOKS, OWED_HOOKS_SCHEMA)
    try:
        return found.text("run") if found else ""
    except RecordError:
        return ""


def settle_hooks(store: Store) -> None:
    """Record that they have run.

    Raises:
        HostError: the document cannot be removed.
    """
    store.remove(OWED_HOOKS)
