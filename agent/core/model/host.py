"""Facts about the host itself, as a report holds them."""

from datetime import datetime

from agent.core.frozen import frozen


@frozen
class HostFacts:
    """Facts about the host itself. None: not known."""

    id: str
    """Of `agent.host.machine.identity.host_id`; never the machine-id."""
    boot_id: str | None
    booted_at: datetime | None
    name: str | None
    os_id: str | None
    os_version: str | None
    os_codename: str | None
    architecture: str | None
    kernel: str | None
