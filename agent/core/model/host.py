"""What a report says of the host itself."""

from dataclasses import dataclass
from datetime import datetime

from agent.report.document import Document
from agent.state.timestamps import format_utc


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

    @property
    def document(self) -> Document:
        """Return the `host` of the report, but for the outbox's name."""
        system = {"id": self.os_id, "version": self.os_version, "codename": self.os_codename}
        return {
            "id": self.id,
            "boot_id": self.boot_id,
            "booted_at": format_utc(self.booted_at) if self.booted_at else None,
            "name": self.name,
            "os": system,
            "architecture": self.architecture,
        }
