"""Carries out or resumes one change of Weave: observes how it ended, records the outcome."""

from collections.abc import Callable
from contextlib import suppress

from agent.core.model.docker import NO_DOCKER
from agent.core.model.engine_outcome import EngineOutcome, EngineResult
from agent.core.model.facts import Unseen
from agent.core.model.weave import NO_WEAVE
from agent.core.weave.snapshot import SavedScript, WeavePhase, WeaveSnapshot
from agent.errors import HostError
from agent.state.weave_change import WeaveChangeRecord
from agent.worker.context import JobContext
from agent.worker.steps.engine_close import Performed, close_change
from agent.worker.steps.engines import attempted
from agent.worker.steps.weave.change import WeaveChange, WeaveEnded
from agent.worker.steps.weave.conclude import conclude_weave
from agent.worker.steps.weave.tools import WeaveTools


def perform_weave(
    context: JobContext, snapshot: WeaveSnapshot, act: Callable[[WeaveChange], WeaveEnded], started: EngineOutcome
) -> Performed:
    """Do `act` with the change; record its outcome, and keep snapshot, script and password only while they are needed.

    `started` is the run's outcome as it was recorded at its start.

    Raises:
        HostError: as `act`; nothing was changed by it.
    """
    change = WeaveChange(_tools(context), snapshot)
    ended = act(change)
    docker = attempted(context.engines.docker)
    weave = attempted(lambda: context.engines.weave(NO_DOCKER if isinstance(docker, Unseen) else docker))
    after = NO_WEAVE if isinstance(weave, Unseen) else weave
    outcome = close_change(
        context,
        conclude_weave(snapshot, after, ended, change.router, context.machine.now()),
        started,
        note=_note(snapshot, ended),
        hooked=snapshot.hooked,
        discard=None if ended.keeps_snapshot else lambda: clear(context, snapshot.script),
    )
    return Performed(outcome=outcome, clean=not ended.faults)


def clear(context: JobContext, script: SavedScript) -> None:
    """Remove what was kept for the way back; the password first."""
    with suppress(HostError):
        context.weave_acts.files.forget(script)
    with suppress(HostError):
        WeaveChangeRecord(context.record.store).finish()


def _tools(context: JobContext) -> WeaveTools:
    record = WeaveChangeRecord(context.record.store)
    return WeaveTools(
        observer=context.engines,
        acts=context.weave_acts,
        save=lambda snapshot: record.save(snapshot, context.machine.now()),
        control=context.control,
    )


def _note(snapshot: WeaveSnapshot, ended: WeaveEnded) -> str:
    """Say what an interrupted run left, where no fault says it."""
    if ended.result is not EngineResult.INTERRUPTED or ended.rollback is not None:
        return ""
    return "interrupted before anything was changed" if snapshot.phase is WeavePhase.PREPARED else "interrupted"
