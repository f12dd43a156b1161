"""Outcomes of upgrades of Docker: one of each result."""

from dataclasses import replace
from datetime import timedelta

from agent.core.model.engine_outcome import (
    ContainerDowntime,
    ContainerRange,
    EngineOutcome,
    EngineResult,
    OutcomeForecast,
    Rollback,
)
from agent.core.model.engine_plan import Block, Component, EngineWhy, PackageChange
from agent.report.engine_reasons import block_sentence
from agent.state.documents.engine_outcome import engine_outcome_to_document
from agent.state.engine_outcome_view import EngineOutcomeView
from agent.state.json_reader import JsonReader
from tests.core.given import NOW

UPGRADED = EngineOutcome(
    id="20261123T051000Z",
    component=Component.DOCKER,
    started_at=NOW,
    finished_at=NOW + timedelta(seconds=71),
    result=EngineResult.UPGRADED,
    plan_id="0123456789ab",
    before="20.10.24",
    target="26.1.5",
    running="26.1.5",
    packages=(
        PackageChange(package="docker-cli", before=None, after="26.1.5+dfsg1-9+deb13u1+b1"),
        PackageChange(package="docker.io", before="20.10.24+dfsg1-1+deb12u1+b6", after="26.1.5+dfsg1-9+deb13u1+b1"),
    ),
    engine_down_s=2.58,
    containers_down=(
        ContainerDowntime(name="web", down_s=2.25),
        ContainerDowntime(name="db", down_s=12.5),
        ContainerDowntime(name="queue", down_s=2.4),
    ),
    containers_started=("job",),
    containers_stopped=("off",),
    forecast=OutcomeForecast(
        engine_s=(0.5, 7.2),
        removes=("once",),
        containers=(
            ContainerRange(name="db", low_s=1, high_s=12),
            ContainerRange(name="queue", low_s=0.2, high_s=7.2),
            ContainerRange(name="web", low_s=0.2, high_s=7.2),
        ),
    ),
    requested_by="alice",
)
RESTARTED = replace(UPGRADED, result=EngineResult.RESTARTED, packages=(), containers_lost=("once",))
ROLLED_BACK = replace(
    UPGRADED,
    result=EngineResult.ROLLED_BACK,
    running="20.10.24",
    packages=(),
    rollback=Rollback(done=True, reason="the engine did not stay up (state of its unit: failed)"),
)
FAILED = replace(
    UPGRADED,
    result=EngineResult.FAILED_NEEDS_ATTENTION,
    running=None,
    engine_down_s=None,
    containers_down=(ContainerDowntime(name="web", down_s=None), ContainerDowntime(name="db", down_s=None)),
    containers_lost=("db", "web"),
    containers_started=(),
    containers_stopped=(),
    rollback=Rollback(
        done=False,
        reason="the engine did not stay up (state of its unit: failed); the rollback failed: dpkg failed: no space",
    ),
)
BLOCKED = EngineOutcome(
    id="20261123T051000Z",
    component=Component.DOCKER,
    started_at=NOW,
    finished_at=NOW,
    result=EngineResult.BLOCKED,
    before="20.10.24",
    target="26.1.5",
    running="20.10.24",
    blocked=(Block(why=EngineWhy.REMOVES_CONTAINERS, values=("once", "batch")),),
)
UNCHANGED = replace(BLOCKED, result=EngineResult.UNCHANGED, running="26.1.5", before="26.1.5", blocked=())
STOPPED = replace(UPGRADED, before=None, running=None, engine_down_s=None, containers_down=(), containers_started=())
INTERRUPTED = replace(BLOCKED, result=EngineResult.INTERRUPTED, finished_at=None, running=None, blocked=())


def view(outcome: EngineOutcome) -> EngineOutcomeView:
    """Return the view of the outcome's document."""
    return EngineOutcomeView(JsonReader(engine_outcome_to_document(outcome, NOW, block_sentence), "outcome"))
