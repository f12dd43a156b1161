"""The one word for how a machine stands. Light: `status` imports it."""

from enum import Enum


class Health(Enum):
    """The one word of `status`; its exit code is beside it."""

    HEALTHY = "healthy"
    ATTENTION = "attention"
    UNKNOWN = "unknown"

    @property
    def exit_code(self) -> int:
        """Return 0, 10 or 3, as the interface says."""
        return {Health.HEALTHY: 0, Health.ATTENTION: 10, Health.UNKNOWN: 3}[self]
