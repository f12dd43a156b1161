"""The one word for how a machine stands. Light: `status` imports it."""

from enum import Enum

from agent.errors import ExitCode


class Health(Enum):
    """The one word of `status`; its exit code is beside it."""

    HEALTHY = "healthy"
    ATTENTION = "attention"
    UNKNOWN = "unknown"

    @property
    def exit_code(self) -> ExitCode:
        """Return 0, 10 or 3, as the interface says."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    Health.HEALTHY: ExitCode.OK,
    Health.ATTENTION: ExitCode.ATTENTION,
    Health.UNKNOWN: ExitCode.STALE,
}
