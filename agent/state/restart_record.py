"""Services whose restart failed, in the record of the last check. Documents of earlier versions have none."""

from collections.abc import Collection, Mapping

from agent.core.schemas import STATE_SCHEMA
from agent.errors import RecordError
from agent.state.restart_view import failed_restarts
from agent.state.store import STATE, Store


def recorded_failures(store: Store) -> Mapping[str, str]:
    """Return the ActiveState that each had at the last scan, empty if unknown; none if the document is damaged."""
    reader = store.read_or_warn(STATE, STATE_SCHEMA)
    try:
        return {one.unit: one.active_state or "" for one in failed_restarts(reader)} if reader else {}
    except RecordError:
        return {}


def watch_restarts(store: Store, units: Collection[str]) -> None:
    """Add services whose restart may have failed, if there was a check; the next scan of the services decides.

    Raises:
        HostError: the document cannot be written.
    """
    found = store.read_or_warn(STATE, STATE_SCHEMA)
    if found is not None and units:
        states = {**dict.fromkeys(units, ""), **recorded_failures(store)}
        listed = [{"unit": unit, "active_state": state or None} for unit, state in states.items()]
        store.write(STATE, {**found.raw, "failed_restarts": listed})
