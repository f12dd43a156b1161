"""What a report says of the host itself."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What a report says of the machine itself."""

    id: str
    """`agent.host.machine.facts.host_id`; never machine-id."""
    boot_id: str | None
    booted_at: datetime | None
    name: str | None
    os_id: str | None
    os_version: str | None
    os_codename: str | None
    architecture: str | None
    kernel: str | None
