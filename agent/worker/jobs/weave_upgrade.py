"""`weave-upgrade`: bring Weave to the version of the manifest."""

from agent.core.job_kinds import JobOption
from agent.core.model.engine_plan import Component
from agent.errors import NothingDoneError
from agent.worker.context import JobContext
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.steps.engines import planned_answer


def run(request: JobRequest, context: JobContext) -> JobAnswer:
    """Answer with the plan of a dry run.

    Raises:
        NothingDoneError: this version of the agent does not upgrade Weave yet.
    """
    if JobOption.DRY_RUN in request.options:
        return planned_answer(context, Component.WEAVE)
    raise NothingDoneError("this version of the agent plans upgrades of Weave, but does not carry them out yet")
