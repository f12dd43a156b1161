"""Keeps the exposure clock: at each check, after each run, and whenever the services were looked at again."""

from collections.abc import Collection, Sequence

from agent.core.exposure import Exposure, ExposureFacts, advance, observed_packages
from agent.core.model.facts import Facts, ListsState, Reboot, Unseen, Update
from agent.core.reboot.services import ServiceScan
from agent.errors import HostError
from agent.worker.context import JobContext
from agent.worker.steps.services import observe_services

_USABLE = (ListsState.FRESH, ListsState.PARTIAL)
"""Lists of security sources that show what is on offer; an update that they lack was withdrawn."""


def record_exposure(context: JobContext, facts: Facts, scan: ServiceScan) -> Exposure:
    """Advance and record the exposure clock by an observation of a check or a run; return the fixes."""
    return _advanced(context, facts.updates, scan, facts.reboot, complete=_complete(facts))


def record_services(context: JobContext, failed: Collection[str] = ()) -> ServiceScan:
    """Look at the services and the kernel again, after restarts or a boot; record both and return the scan.

    `failed` are services whose restart just failed.
    """
    scan, reboot = observe_services(context, failed), context.machine.reboot()
    exposure = _advanced(context, (), scan, reboot, complete=False)
    context.record.save_services(scan, exposure, reboot_since(context, reboot, scan), context.machine.now())
    return scan


def reboot_since(context: JobContext, reboot: Reboot | Unseen, scan: ServiceScan) -> Reboot | Unseen:
    """Return a required reboot with the time that the record has of this boot, if that is earlier."""
    if isinstance(reboot, Unseen):
        return reboot
    return reboot.since_at_least(context.record.reboot_required_since(scan.boot_id))


def observe_exposure(context: JobContext, facts: Facts) -> Exposure:
    """Return the fixes by an observation of now; records nothing."""
    return _advanced(
        context, facts.updates, context.machine.scan_services(), facts.reboot, complete=_complete(facts), record=False
    )


def _complete(facts: Facts) -> bool:
    return facts.lists.state in _USABLE


def _advanced(
    context: JobContext,
    offered: Sequence[Update],
    scan: ServiceScan,
    reboot: Reboot | Unseen,
    *,
    complete: bool,
    record: bool = True,
) -> Exposure:
    before = context.record.exposure()
    packages = observed_packages(before, offered)
    try:
        states = context.engine.states() if packages else {}
    except HostError:  # nothing is known of the packages: nothing changes
        return before
    paths = [one.path for one in scan.files]
    facts = ExposureFacts(
        now=context.machine.now(),
        offered=offered,
        complete=complete,
        states=states,
        scan=scan,
        files=context.machine.installed_files(packages, paths) if packages else {},
        reboot=reboot,
    )
    after = advance(before, facts)
    if record and after != before:
        context.record.save_exposure(after, facts.now)
    return after
