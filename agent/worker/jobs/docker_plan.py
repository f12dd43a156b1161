"""`docker-plan`: what an upgrade of Docker would do now. Changes and records nothing."""

from agent.core.model.engine_plan import Component
from agent.worker.context import JobContext
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.steps.engines import planned_answer


def run(request: JobRequest, context: JobContext) -> JobAnswer:
    """Observe, and answer with the plan: exit 0 nothing to do, 10 something to do or blocked, 3 unknown."""
    return planned_answer(context, Component.DOCKER, request.options)
