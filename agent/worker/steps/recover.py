"""Recovers an interrupted run: records which packages of its last transaction dpkg had installed.

A run records each transaction before it starts. After a kill or a power failure, the next run finds that record and
reads dpkg's states before it changes anything.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from agent.core.frozen import replace
from agent.core.model.facts import PackageState
from agent.core.model.outcome import Outcome
from agent.core.model.package import PackageId
from agent.core.model.plan import Step
from agent.core.packages import verify
from agent.errors import HostError
from agent.host import log
from agent.state.record import Record
from agent.worker.log_items import changes

States = Mapping[PackageId, PackageState]


def recover_interrupted_run(record: Record, read_states: Callable[[], States]) -> tuple[Step, ...]:
    """Complete the document of the newest run if that run was interrupted in a transaction.

    Returns the steps that were not installed: the next run finishes them. If the document or the dpkg database cannot
    be read, nothing is changed: the starting run reports that.
    """
    with suppress(HostError):
        run = record.interrupted_run()
        if run is None:
            return ()
        if not run.outcome.underway:
            log.event(log.LogEvent.UPGRADE_INTERRUPTED, run=run.outcome.id, message="no end is on record")
        else:
            states = read_states()
            completed = _completed(run.outcome, states)
            log.event(
                log.LogEvent.UPGRADE_INTERRUPTED,
                run=completed.id,
                installed=changes(completed.upgraded),
                message=completed.message,
            )
            record.replace_run(replace(run, outcome=completed))
            return tuple(step for step in run.outcome.underway if not verify.is_installed(step, states))
    return ()


def credit_late_arrivals(outcome: Outcome, left: Sequence[Step], read_states: Callable[[], States]) -> Outcome:
    """Add the packages that the previous run had left unfinished and that are installed now.

    Either this run repaired them, or dpkg outlived the interrupted run and finished them.
    """
    with suppress(HostError):
        if left:
            return verify.with_late_arrivals(outcome, left, read_states())
    return outcome


def _completed(outcome: Outcome, states: States) -> Outcome:
    installed = [step for step in outcome.underway if verify.is_installed(step, states)]
    message = f"interrupted in a transaction: {len(installed)} of {len(outcome.underway)} packages were installed"
    message = "; ".join(filter(None, (message, outcome.problem)))
    return replace(outcome, message=message, upgraded=(*outcome.upgraded, *installed), underway=())
