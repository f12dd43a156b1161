"""A read-only view of the fixes that are not active, as in `maestro.state/1`. Light: `status` imports it.

The encoder is `agent.state.documents.exposure`.
"""

from agent.core.package_label import package_label
from agent.core.schemas import Document
from agent.state.json_reader import JsonReader


class FixView:
    """An element of `fixes`."""

    def __init__(self, part: JsonReader) -> None:
        self.raw = part.raw
        self.package = part.text("package")
        self.architecture = part.text("architecture")
        self.label = package_label(self.package, self.architecture)
        self.source = part.text("source")
        self.version = part.text("version")
        self.stage = part.text("stage")
        self.pending_since = part.time("pending_since")
        self.installed_at = part.optional_time("installed_at")
        self.active_at = part.optional_time("active_at")
        self.waits_for = part.optional_text("waits_for")
        """One of `agent.core.exposure.WaitsFor`; None: nothing, or not known."""
        self.units = part.texts("units")


def fix_views(document: JsonReader | None) -> list[FixView]:
    """Return the fixes of `maestro.exposure/1`; none without a document.

    Raises:
        RecordError: it is malformed.
    """
    return [FixView(part) for part in document.children("fixes")] if document is not None else []


class ExposureView:
    """How many fixes are at each step, and the oldest of each."""

    def __init__(self, pending: int | None, installed: int | None, fixes: list[FixView]) -> None:
        self.pending = pending
        """None: unknown, because there are no current package lists."""
        self.installed = installed
        """None: unknown, because the machine has booted since."""
        self.fixes = fixes
        """The oldest ones of both steps, oldest first."""

    @classmethod
    def of(cls, part: JsonReader | None) -> "ExposureView | None":
        """Return the view of a part; None for null, as in documents of earlier versions."""
        if part is None:
            return None
        fixes = [FixView(fix) for fix in part.children("fixes")]
        return cls(int(part.number("pending")), int(part.number("installed")), fixes)

    def after_boot(self) -> "ExposureView":
        """Return what is known once the machine has booted: services and kernels run other files than before."""
        return ExposureView(self.pending, None, [fix for fix in self.fixes if fix.stage == "pending"])

    def without_lists(self) -> "ExposureView":
        """Return what is known without current package lists: that no fix is pending does not show in stale ones."""
        return ExposureView(self.pending or None, self.installed, self.fixes)

    @property
    def document(self) -> Document:
        """Return the `exposure` of the status."""
        oldest = self.fixes[0].raw["pending_since"] if self.fixes else None
        return {
            "pending": self.pending,
            "installed": self.installed,
            "oldest_since": oldest,
            "fixes": [fix.raw for fix in self.fixes],
        }
