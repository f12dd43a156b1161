"""`provision`: every package of a new server to its latest, then one restart if required; a later job goes on after it.

provision.json has the phase before each change, so that a job that was killed, or a power cut, is continued by the
next one. From its end on the agent installs security updates only.
"""

from contextlib import suppress
from datetime import datetime

from agent.core.frozen import replace
from agent.core.job_kinds import JobKind, JobOption
from agent.core.model.facts import Unseen
from agent.core.model.outcome import Outcome, ProvisionPhase, Result
from agent.core.model.plan import Plan
from agent.core.model.scope import Scope
from agent.core.packages.apt_history import changes_by_cloud_init
from agent.core.provision.model import NextStep, Provision
from agent.core.schemas import Document
from agent.errors import ExitCode, NothingDoneError, RecordError
from agent.host.apt.history import read_history
from agent.host.boot_time import booted_at
from agent.host.machine.boot_id import boot_id
from agent.host.machine.first_boot import first_booted_at
from agent.host.machine.identity import host_id
from agent.host.machine.local_zone import local_zone
from agent.state.documents.outcome import outcome_to_document
from agent.state.job_status import REQUESTED_BY_SCHEDULE
from agent.state.provision_record import load_or_forget, save_provision
from agent.state.timestamps import format_human
from agent.version import VERSION
from agent.worker.context import JobContext
from agent.worker.jobs.upgrade import EXIT_CODES, upgrade
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.steps.finish_reboot import has_reboot_left
from agent.worker.steps.reboot.finish import finish_reboot
from agent.worker.steps.reboot.verify import BOOT_LIMIT
from agent.worker.steps.select import RunSelection

_BY_DAEMON = "provision"
"""Who requests the restart where the daemon requested the job: no window is asked for it."""


class AlreadyProvisionedError(NothingDoneError):
    """There is nothing to do."""

    exit_code = ExitCode.OK


def run(request: JobRequest, context: JobContext) -> JobAnswer:
    """Provision this server, or go on where an earlier job ended; answer with the outcome of the upgrade run.

    Raises:
        AlreadyProvisionedError: this server was provisioned.
        BusyError: the machine is going down.
        HostError: the run cannot be recorded; nothing was changed.
    """
    if has_reboot_left(context.record.store):
        finish_reboot(context, wait=BOOT_LIMIT)
    current = _current(request, context)
    step = current.next_step(required=_is_required(context))
    last = _last_run(context, current) if step is NextStep.REBOOT else None
    if last is None:  # or its outcome is lost: the packages are looked at once more, and the restart follows
        return _upgrade(request, context, current)
    return JobAnswer(exit_code=ExitCode.OK, document=last, follow_up=_reboot_request(request, current))


def _last_run(context: JobContext, current: Provision) -> Document | None:
    """Return the outcome of the last run; None if it is not on record any more, or damaged."""
    with suppress(RecordError):
        last = context.record.store.read_run(current.runs[-1]) if current.runs else None
        return dict(last.raw) if last is not None else None
    return None


def _has_ended(context: JobContext, current: Provision) -> bool:
    """Return whether the end of the last run is on record, though maybe not what its hooks came to after it."""
    last = _last_run(context, current)
    return last is not None and last.get("finished_at") is not None


def _current(request: JobRequest, context: JobContext) -> Provision:
    """Return how far provisioning has come, with what this request changes about it, and record that.

    Raises:
        AlreadyProvisionedError: it has ended, and `--force` was not given.
    """
    store, now, machine = context.record.store, context.machine.now(), host_id()
    found = load_or_forget(store)
    if found is not None and found.machine != machine:
        found = None  # the disk of another server
    if found is not None and found.done and JobOption.AGAIN not in request.options:
        raise AlreadyProvisionedError(
            f"this server was provisioned {format_human(found.entered_at)}; `--force` provisions it again"
        )
    if found is None or found.done:
        found = Provision(
            machine=machine,
            phase=ProvisionPhase.UPGRADING,
            started_at=now,
            entered_at=now,
            version=VERSION,
            requested_by=request.requested_by,
            before=changes_by_cloud_init(read_history(), local_zone(), _new_since()),
        )
    if request.requested_by != REQUESTED_BY_SCHEDULE:
        found = replace(found, reboot=JobOption.NO_REBOOT not in request.options)
    found = found.resumed(boot_id(), now)
    save_provision(store, found, now)
    return found


def _new_since() -> datetime | None:
    """Return when the first boot began, by the clock as it is set now where it was ahead then; None: unknown."""
    first = first_booted_at()
    return min(first, booted_at()) if first is not None else None


def _upgrade(request: JobRequest, context: JobContext, current: Provision) -> JobAnswer:
    begun = current = current.begun(context.run_id)
    save_provision(context.record.store, current, context.machine.now())

    def completed(outcome: Outcome, after: Plan | None) -> Outcome:
        nonlocal current
        current = current.after(
            outcome,
            left=after is not None and bool(after.install),
            required=isinstance(outcome.reboot, Unseen) or outcome.reboot.required,
            boot_id=boot_id(),
            now=context.machine.now(),
        )
        return replace(outcome, provision=current.note)

    outcome = upgrade(
        context,
        Scope.PROVISION,
        RunSelection(context, None, ()),
        refresh=request.refresh,
        requested_by=request.requested_by,
        completed=completed,
    )
    if outcome.result is Result.FAILED and not _has_ended(context, current):  # then its end is not reported either
        current = replace(begun, result=outcome.result.value)
    save_provision(context.record.store, current, context.machine.now())
    return JobAnswer(
        exit_code=EXIT_CODES[outcome.result],
        document=outcome_to_document(outcome, context.machine.now(), context.record.findings()),
        follow_up=_reboot_request(request, current) if current.phase is ProvisionPhase.REBOOTING else None,
    )


def _is_required(context: JobContext) -> bool:
    reboot = context.machine.reboot()
    return isinstance(reboot, Unseen) or reboot.required


def _reboot_request(request: JobRequest, current: Provision) -> JobRequest:
    """Return the restart, through the gates of one that a person requests: no window is asked."""
    person = next((one for one in (request.requested_by, current.requested_by) if one != REQUESTED_BY_SCHEDULE), "")
    return replace(
        request,
        kind=JobKind.REBOOT,
        options=frozenset({JobOption.IF_REQUIRED}),
        requested_by=person or _BY_DAEMON,
        wait=True,
    )
