"""Which updates a job may install. Light: the daemon imports it."""

from enum import Enum


class Scope(Enum):
    """Which updates a run may install."""

    SECURITY = "security"
    ALL = "all"
    PROVISION = "provision"
    """All, by the rules of a new server: packages that an update replaces are removed."""
