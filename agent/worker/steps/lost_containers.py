"""Follows the containers that the last upgrade of an engine lost, until a check sees each of them to run, or removed.

Only the last check knows which of them are back: one that its owner stops later is not lost by an upgrade of long ago.
"""

from agent.core.docker.restore import still_lost
from agent.core.frozen import replace
from agent.core.model.docker import DockerFacts
from agent.core.model.engine_plan import Component, EnginePlan, LostContainers
from agent.core.schemas import STATE_SCHEMA
from agent.errors import RecordError
from agent.state.documents.engine_plan import lost_from_document
from agent.state.record import Record
from agent.state.store import STATE


def with_lost(record: Record, plan: EnginePlan, docker: DockerFacts) -> EnginePlan:
    """Return the plan with what the last upgrade lost and is still down; unknown containers stay what they were."""
    lost = _known(record, plan.component)
    if lost is not None and isinstance(docker.containers, tuple):
        lost = replace(lost, names=still_lost(lost.names, docker.containers))
    return replace(plan, lost=lost)


def _known(record: Record, component: Component) -> LostContainers | None:
    """Return what the last check knew to be lost; right after the upgrade what its outcome has."""
    run = record.last_engine_run(component)
    if run is None or run.finished_at is None or not run.unannounced:
        return None
    recorded = _recorded(record, component)
    current = recorded is not None and recorded.run == run.id
    return recorded if current else LostContainers(run=run.id, names=run.unannounced)


def _recorded(record: Record, component: Component) -> LostContainers | None:
    reader = record.store.read_or_warn(STATE, STATE_SCHEMA)
    try:
        engine = reader.optional_child(component.value) if reader else None
        return lost_from_document(engine) if engine else None
    except RecordError:
        return None
