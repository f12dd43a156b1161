"""A machine's health. Light: `status` imports it."""

from enum import Enum

from agent.errors import ExitCode


class Health(Enum):
    """The first word of `status`, with its exit code."""

    HEALTHY = "healthy"
    ATTENTION = "attention"
    UNKNOWN = "unknown"

    @property
    def exit_code(self) -> ExitCode:
        """Return 0, 10 or 3 (maestro-agent(8), EXIT STATUS)."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    Health.HEALTHY: ExitCode.OK,
    Health.ATTENTION: ExitCode.ATTENTION,
    Health.UNKNOWN: ExitCode.STALE,
}
