"""Finishes upgrades of Docker and Weave that were interrupted, before a job looks at the packages."""

import importlib
from contextlib import suppress

from agent.core.frozen import replace
from agent.core.model.engine_plan import Component
from agent.errors import AgentError, HostError
from agent.host import log
from agent.state.owed_hooks import OwedHooks
from agent.worker.context import JobContext

_NOTHING_CHANGED = "interrupted before anything was changed"


def finish_engine_upgrades(context: JobContext) -> None:
    """Finish or roll back upgrades that were interrupted; if that fails, the next job tries again."""
    if context.record.has_unfinished(Component.DOCKER):
        _finish(context, "docker")
    if context.record.has_unfinished(Component.WEAVE):  # after Docker, on which it runs
        _finish(context, "weave")
    if not context.record.has_unfinished(Component.DOCKER):
        _close(context, Component.DOCKER)
    if not context.record.has_unfinished(Component.WEAVE):
        _close(context, Component.WEAVE)


def record_engine_problem(context: JobContext, owed: OwedHooks, problem: str) -> None:
    """Add what failed of the hooks that a run of Docker or Weave owed to its outcome.

    A run that was killed while the hooks before it ran has none on record yet.
    """
    module = importlib.import_module("agent.worker.steps.engine_upgrade")
    run, now = context.record.engine_run(owed.run), context.machine.now()
    component = next((one for one in Component if owed.directory == f"post-{one.value}.d"), None)
    if run is None and component is not None:
        run = replace(module.unrecorded(component, owed.run, now), finished_at=now, message=_NOTHING_CHANGED)
    if run is not None:
        module.with_problem(context, run, problem)


def _finish(context: JobContext, component: str) -> None:
    # Imported by name: almost no job needs it.
    module = importlib.import_module(f"agent.worker.steps.{component}.recover")
    try:
        getattr(module, f"recover_{component}")(context)
    except AgentError as error:
        context.control.step(str(error))
        log.event(log.LogEvent.ENGINE_UNFINISHED, component=component, error=str(error))


def _close(context: JobContext, component: Component) -> None:
    """End the record of a run that was interrupted before its snapshot was written."""
    last = context.record.last_engine_run(component)
    if last is None or last.finished_at is not None:
        return
    now = context.machine.now()
    ended = replace(last, finished_at=now, message=_NOTHING_CHANGED)
    sentence = importlib.import_module("agent.report.engine_reasons").block_sentence
    with suppress(HostError):
        context.record.save_engine_outcome(ended, now, sentence)
