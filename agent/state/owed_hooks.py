"""The document owed-hooks.json: a run whose hooks of a `post-` directory have to run, even if it was interrupted."""

from contextlib import suppress
from datetime import datetime

from agent.core.frozen import frozen
from agent.core.hooks import POST_UPGRADE
from agent.core.schemas import OWED_HOOKS_SCHEMA
from agent.errors import RecordError
from agent.state.store import OWED_HOOKS, Store
from agent.state.timestamps import format_utc


@frozen
class OwedHooks:
    """Hooks that have to run."""

    run: str
    """Id of the run; empty if it is not known."""
    directory: str = POST_UPGRADE


def owe_hooks(store: Store, owed: OwedHooks, now: datetime) -> None:
    """Record that the hooks after a run have to run.

    Raises:
        HostError: it cannot be written.
    """
    document = {"generated_at": format_utc(now), "run": owed.run, "directory": owed.directory}
    store.write(OWED_HOOKS, {"schema": OWED_HOOKS_SCHEMA, **document})


def owed_hooks(store: Store) -> OwedHooks | None:
    """Return what is owed, those of an upgrade of packages if the document is damaged; None: nothing is."""
    if not store.has(OWED_HOOKS):
        return None
    found = store.read_or_warn(OWED_HOOKS, OWED_HOOKS_SCHEMA)
    try:
        return OwedHooks(run=found.text("run"), directory=found.text("directory")) if found else OwedHooks(run="")
    except RecordError:
        return OwedHooks(run="")


def run_with_owed_hooks(store: Store) -> str:
    """Return the id of the run that owes hooks, whose outcome is not final; empty if there is none, or it is not known.

    A damaged document stays where it is: the next job needs it.
    """
    with suppress(RecordError):
        found = store.read(OWED_HOOKS, OWED_HOOKS_SCHEMA, keep=True)
        return found.text("run") if found else ""
    return ""


def settle_hooks(store: Store) -> None:
    """Record that they have run.

    Raises:
        HostError: the document cannot be removed.
    """
    store.remove(OWED_HOOKS)
