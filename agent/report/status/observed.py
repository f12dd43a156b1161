"""What `status` is built from: the parts of the record and of this boot, each a view or `Damaged`. Light."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from agent.core.exporters import ExporterName
from agent.core.kernel_release import KernelComparison
from agent.core.schemas import Document
from agent.host.unit_file import UnitState
from agent.report.status.exporters import ExporterView
from agent.state.daily_job_view import DailyJobView
from agent.state.job_views import JOB_NAMES, JobView
from agent.state.json_reader import JsonReader
from agent.state.lazy_module import lazy_module
from agent.state.timestamps import format_utc
from agent.state.views import RebootView, RunView, StateView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.state import (
        engine_outcome_view,
        fleet_lock_view,
        provision_view,
        reboot_outcome_view,
        reboot_view,
        requests_view,
        run_views,
        snooze_view,
    )
else:
    engine_outcome_view = lazy_module("agent.state.engine_outcome_view")
    fleet_lock_view = lazy_module("agent.state.fleet_lock_view")
    provision_view = lazy_module("agent.state.provision_view")
    reboot_outcome_view = lazy_module("agent.state.reboot_outcome_view")
    reboot_view = lazy_module("agent.state.reboot_view")
    requests_view = lazy_module("agent.state.requests_view")
    run_views = lazy_module("agent.state.run_views")
    snooze_view = lazy_module("agent.state.snooze_view")

_MAX_SILENCE_S = 120.0
"""After the time at which the daemon was to look again, and to update its status file (`agent.daemon.service`)."""


class Damaged:
    """A part that exists and could not be read."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


class CurrentBoot:
    """The current boot and its kernel; None if they could not be read."""

    def __init__(
        self,
        boot_id: str | None = None,
        release: str | None = None,
        kernel: KernelComparison | None = None,
        *,
        in_container: bool = False,
    ) -> None:
        self.boot_id = boot_id
        self.kernel = kernel or KernelComparison(release, None, ())
        self.in_container = in_container
        """Whether the kernel is the host's."""


class RunningJob:
    """The job that is running."""

    def __init__(self, pid: int, job: tuple[str, datetime] | None, progress: str = "") -> None:
        self.pid = pid
        self.progress = progress
        """What it reported last, such as whom it waits for; empty if unknown."""
        self.job = job
        """Its kind and its start; None if they are not on record."""

    @property
    def document(self) -> Document:
        """Return the `running` of the status."""
        name, since = self.job or (None, None)
        return {
            "pid": self.pid,
            "job": name,
            "since": format_utc(since) if since else None,
            "progress": self.progress or None,
        }

    def is_run(self, run: run_views.AnyRunView) -> bool:
        """Return whether the last run on record is the one in progress: that of the running job."""
        return self.job is None or (self.job[0] == run.job and run.started_at >= self.job[1])


class DaemonView:
    """The daemon that should run on this machine."""

    def __init__(self, pid: int | None, status: JsonReader | None, monotonic_s: float = 0.0) -> None:
        """Take its pid and its status file (`agent.state.daemon_status`); None for both if it is dead.

        `monotonic_s`: the time of this boot's monotonic clock at which the file was read.

        Raises:
            RecordError: the file is malformed.
        """
        self.pid = pid
        names = ("version", "started_at", "seen_at", "doing")
        self.fields = {name: status.optional_text(name) if status else None for name in names}
        self.seen_at = status.time("seen_at") if status else None
        self.next_look_at = (status.optional_time("next_look_at") if status else None) or self.seen_at
        """Older daemons looked every 30 s, and did not say it."""
        name = "next_look_monotonic_s"
        self._late_s = monotonic_s - status.number(name) if status and name in status.raw else None
        """How long ago it was to look again, awake and by no clock that is set; None: an older daemon does not say."""
        self.problems = status.texts("problems") if status else []
        """What a person has to fix."""
        self.upgrades = status.optional_boolean("upgrades") if status else None
        """`agent.upgrade` of the configuration that it uses; None: an older daemon does not say."""
        runs = status.child("next") if status else None
        self.next_runs = {name: runs.optional_text(name) if runs else None for name in JOB_NAMES}
        self.reboot_at = runs.optional_time("reboot") if runs else None
        """When it has the machine rebooted, by a schedule or in a window; None: it does not."""

    @property
    def document(self) -> Document:
        """Return the `daemon` of the status."""
        return {"alive": self.pid is not None, "pid": self.pid, **self.fields, "problems": self.problems}

    def silent_since(self, now: datetime) -> datetime | None:
        """Return the last update of its status file if that is too long ago, else None."""
        if self.next_look_at is None:
            return None
        late_s = self._late_s if self._late_s is not None else (now - self.next_look_at).total_seconds()
        return self.seen_at if late_s > _MAX_SILENCE_S else None


class RebootDocuments:
    """What the record has of reboots; None for a document that does not exist or is damaged."""

    def __init__(self) -> None:
        self.last: reboot_outcome_view.RebootOutcomeView | None = None
        self.schedule: reboot_view.RebootScheduleView | None = None
        self.course: reboot_view.RebootCourseView | None = None
        """What is under way, or waits."""
        self.lock: fleet_lock_view.FleetLockView | None = None
        self.damaged: list[str] = []


class Observed:
    """All parts; None for a part that does not exist."""

    def __init__(
        self,
        *,
        host: str = "",
        os: str | None = None,
        changed: Sequence[str] = (),
        boot: CurrentBoot | None = None,
        reboot: RebootView | Damaged | None = None,
        state: StateView | Damaged | None = None,
        last_run: RunView | Damaged | None = None,
        jobs: Mapping[str, JobView] | Damaged | None = None,
        running: RunningJob | None = None,
        daemon: DaemonView | Damaged | None = None,
        unit: UnitState | None = None,
        masked_worker: str = "",
        exporters: Mapping[ExporterName, ExporterView | Damaged] | None = None,
        engine_runs: Mapping[str, engine_outcome_view.EngineOutcomeView | Damaged] | None = None,
        reboots: RebootDocuments | None = None,
        snoozes: list[snooze_view.SnoozeView] | Damaged | None = None,
        provision: provision_view.ProvisionView | Damaged | None = None,
        daily_job: DailyJobView | Damaged | None = None,
        requests: Sequence[requests_view.RequestView] | Damaged | None = None,
    ) -> None:
        """Take the parts; `reboot` None means that none is required, `unit` None that systemd is not init."""
        self.host, self.os, self.changed = host, os, list(changed)
        self.boot = boot or CurrentBoot()
        self.reboot = reboot or RebootView((), None, required=False)
        self.state = state
        self.last_run = last_run
        self.jobs = jobs
        self.running = running
        self.daemon = daemon
        self.unit, self.masked_worker = unit, masked_worker
        self.exporters = exporters or {}
        self.engine_runs = engine_runs or {}
        self.reboots, self.provision = reboots or RebootDocuments(), provision
        self.snoozes = snoozes or []
        """All on record; a damaged document makes nothing unknown: nothing is snoozed then."""
        self.daily_job = daily_job
        self.requests = requests

    @property
    def damaged(self) -> list[str]:
        """Return why parts of the record could not be read, in a fixed order."""
        parts = (
            self.state,
            self.last_run,
            self.jobs,
            self.daemon,
            *self.exporters.values(),
            *self.engine_runs.values(),
            self.daily_job,
        )
        return [*(part.reason for part in parts if isinstance(part, Damaged)), *self.reboots.damaged]
