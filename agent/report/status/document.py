"""Builds the status from what was observed, and encodes it as `maestro.status/1`. Pure and light."""

from datetime import datetime

from agent.core.exporters import ExporterName
from agent.core.schemas import STATUS_SCHEMA, Document
from agent.report.daily_job_text import daily_job_reasons
from agent.report.status.automatic import Automatic
from agent.report.status.engines import Engines
from agent.report.status.exporters import ExporterView, exporter_reasons, exporters_section
from agent.report.status.health import Health
from agent.report.status.lists import attention_reasons
from agent.report.status.observed import Damaged, Observed
from agent.report.status.reasons import (
    daemon_reasons,
    job_reasons,
    plan_reasons,
    problem_reasons,
    record_reasons,
    run_reasons,
)
from agent.report.status.reboots import Reboots
from agent.report.status.release_support import ReleaseStatus
from agent.report.status.runtime import Runtime
from agent.report.status.section import Section
from agent.report.status.waiting import Waiting
from agent.state.job_views import JOB_NAMES
from agent.state.lazy_module import lazy_module
from agent.state.timestamps import format_utc
from agent.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.report.status import fleet_lock, provisioning, requests
else:
    fleet_lock = lazy_module("agent.report.status.fleet_lock")
    provisioning = lazy_module("agent.report.status.provisioning")
    requests = lazy_module("agent.report.status.requests")


class Status:
    """The machine's status at one moment; parts that are damaged or do not exist are None or empty."""

    def __init__(self, observed: Observed, now: datetime) -> None:
        self.now = now
        self.host = observed.host
        self.version = VERSION
        self.os = observed.os
        self.changed = observed.changed
        """What was changed since the last check (`agent.host.changes`)."""
        self.state = None if isinstance(observed.state, Damaged) else observed.state
        self.last_run = None if isinstance(observed.last_run, Damaged) else observed.last_run
        self.jobs = {} if isinstance(observed.jobs, Damaged) or observed.jobs is None else observed.jobs
        self.running = observed.running
        self.daemon = None if isinstance(observed.daemon, Damaged) else observed.daemon
        self.exporters: dict[ExporterName, ExporterView] = {
            name: view for name, view in observed.exporters.items() if not isinstance(view, Damaged)
        }
        self.reboot = None if isinstance(observed.reboot, Damaged) else observed.reboot
        """None if it could not be read."""
        self.runtime = Runtime(self.state, observed.boot)
        runs = {name: one for name, one in observed.engine_runs.items() if not isinstance(one, Damaged)}
        self.engines = Engines(self.state, runs, self.running)
        self.release = ReleaseStatus(self.state.release if self.state else None, now)
        lock, provision, asked = observed.reboots.lock, observed.provision, observed.requests
        restart_since = provision.restart_since(now) if provision and not isinstance(provision, Damaged) else None
        self.reboots = Reboots(observed.reboots, now, self.daemon.reboot_at if self.daemon else None, restart_since)
        self.fleet_lock: Section = fleet_lock.LockStatus(lock, now) if lock else Section()
        self.provisioning: Section = provisioning.Provisioning(provision, now) if provision else Section()
        self.requests: Section = requests.Requests(asked, now) if asked is not None else Section()
        self.daily_job = None if isinstance(observed.daily_job, Damaged) else observed.daily_job
        patcher = self.daily_job.patcher if self.daily_job is not None else None
        self.waiting = Waiting(observed.snoozes, self.state, now, patcher)
        self.automatic = Automatic(observed.daemon, observed.unit, observed.masked_worker, patcher=patcher)
        self.unknown = [*record_reasons(observed, self.state, now), *self._reboot_unknown(observed)]
        self.unknown += daemon_reasons(self.daemon, now)
        self.attention = self._attention()

    @property
    def health(self) -> Health:
        """Unknown outranks attention."""
        return Health.UNKNOWN if self.unknown else Health.ATTENTION if self.attention else Health.HEALTHY

    @property
    def run_in_progress(self) -> bool:
        """Whether the last run is the one that the running job carries out."""
        return self.running is not None and self.last_run is not None and self.running.is_run(self.last_run)

    def _reboot_unknown(self, observed: Observed) -> list[str]:
        return [observed.reboot.reason] if isinstance(observed.reboot, Damaged) else []

    def _attention(self) -> list[str]:
        return [
            *(plan_reasons(self.state.plan, self.running) if self.state else []),
            *(attention_reasons(self.state, self.now) if self.state else []),
            *self.release.reasons,
            *self.waiting.reasons,
            *self.provisioning.reasons,
            *run_reasons(self.last_run, self.running),
            *problem_reasons(self.last_run, self.running),
            *(["a reboot is required"] if self.reboot and self.reboot.required else []),
            *self.runtime.reasons,
            *self.engines.reasons,
            *self.reboots.reasons,
            *self.fleet_lock.reasons,
            *self.requests.reasons,
            *self.automatic.reasons,
            *daily_job_reasons(self.daily_job),
            *(self.daemon.problems if self.daemon else []),
            *job_reasons(self.jobs),
            *exporter_reasons(self.exporters, self.now),
        ]


def build_status(observed: Observed, now: datetime) -> Status:
    """Derive health and reasons; `now` is the only clock."""
    return Status(observed, now)


def status_document(status: Status) -> Document:
    """Return `maestro.status/1`."""
    state, run, running = status.state, status.last_run, status.running
    return {
        "schema": STATUS_SCHEMA,
        "generated_at": format_utc(status.now),
        "health": status.health.value,
        "reasons": [*status.unknown, *status.attention],
        "agent": {"version": status.version},
        "os": status.os,
        "release": status.release.document,
        "looked_at": format_utc(state.generated_at) if state else None,
        "changed_since_check": status.changed,
        "fresh_until": format_utc(state.fresh_until) if state else None,
        "plan": state.plan.raw if state else None,
        **status.waiting.document,
        **status.runtime.document,
        "last_run": run.raw if run else None,
        "running": {**running.document, "last_run": status.run_in_progress} if running else None,
        "reboot": status.reboot.document if status.reboot else None,
        "reboots": status.reboots.document,
        "provision": status.provisioning.document,
        "fleet_lock": status.fleet_lock.document,
        "requests": status.requests.document,
        **status.engines.document,
        "reporting": exporters_section(status.exporters),
        "daemon": status.daemon.document if status.daemon else None,
        "automatic": status.automatic.document,
        "unattended_upgrades": status.daily_job.raw if status.daily_job else None,
        "jobs": {name: _job(status, name) for name in JOB_NAMES},
    }


def _job(status: Status, name: str) -> Document:
    job = status.jobs.get(name)
    return {
        "last_started_at": job.started_at if job else None,
        "last_finished_at": job.finished_at if job else None,
        "last_exit_code": job.exit_code if job else None,
        "consecutive_failures": job.failures if job else 0,
        "next_at": status.daemon.next_runs[name] if status.daemon else None,
    }
