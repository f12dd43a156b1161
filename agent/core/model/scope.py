"""Which updates a job may install. Light: the daemon imports it."""

from enum import Enum


class Scope(Enum):
    """Which updates a run may install."""

    SECURITY = "security"
    ALL = "all"
