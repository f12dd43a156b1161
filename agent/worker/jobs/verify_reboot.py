"""`verify-reboot`: after the boot, verify that the reboot did what it was for; then release the fleet lock."""

from agent.errors import ExitCode, NothingDoneError
from agent.worker.context import JobContext
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.steps.exposure import record_services
from agent.worker.steps.finish_reboot import has_reboot_left
from agent.worker.steps.reboot.close import answer_with
from agent.worker.steps.reboot.finish import finish_reboot
from agent.worker.steps.reboot.verify import BOOT_LIMIT


def run(_request: JobRequest, context: JobContext) -> JobAnswer:
    """Finish the reboot that an earlier job began, and answer with its outcome.

    Raises:
        NothingDoneError: there is none to finish.
        BusyError: the machine is going down.
        HostError: the outcome cannot be recorded.
    """
    if not has_reboot_left(context.record.store):
        raise NothingDoneError("no reboot waits for its verification")
    finished = finish_reboot(context, wait=BOOT_LIMIT)
    record_services(context)  # every process and the kernel are new: what waited for that is active
    if finished.outcome is not None:
        return answer_with(context, finished.outcome)
    return JobAnswer(exit_code=ExitCode.ATTENTION if finished.lock_left else ExitCode.OK)
