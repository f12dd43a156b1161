"""`lock-release`: give this host's fleet lock back, on the decision of a person."""

from agent.core.fleet_lock.model import LockRecord
from agent.core.job_kinds import JobOption
from agent.core.schemas import Document
from agent.errors import BusyError, ExitCode, RecordError
from agent.state.documents.fleet_lock import lock_to_document
from agent.state.fleet_lock_record import FleetLockRecord
from agent.worker.context import JobContext
from agent.worker.protocol import JobAnswer, JobRequest


def run(request: JobRequest, context: JobContext) -> JobAnswer:
    """Release the lock, kept or not. Exit 0: none is held any more, 1 else.

    With `FORGET_LOCK`, and of a lock that another machine holds, only the record is removed.

    Raises:
        BusyError: the machine is going down: another one could reboot meanwhile.
        HostError: the record cannot be written.
        RecordError: it is damaged, and no server is configured at which to release.
    """
    record, lock = FleetLockRecord(context.record.store), context.reboot_acts.lock
    before = _readable(record)
    if before == LockRecord():
        return _answer(context, before, "not-held")
    if context.reboot_acts.host.stopping():
        raise BusyError("the machine is going down; its fleet lock is released after the boot")
    of_another = before is not None and before.lock is not None and lock.held() is None
    if of_another or JobOption.FORGET_LOCK in request.options:
        lock.forget()
        return _answer(context, before, "forgotten")
    context.control.step("releasing the fleet lock")
    answer = lock.release()
    if answer.granted:
        held = before is None or before.lock is not None
        return _answer(context, before, "released" if held else "not-held")
    return _answer(context, before, "not-released", answer.detail)


def _readable(record: FleetLockRecord) -> LockRecord | None:
    """Return what is on record; None: it is damaged, so that a lock may be held."""
    try:
        return record.load()
    except RecordError:
        return None


def _answer(context: JobContext, before: LockRecord | None, result: str, detail: str = "") -> JobAnswer:
    """Return the record after the job, with what it did and what was on record before it."""
    now = context.machine.now()
    after = _readable(FleetLockRecord(context.record.store)) or LockRecord()
    was = lock_to_document(before, now) if before is not None and before.lock is not None else {}
    kept = ("url", "group", "id", "since", "reason", "kept", "run_id")
    document: Document = {
        **lock_to_document(after, now),
        "result": result,
        "detail": detail or None,
        "was": {name: was[name] for name in kept} if was else None,
    }
    error = f"the fleet lock is not released: {detail}" if result == "not-released" else ""
    return JobAnswer(exit_code=ExitCode.FAILED if error else ExitCode.OK, document=document, error=error)
