"""Recovers an interrupted run: records what dpkg has done of what that run had begun.

A run records each transaction, removal and repair before it starts. After a kill or a power failure, the next run finds
that record and reads dpkg's states before it changes anything.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress

from agent.core.frozen import replace
from agent.core.model.facts import PackageState
from agent.core.model.outcome import NOTHING_UNDERWAY, Outcome, Underway
from agent.core.model.package import PackageId
from agent.core.packages import settle
from agent.errors import HostError
from agent.host import log
from agent.state.record import Record
from agent.worker.log_items import changes

States = Mapping[PackageId, PackageState]


def recover_interrupted_run(record: Record, read_states: Callable[[], States]) -> Underway:
    """Complete the document of the newest run if that run was interrupted, or has left a transaction unfinished.

    Returns what was not done: the next run finishes it, or dpkg, which may have outlived the run. If the document or
    the dpkg database cannot be read, nothing is changed: the starting run reports that.
    """
    with suppress(HostError):
        run = record.interrupted_run()
        if run is None:
            return NOTHING_UNDERWAY
        if run.outcome.underway == NOTHING_UNDERWAY:
            log.event(log.LogEvent.UPGRADE_INTERRUPTED, run=run.outcome.id, message="no end is on record")
            return NOTHING_UNDERWAY
        settled = settle.settled(run.outcome, read_states())
        completed = replace(settled, message=_message(run.outcome, settled.underway), underway=NOTHING_UNDERWAY)
        if run.outcome.finished_at is None:
            installed = changes(completed.upgraded)
            log.event(
                log.LogEvent.UPGRADE_INTERRUPTED, run=completed.id, installed=installed, message=completed.message
            )
        record.replace_run(replace(run, outcome=completed))
        return settled.underway
    return NOTHING_UNDERWAY


def credit_late_arrivals(outcome: Outcome, left: Underway, read_states: Callable[[], States]) -> Outcome:
    """Add what the previous run had left unfinished and that is done now.

    Either this run repaired it, or dpkg outlived the interrupted run and finished it.
    """
    with suppress(HostError):
        if left != NOTHING_UNDERWAY:
            return settle.with_late_arrivals(outcome, left, read_states())
    return outcome


def _message(run: Outcome, left: Underway) -> str:
    """Return what there is to say of what was underway; a run that has an end has said what it has to say."""
    if run.finished_at is not None:
        return run.message
    begun = run.underway
    parts = (
        _share(len(begun.steps), len(left.steps), "installed"),
        _share(len((*begun.kernels, *begun.unused)), len((*left.kernels, *left.unused)), "removed"),
        _share(len(begun.repairs), len(left.repairs), "repaired"),
    )
    message = f"interrupted in a transaction: {', '.join(filter(None, parts))}"
    return "; ".join(filter(None, (message, run.problem)))


def _share(all_of_them: int, left: int, done: str) -> str:
    return f"{all_of_them - left} of {all_of_them} packages were {done}" if all_of_them else ""
