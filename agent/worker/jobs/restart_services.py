"""`restart-services`: not built yet."""

from agent.errors import HostError
from agent.worker.context import JobContext
from agent.worker.protocol import JobAnswer, JobRequest


def run(_request: JobRequest, _context: JobContext) -> JobAnswer:
    """Refuse.

    Raises:
        HostError: always.
    """
    raise HostError("restart-services: this version of the agent cannot do it yet")
