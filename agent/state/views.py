"""Read-only views of the agent's documents for `status` and reports. Light: no dataclasses, no core.

Each view reads its fields once, when it is made, so that rendering cannot fail; each key is spelled here alone.
Constructors raise RecordError if a field is missing or has the wrong type. Fields that earlier versions did not
write are optional. The encoders are in `agent.state.documents`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from agent.core.package_label import label_of, package_label
from agent.core.schemas import Document
from agent.state.exposure_view import ExposureView
from agent.state.json_reader import JsonReader
from agent.state.lazy_module import lazy_module
from agent.state.lists_view import ListsView
from agent.state.overridden_view import overridden_views
from agent.state.release_view import ReleaseView
from agent.state.restart_view import failed_restarts, needed_restarts
from agent.state.soak_view import SoakView
from agent.state.timestamps import format_utc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.state import engine_view
else:
    engine_view = lazy_module("agent.state.engine_view")


class PartView:
    """An element of a list."""

    def __init__(self, part: JsonReader) -> None:
        self.raw = part.raw


class PackageView(PartView):
    """A package in any list of a document."""

    def __init__(self, part: JsonReader) -> None:
        super().__init__(part)
        self.package = part.text("package")
        self.architecture = part.text("architecture")
        self.label = package_label(self.package, self.architecture)
        """The name for people."""


class UpdateView(PackageView):
    """A version change, with what its changelog says it fixes."""

    def __init__(self, part: JsonReader, installed: str = "installed", candidate: str = "candidate") -> None:
        """Read the two versions under the given keys: outcomes call them `from` and `to`."""
        super().__init__(part)
        self.installed = part.optional_text(installed)
        """None for a new package."""
        self.candidate = part.text(candidate)
        self.source = part.optional_text("source") or self.package
        """Source package; the package itself in documents of earlier versions."""
        self.replaces = part.optional_texts("replaces") or []
        """Installed packages that it takes the place of, as `name:architecture`."""
        self.cves = part.optional_texts("cves")
        """None if no changelog was read."""
        self.cves_complete = part.boolean("cves_complete") if self.cves else part.raw.get("cves_complete") is True


class StepView(UpdateView):
    """An element of `install` or `hidden_security`."""

    def __init__(self, part: JsonReader) -> None:
        super().__init__(part)
        self.origin = part.text("origin")
        self.archive = part.text("archive")


class HeldView(UpdateView):
    """An element of `held`."""

    def __init__(self, part: JsonReader) -> None:
        super().__init__(part)
        self.why = part.text("why")
        self.detail = part.text("detail")


class RemovalView(PackageView):
    """An element of `remove`, `kept`, `superseded` or `unused`."""

    def __init__(self, part: JsonReader) -> None:
        super().__init__(part)
        self.installed = part.text("installed")
        self.reason = part.optional_text("reason") or ""


class RepairView(PartView):
    """An element of `repair` or `repaired`."""

    def __init__(self, part: JsonReader) -> None:
        super().__init__(part)
        self.package = part.text("package")
        self.label = package_label(self.package, part.text("architecture"))
        self.state = part.text("state")


class FailureView(PartView):
    """An element of `failed`."""

    def __init__(self, part: JsonReader) -> None:
        super().__init__(part)
        self.package = part.text("package")
        """As `name:architecture`."""
        self.label = label_of(self.package)
        self.stage = part.text("stage")
        self.error = part.text("error")


class RebootView:
    """The `reboot` of any document; None stands for one that could not be read."""

    def __init__(
        self, packages: Sequence[str], since: datetime | None, *, required: bool, removed: Sequence[str] = ()
    ) -> None:
        self.required = required
        self.removed = removed
        """Those of the packages that were removed since they asked for a reboot; documents do not hold it."""
        self.packages = packages
        self.since = since

    @classmethod
    def of(cls, part: JsonReader | None) -> RebootView | None:
        """Return the view of a part; None for null."""
        if part is None:
            return None
        return cls(part.texts("packages"), part.optional_time("since"), required=part.boolean("required"))

    def since_at_least(self, earlier: datetime | None) -> RebootView:
        """Return the same requirement with an earlier time that is on record; None: none is."""
        if not self.required or earlier is None or (self.since is not None and self.since <= earlier):
            return self
        return RebootView(self.packages, earlier, required=True, removed=self.removed)

    @property
    def document(self) -> Document:
        """Return the part."""
        since = format_utc(self.since) if self.since else None
        return {"required": self.required, "packages": list(self.packages), "since": since}


class PlanView:
    """`maestro.plan/1`."""

    def __init__(self, plan: JsonReader) -> None:
        self.raw = plan.raw
        self.id = plan.text("id")
        self.scope = plan.text("scope")
        self.requested = plan.optional_texts("requested") or []
        """The packages to which the plan is limited; empty if it is not."""
        self.seen_at = plan.text("seen_at")
        self.lists = ListsView(plan.child("lists"))
        self.none: int | None = 0 if self.lists.state != "never" else None
        """How many updates there are if none was found; None: unknown, as without package lists nobody could know."""
        self.install = [StepView(part) for part in plan.children("install")]
        self.held = [HeldView(part) for part in plan.children("held")]
        self.remove = [RemovalView(part) for part in plan.optional_children("remove")]
        self.kept = [RemovalView(part) for part in plan.optional_children("kept")]
        self.unused = [RemovalView(part) for part in plan.optional_children("unused")]
        """Packages that the plan makes unneeded, and removes."""
        self.repair = [RepairView(part) for part in plan.children("repair")]
        self.other_updates = int(plan.number("other_updates"))
        self.other_held = int(plan.number("other_held")) if "other_held" in plan.raw else 0
        """How many of them `upgrade --all` would hold back; not known in documents of earlier versions."""
        self.hidden_security = [StepView(part) for part in plan.optional_children("hidden_security")]
        self.esm_only = [HeldView(part) for part in plan.optional_children("esm_only")]
        self.overridden = overridden_views(plan)
        self.reboot = RebootView.of(plan.optional_child("reboot"))


class StateView:
    """`maestro.state/1`: the last check, its plan, and what ran meanwhile."""

    def __init__(self, state: JsonReader) -> None:
        self.generated_at = state.time("generated_at")
        self.fresh_until = state.time("fresh_until")
        self.boot_id = state.optional_text("boot_id")
        services = state.optional_child("services")
        self.deleted_files = services.texts("deleted_files") if services else None
        """Units that run deleted files; None if unknown."""
        self.exposure = ExposureView.of(state.optional_child("exposure"))
        """The fixes that are not active; None if unknown."""
        self.soak = SoakView.of(state.optional_child("soak"))
        self.sessions = _sessions(services)
        """Users by login session or user manager in `deleted_files`."""
        self.needed_restarts = needed_restarts(services)
        """What helps each of `deleted_files`, by unit; units are missing of which that is not known."""
        self.failed_restarts = failed_restarts(state)
        self.services_at = state.optional_time("services_at") or self.generated_at
        """When the services were seen."""
        self.docker, self.weave = _engine(state, "docker"), _engine(state, "weave")
        """None for one that is neither installed nor wanted."""
        self.release = ReleaseView.of(state.optional_child("release"))
        """None in documents of earlier versions, or if it could not be read."""
        self.plan = PlanView(state.child("plan"))
        self.seen_at = state.child("plan").time("seen_at")

    def reboot_required_since(self, boot_id: str | None) -> datetime | None:
        """Return since when a reboot was required at the check, if that was in this boot and one was required.

        The flag is touched, and a newer kernel replaced, each time another package asks for a reboot: their own times
        say when that was last. A soft-reboot changes neither the flag nor the kernel, and keeps the boot id.
        """
        reboot = self.plan.reboot
        same_boot = boot_id is not None and self.boot_id == boot_id
        return reboot.since if reboot is not None and reboot.required and same_boot else None


def _engine(state: JsonReader, component: str) -> engine_view.EngineView | None:
    part = state.optional_child(component)
    return engine_view.EngineView(part) if part else None


def _sessions(services: JsonReader | None) -> dict[str, str]:
    """Return the users of sessions; none in documents of earlier versions."""
    parts = services.optional_children("sessions") if services else ()
    return {part.text("unit"): part.text("user") for part in parts}


class RunView:
    """What `status`, `history` and reports show of `maestro.outcome/1`."""

    job = "upgrade"
    """The job that leaves it."""

    def __init__(self, run: JsonReader) -> None:
        self.raw = run.raw
        self.id = run.text("id")
        self.scope = run.text("scope")
        self.requested = run.optional_texts("requested") or []
        """The packages to which the run was limited; empty if it was not."""
        self.result = run.text("result")
        self.message = run.optional_text("message") or ""
        self.problem = run.optional_text("problem") or ""
        """What failed of a hook or of dpkg although every package is as planned."""
        self.started_at = run.time("started_at")
        self.finished_at = run.optional_time("finished_at")
        """None if the end of the run is not on record."""
        self.upgraded_count = run.count("upgraded") + run.count("new")
        self.removed_count = run.count("removed")
        self.held_count = run.count("held")
        self.failed = [FailureView(part) for part in run.children("failed")]
        self.requested_by = run.optional_text("requested_by") or ""
        """`schedule`, or a user's name; empty in documents of earlier versions."""
        ended = self.finished_at is not None and run.raw.get("duration_s") is not None
        measured_s = run.number("duration_s") if ended else -1.0
        self.duration_s = measured_s if measured_s >= 0 else None
        """None: unknown, as if the clock was set back; documents of earlier versions then have a negative number."""
