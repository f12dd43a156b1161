"""Looking ahead: has the packages of pending updates at hand, and what they fix read, before anybody asks for them.

None of it is needed for an upgrade, so nothing of it ever fails the job that it is part of: what could not be
had is tried again by the next check, and said to be unknown until then.
"""

from collections.abc import Callable, Iterable

from agent.core.model.facts import ListsState, Update
from agent.core.model.outcome import Outcome
from agent.core.model.plan import Held, Plan, Step
from agent.core.packages.cves import ChangelogFindings, VersionChange
from agent.core.policy.policy import PrefetchMode
from agent.core.ports import Archive, ChangelogRequest
from agent.errors import BusyError, HostError, StoppedError
from agent.host import log
from agent.state.job_lock import worker_pid
from agent.worker.context import JobContext
from agent.worker.steps.plan import Planned


def prefetch_updates(context: JobContext, planned: Planned) -> bool:
    """Fetch what the plan will install, and read what all that is on offer fixes; return whether more is known now."""
    if not context.record.writable or worker_pid(context.record.store.directory) is not None:
        return False  # an upgrade that goes on now has its own use for the archives
    plan, mode = planned.plan, context.policy.apt.fetch_ahead
    known = context.record.findings()
    on_offer = set(_subjects((*plan.install, *plan.held, *plan.others)))
    kept = {subject: fixes for subject, fixes in known.items() if subject in on_offer}
    _attempt(context, lambda: _sweep(context, plan))
    if mode is not PrefetchMode.OFF:
        if _reachable(plan):
            _attempt(context, lambda: _fetch(context, planned))
        _attempt(context, lambda: _read(context, planned, kept))
    if kept == known:
        return False
    context.record.save_findings(kept, context.machine.now())
    return True


def read_installed_changelogs(context: JobContext, outcome: Outcome, after: Plan | None) -> None:
    """Read what a run's upgrades fixed where that is not known yet, and remove what was fetched ahead for them.

    `after` is the plan that was made once the run had come to its end; None where the machine could not be seen.
    """
    known = context.record.findings()
    missing = [subject for subject in _subjects(outcome.upgraded) if subject not in known]

    def read() -> None:
        found = context.engine.read_installed_changelogs(missing)
        context.record.save_findings({**known, **found}, context.machine.now())

    if missing and context.policy.apt.fetch_ahead is not PrefetchMode.OFF:
        _attempt(context, read)
    if after is not None:
        _attempt(context, lambda: _sweep(context, after))


def _attempt(context: JobContext, act: Callable[[], None]) -> None:
    try:
        act()
    except (BusyError, HostError, StoppedError) as error:
        context.control.progress(str(error))
        log.event(log.LogEvent.PREFETCH_FAILED, error=str(error))


def _reachable(plan: Plan) -> bool:
    """Whether packages can be had at all: not from where even the lists could not be fetched."""
    return plan.lists.state in {ListsState.FRESH, ListsState.PARTIAL}


def _sweep(context: JobContext, plan: Plan) -> None:
    """Remove archives that were fetched ahead and belong to no pending update any more: installed, or superseded."""
    ahead = context.record.prefetched()
    items: list[Step | Held] = [*plan.install, *plan.held]
    pending = {(item.package, item.candidate) for item in items}
    gone = [archive for archive in ahead if (archive.package, archive.version) not in pending]
    if gone:
        context.engine.discard(gone)
        _keep(context, (archive for archive in ahead if archive not in gone))


def _fetch(context: JobContext, planned: Planned) -> None:
    """Download what the plan installs; what is about to come is on record first, for a run that is cut off."""
    steps = [step for step in planned.plan.install if step.security]
    if not steps:
        return
    absent = context.engine.not_downloaded(steps)
    if not absent:
        return
    _keep(context, (*context.record.prefetched(), *absent))
    context.control.progress(f"downloading {len(absent)} packages ahead")
    failed = planned.snapshot.prefetch(steps)
    log.event(
        log.LogEvent.PREFETCH_DONE,
        packages=len(absent) - len(failed),
        failed=[str(package) for package in sorted(failed)],
    )


def _keep(context: JobContext, archives: Iterable[Archive]) -> None:
    context.record.save_prefetched(tuple(dict.fromkeys(archives)), context.machine.now())


def _read(context: JobContext, planned: Planned, known: dict[VersionChange, ChangelogFindings | None]) -> None:
    """Add to what is known; what was read already is not read again."""
    plan = planned.plan
    online = _reachable(plan)
    others = online and context.policy.apt.fetch_ahead is PrefetchMode.ALL
    items: list[tuple[Step | Held | Update, bool, bool]] = [
        *((step, step.security, False) for step in plan.install),
        *((held, True, online) for held in plan.held),
        *((update, False, others) for update in plan.others),
    ]
    wanted = [
        ChangelogRequest(subject=subject, security=security, may_fetch=may_fetch)
        for item, security, may_fetch in items
        if (subject := VersionChange.of(item)) is not None and subject not in known
    ]
    if not wanted:
        return
    before = len(known)
    known.update(planned.snapshot.read_changelogs(wanted))
    log.event(log.LogEvent.CHANGELOGS_READ, wanted=len(wanted), read=len(known) - before)


def _subjects(items: Iterable[Step | Held | Update]) -> list[VersionChange]:
    return [subject for item in items if (subject := VersionChange.of(item)) is not None]
