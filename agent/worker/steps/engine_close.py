"""How a change of Docker or of Weave is closed, whether it was carried out or resumed."""

from collections.abc import Callable
from contextlib import suppress

from agent.core.frozen import frozen, replace
from agent.core.model.docker import DockerFacts, Flavour
from agent.core.model.engine_outcome import EngineOutcome
from agent.core.model.facts import Unseen
from agent.errors import HostError
from agent.host import log
from agent.state.owed_hooks import OwedHooks, owe_hooks, settle_hooks
from agent.worker.context import JobContext
from agent.worker.log_items import engine_outcome_items
from agent.worker.steps.engine_upgrade import record_outcome, run_post_hooks, with_problem
from agent.worker.steps.engines import observe_engines
from agent.worker.steps.exposure import record_services


@frozen
class Performed:
    """A change that has ended."""

    outcome: EngineOutcome
    clean: bool
    """Whether nothing is wrong: every container that ran runs, and none that did not."""


def close_change(
    context: JobContext,
    outcome: EngineOutcome,
    started: EngineOutcome,
    *,
    note: str,
    hooked: bool,
    discard: Callable[[], None] | None,
) -> EngineOutcome:
    """Record the outcome and what the engines are now; return it as recorded.

    `started` is the run's outcome as it was recorded at its start, `note` the message where the outcome has none;
    `hooked`: the post-hooks are owed from now on, whatever becomes of the snapshot.
    `discard` removes what was kept for the way back; None: it is still needed.
    """
    outcome = replace(
        outcome,
        started_at=started.started_at,
        plan_id=started.plan_id,
        forecast=started.forecast,
        requested_by=started.requested_by,
        message=outcome.message or note,
    )
    if hooked and outcome.finished_at is not None:
        with suppress(HostError):  # a full disk: they run in this job, unless it is killed
            owed = OwedHooks(run=outcome.id, directory=f"post-{outcome.component.value}.d")
            owe_hooks(context.record.store, owed, context.machine.now())
    outcome = record_outcome(context, outcome)
    written = context.record.engine_run(outcome.id)
    if discard is not None and written is not None and written.finished_at is not None:
        discard()  # else the disk is full: the next run records how it ended
    with suppress(HostError):  # the outcome stands: this must not be taken for a failure before the change
        record_services(context)
        context.record.save_engines(observe_engines(context))
    return outcome


def was_removed(docker: DockerFacts | Unseen, *, accepted: bool) -> bool:
    """Whether Docker is not installed any more; `accepted` by a person: or something else took its place, as podman."""
    return isinstance(docker, DockerFacts) and docker.unit is None and (accepted or docker.flavour is Flavour.NONE)


def close_removed(
    context: JobContext, run: EngineOutcome, discard: Callable[[], None], *, hooked: bool
) -> EngineOutcome:
    """End an interrupted run whose Docker was removed since: there is nothing to finish; see `close_change`."""
    ended = replace(run, finished_at=context.machine.now(), message="interrupted; Docker was removed since")
    return close_change(context, ended, run, note="", hooked=hooked, discard=discard)


def close_recovery(context: JobContext, outcome: EngineOutcome, *, hooked: bool) -> EngineOutcome:
    """Run the post-hooks that an interrupted run owes, and log its end; return the outcome."""
    if hooked and outcome.finished_at is not None:  # a pre-hook may have drained the machine
        problem = run_post_hooks(context, outcome)
        outcome = with_problem(context, outcome, problem) if problem else outcome
        with suppress(HostError):  # else they run once more
            settle_hooks(context.record.store)
    log.event(log.LogEvent.ENGINE_RECOVERED, run=outcome.id, **engine_outcome_items(outcome))
    return outcome
