"""`reboot`: reboot this machine through the gates; `verify-reboot` goes on after the boot."""

from agent.core.job_kinds import JobOption
from agent.core.model.engine_plan import Component
from agent.core.reboot.gates import RebootOrigin
from agent.core.schedule.reboots import RebootWish
from agent.errors import NothingDoneError
from agent.host.machine.local_zone import local_zone
from agent.state.job_status import REQUESTED_BY_SCHEDULE
from agent.worker.context import JobContext
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.reboot_runs import reboot_wish
from agent.worker.steps.finish_engines import finish_engine_upgrades
from agent.worker.steps.finish_reboot import has_reboot_left
from agent.worker.steps.reboot.finish import finish_reboot
from agent.worker.steps.reboot.take import take
from agent.worker.steps.reboot.verify import BOOT_LIMIT
from agent.worker.steps.upgrade_hooks import finish_owed_hooks


def run(request: JobRequest, context: JobContext) -> JobAnswer:
    """Reboot, and answer with the outcome so far; or answer why not.

    Raises:
        NothingDoneError: the schedule or the configuration does not ask for a reboot any more.
        BusyError: the machine is going down.
        HostError: nothing was done; the message says why.
    """
    if JobOption.DRY_RUN not in request.options:
        _finish_earlier(context)
    return take(context, _wish(request, context))


def _finish_earlier(context: JobContext) -> None:
    if has_reboot_left(context.record.store):
        finish_reboot(context, wait=BOOT_LIMIT)
    if context.record.has_unfinished(Component.DOCKER) or context.record.has_unfinished(Component.WEAVE):
        with context.engine.apt_daily_lock():
            finish_engine_upgrades(context)
    finish_owed_hooks(context)


def _wish(request: JobRequest, context: JobContext) -> RebootWish:
    """Return what is asked for; what the daemon asks for is read from the documents of root alone.

    Raises:
        NothingDoneError: they do not ask for it, or not now.
    """
    now = context.machine.now()
    if request.requested_by != REQUESTED_BY_SCHEDULE:
        return RebootWish(
            origin=RebootOrigin.REQUEST,
            at=now,
            options=request.options,
            requested_by=request.requested_by,
            session=request.session,
            in_window=request.in_window,
        )
    wish = reboot_wish(context.policy, context.record.store, now, local_zone())
    if wish is None or wish.at > now:
        raise NothingDoneError("neither the schedule nor the configuration asks for a reboot now")
    return wish
