"""Prefetches the packages of pending updates and reads their changelogs.

An upgrade needs none of it, so a failure never fails the job: the next check retries, and the findings are unknown
until then.
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
from agent.report.text import counted
from agent.state.job_lock import worker_pid
from agent.worker.context import JobContext
from agent.worker.steps.observe import keep_packages
from agent.worker.steps.plan import Planned


def prefetch_updates(context: JobContext, planned: Planned) -> bool:
    """Prefetch the plan's packages and read the changelogs of all updates; return whether the findings changed."""
    if not context.record.writable or worker_pid(context.record.store.directory) is not None:
        return False  # a running upgrade uses the archives itself
    plan, mode = planned.plan, context.policy.apt.fetch_ahead
    known = context.record.findings()
    pending = set(_subjects((*plan.install, *plan.held, *plan.others)))
    findings = {subject: found for subject, found in known.items() if subject in pending}
    _attempt(context, lambda: _remove_unneeded(context, plan))
    if mode is not PrefetchMode.OFF:
        if _reachable(plan):
            _attempt(context, lambda: _fetch(context, planned))
        _attempt(context, lambda: _read(context, planned, findings))
        keep_packages(context, planned.snapshot)
    if findings == known:
        return False
    context.record.save_findings(findings, context.machine.now())
    return True


def read_installed_changelogs(context: JobContext, outcome: Outcome, after: Plan | None) -> None:
    """Read the changelogs of a run's upgrades that are not read yet, and remove their prefetched archives.

    `after` is the plan after the run; None if the machine could not be observed.
    """
    known = context.record.findings()
    missing = [subject for subject in _subjects(outcome.upgraded) if subject not in known]

    def read() -> None:
        found = context.engine.read_installed_changelogs(missing)
        context.record.save_findings({**known, **found}, context.machine.now())

    if missing and context.policy.apt.fetch_ahead is not PrefetchMode.OFF:
        _attempt(context, read)
    if after is not None:
        _attempt(context, lambda: _remove_unneeded(context, after))


def read_changelogs_now(context: JobContext, planned: Planned) -> bool:
    """Read the changelogs of a plan's updates that are not read yet; return whether there are new findings.

    Archives are downloaded for it, because a person waits for the answer. What cannot be read stays unknown.
    """
    plan, findings = planned.plan, dict(context.record.findings())
    items: list[tuple[Step | Held, bool]] = [(step, step.security) for step in plan.install]
    items += _held_items(planned)
    wanted = [
        ChangelogRequest(subject=subject, security=security, may_fetch=True)
        for item, security in items
        if (subject := VersionChange.of(item)) is not None and subject not in findings
    ]
    if not wanted:
        return False
    before = len(findings)
    context.control.step("reading the changelogs of the pending updates")
    _attempt(context, lambda: findings.update(planned.snapshot.read_changelogs(wanted)))
    context.record.save_findings(findings, context.machine.now())
    return len(findings) > before


def _attempt(context: JobContext, act: Callable[[], None]) -> None:
    try:
        act()
    except (BusyError, HostError, StoppedError) as error:
        context.control.progress(str(error))
        failed = isinstance(error, HostError)
        log.event(log.LogEvent.PREFETCH_FAILED if failed else log.LogEvent.PREFETCH_DELAYED, error=str(error))


def _reachable(plan: Plan) -> bool:
    """Whether packages can be downloaded: not if even the lists could not be fetched."""
    return plan.lists.state in {ListsState.FRESH, ListsState.PARTIAL}


def _remove_unneeded(context: JobContext, plan: Plan) -> None:
    """Remove prefetched archives of updates that are no longer pending: installed, or superseded."""
    prefetched = context.record.prefetched()
    items: list[Step | Held] = [*plan.install, *plan.held]
    pending = {(item.package, item.candidate) for item in items}
    unneeded = [archive for archive in prefetched if (archive.package, archive.version) not in pending]
    if unneeded:
        context.engine.discard(unneeded)
        _record(context, (archive for archive in prefetched if archive not in unneeded))


def _fetch(context: JobContext, planned: Planned) -> None:
    """Download the plan's packages. They are recorded first, so that an interrupted job leaves none unknown."""
    steps = [step for step in planned.plan.install if step.security]
    if not steps:
        return
    if not context.engine.not_downloaded(steps):
        return
    absent = planned.snapshot.not_downloaded(steps)  # exactly: of a repository on this machine nothing is fetched
    if not absent:
        return
    _record(context, (*context.record.prefetched(), *absent))
    context.control.step(f"downloading {counted(len(absent), 'package')} in advance")
    failed = planned.snapshot.prefetch(steps)
    if failed:
        log.event(log.LogEvent.PREFETCH_FAILED, failed=[f"{one.name}: {failed[one]}" for one in sorted(failed)])
    else:
        log.event(log.LogEvent.PREFETCH_DONE, packages=[f"{one.package} {one.version}" for one in absent])


def _record(context: JobContext, archives: Iterable[Archive]) -> None:
    context.record.save_prefetched(tuple(dict.fromkeys(archives)), context.machine.now())


def _read(context: JobContext, planned: Planned, known: dict[VersionChange, ChangelogFindings | None]) -> None:
    """Read the changelogs that are not in `known` yet, and add the findings to it."""
    plan = planned.plan
    online = _reachable(plan)
    others = online and context.policy.apt.fetch_ahead is PrefetchMode.ALL
    items: list[tuple[Step | Held | Update, bool, bool]] = [
        *((step, step.security, False) for step in plan.install),
        *((held, security, online) for held, security in _held_items(planned)),
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


def _held_items(planned: Planned) -> list[tuple[Held, bool]]:
    """Return the held updates, each with whether it is a security update: a plan of all updates holds others, too."""
    security = {(update.id, update.candidate) for update in planned.facts.updates if update.security}
    return [(held, (held.id, held.candidate) in security) for held in planned.plan.held]


def _subjects(items: Iterable[Step | Held | Update]) -> list[VersionChange]:
    return [subject for item in items if (subject := VersionChange.of(item)) is not None]
