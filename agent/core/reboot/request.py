"""A request for a reboot, as a value."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from agent.core.job_kinds import JobOption


class RebootOrigin(Enum):
    """Who asks for a reboot. Nothing else starts one."""

    REQUEST = "request"
    """Root, with a command."""
    SCHEDULE = "schedule"
    """Root, with `reboot --at TIME`: a document that only root writes."""
    POLICY = "policy"
    """The configuration: `[reboot] policy = "window"`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebootRequest:
    """What is asked for."""

    origin: RebootOrigin
    asked_at: datetime
    """Since when the reboot is asked for: the grace for sessions counts from then."""
    requested_by: str = ""
    session: str = ""
    """The requester's session of logind, which does not count; empty: unknown or none."""
    options: frozenset[JobOption] = frozenset()
    """`IF_REQUIRED`, and the `DESPITE_…` ones."""
    until: datetime | None = None
    """When a scheduled reboot expires; None: it does not."""
