"""The daemon: knows when a job is due and requests it from the worker. Unprivileged; does no work itself.

Level-triggered: twice a minute it reads the record and the clock and decides from them alone. A job that a killed
daemon had requested is found running, ended or interrupted, and is never started twice; a clock that jumps, a month
without power and a changed configuration need no special case.
"""

import signal
import time
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from agent.config.accepted import AcceptedConfig, FilesState, FilesWatch, load_in_use
from agent.config.load import load
from agent.config.windows import upgrade_window
from agent.core.clock import jumped
from agent.core.job_kinds import JobKind
from agent.core.model.facts import Unseen
from agent.core.policy.policy import Policy
from agent.core.schedule.engine_windows import after_boot
from agent.core.schedule.jobs import ScheduleContext, first_due, next_runs
from agent.core.schedule.slots import stable_fraction
from agent.daemon.export_supervisor import ExportSupervisor
from agent.daemon.job_dispatcher import STALL_TIMEOUT_S, JobDispatcher, JobsOverview
from agent.daemon.scheduler import Scheduler
from agent.errors import AgentError
from agent.host import log
from agent.host.boot_time import booted_at
from agent.host.changes import daily_job_changed_at, packages_changed_at
from agent.host.machine.boot_id import boot_id
from agent.host.machine.cloud_init import is_cloud_init_running
from agent.host.machine.identity import local_zone, machine_id
from agent.host.machine.os_release import read_distro
from agent.host.process.spawn import replace_self
from agent.host.reboot.need import read_reboot_need
from agent.host.reboot.processes import runs_replaced_files
from agent.host.sd_notify import notify, watchdog_s
from agent.host.soft_reboots import soft_rebooted_at
from agent.state.caching_store import CachingStore
from agent.state.daemon_status import DaemonStatusFile
from agent.state.engine_interrupted import engine_interrupted
from agent.state.job_lock import worker_pid
from agent.state.job_status import describe_running
from agent.state.timestamps import format_human, utc_now
from agent.version import VERSION
from agent.worker.daily_turn import stands_aside
from agent.worker.provision_runs import provision_run
from agent.worker.reboot_runs import reboot_runs
from agent.worker.request_runs import RequestsWatch
from agent.worker.window_jobs import window_runs

_TICK_S = 30.0
"""A change on the machine, such as the reboot flag, is detected within this time."""
_WATCHDOG_S = 60.0
"""WatchdogSec= of the unit, for a start without systemd."""
_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class Daemon:
    """The daemon of this machine."""

    def __init__(self, config: Path | None, state_dir: str, run_dir: str, *, accepted: bool = False) -> None:
        """Read the configuration; `accepted`: the accepted one, as systemd starts the daemon (`agent.config.accepted`).

        Raises:
            ConfigError: it is wrong.
            HostError: the distribution is unknown.
        """
        self._config = config
        self._store = CachingStore(state_dir)
        self._use_accepted = accepted
        self._accepted: AcceptedConfig | None = None
        self._files = FilesWatch()
        self._requests = RequestsWatch(self._store)
        self._config_problem = ""
        self._policy = self._load_policy()
        self._machine = machine_id()
        self._status_file = DaemonStatusFile(run_dir, utc_now())
        self._started_s = self._ticked_s = time.monotonic()
        self._clock_offset_s = _clock_offset_s()
        self._soft_rebooted_at = soft_rebooted_at()  # which starts the daemon again
        self._scheduler = Scheduler()
        self._dispatcher = JobDispatcher(self._store)
        self._supervisor = ExportSupervisor(
            config, self._store, run_dir, accepted=accepted, wake=self._scheduler.run_now
        )
        self._reload_requested = False
        self._should_restart = False
        self._status = ""
        self._reboot_required = False
        self._started_current = not runs_replaced_files()
        """Otherwise a restart changes nothing."""

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises:
            BusyError: another daemon runs. HostError: the run directory cannot be written.
        """
        self._status_file.acquire()
        # Blocked here and in every later thread, and received below: no handler interrupts anything.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        log.event(log.LogEvent.DAEMON_STARTED, version=VERSION, upgrade=self._policy.agent.upgrade)
        notify("READY=1")
        self._scheduler.every(_TICK_S, self._tick)
        self._scheduler.start()
        self._wait_for_stop()
        if self._should_restart:
            self._restart()
        notify("STOPPING=1", "STATUS=stopping; a running job continues by itself")
        log.event(log.LogEvent.DAEMON_STOPPED, job=self._dispatcher.job.value if self._dispatcher.job else None)
        self._scheduler.stop()
        self._status_file.release()

    def _wait_for_stop(self) -> None:
        """Block until SIGTERM or SIGINT. Meanwhile handle SIGHUP (reload) and send watchdog keep-alives to systemd."""
        period_s = (watchdog_s() or _WATCHDOG_S) / 3
        while True:
            received = signal.sigtimedwait(_SIGNALS, period_s)
            if received is not None and received.si_signo != signal.SIGHUP:
                self._should_restart = False
                return
            if self._should_restart:
                return
            clock_jumped = self._clock_jumped()
            if clock_jumped:
                log.event(log.LogEvent.CLOCK_JUMPED, now=format_human(utc_now()))
            self._reload_requested = self._reload_requested or received is not None
            if received is not None or clock_jumped:  # the scheduler would wait for a time of the old clock
                self._scheduler.run_now()
            if time.monotonic() - self._ticked_s < STALL_TIMEOUT_S and not self._dispatcher.stalled:
                notify("WATCHDOG=1")

    def _restart(self) -> None:
        """Execute the daemon again: an update replaced files that it runs, such as a library or Python."""
        log.event(log.LogEvent.DAEMON_OUTDATED)
        self._scheduler.stop()
        self._status_file.release()
        with suppress(OSError):  # then it stops, and systemd starts it
            replace_self()

    def _clock_jumped(self) -> bool:
        """Return whether the wall clock was stepped since the last call."""
        before_s, self._clock_offset_s = self._clock_offset_s, _clock_offset_s()
        return jumped(before_s, self._clock_offset_s)

    def _tick(self) -> None:
        """Run one tick. Exceptions are logged; if ticks keep failing, the systemd watchdog restarts the daemon."""
        try:
            self._run_tick()
            self._ticked_s = time.monotonic()
        except Exception:  # noqa: BLE001 - the daemon's loop
            log.exception(log.LogEvent.DAEMON_BUG)

    def _run_tick(self) -> None:
        if self._reload_requested:
            self._reload_requested = False
            self._reload()
        now = utc_now()
        self._check_reboot_need()
        jobs = self._dispatcher.load_status()
        context = self._schedule_context(now, jobs.known_since)
        due = next_runs(self._policy.agent, jobs.attempts, context, now)
        share = stable_fraction(self._machine, "retry")
        windows = window_runs(self._policy, self._store, jobs.attempts, now, context.zone)
        due |= {job: after_boot(at, up_since=context.up_since, share=share) for job, at in windows.items()}
        due |= self._reboot_runs(jobs, context, share, now)
        request_at = self._requests.next_at(self._policy, jobs.attempts[JobKind.RUN_REQUEST], now, context.zone)
        due |= {JobKind.RUN_REQUEST: request_at} if request_at is not None else {}
        provision = provision_run(self._policy.provision, self._store, jobs.attempts.get(JobKind.PROVISION), now)
        due |= {JobKind.PROVISION: provision} if provision is not None else {}
        first = first_due(due, now)
        delayed = ""
        if due[first] <= now and self._dispatcher.job is None:
            delayed = self._reason_to_delay()
            if not delayed:
                self._dispatcher.start(first)
                self._scheduler.once(self._dispatcher.run)
        self._publish(due, now, delayed, self._problems(jobs, now))
        up_since = now - timedelta(seconds=time.monotonic() - self._started_s)
        self._supervisor.tick(self._policy, self._machine, now, up_since)
        busy = self._dispatcher.job is not None or not self._supervisor.idle
        self._should_restart = self._started_current and not busy and not self._is_working() and runs_replaced_files()

    def _reboot_runs(
        self, jobs: JobsOverview, context: ScheduleContext, share: float, now: datetime
    ) -> dict[JobKind, datetime]:
        """Return when the machine is rebooted and when a reboot is verified; no reboot while the machine is booting."""
        found = reboot_runs(self._policy, self._store, jobs.attempts, boot_id=boot_id(), now=now, local=context.zone)
        reboot_at = found.get(JobKind.REBOOT)
        if reboot_at is not None:
            found[JobKind.REBOOT] = after_boot(reboot_at, up_since=context.up_since, share=share)
        return found

    def _is_working(self) -> bool:
        """Return whether any job is running; files may still be replaced until it ends."""
        return worker_pid(self._store.directory) is not None

    def _reason_to_delay(self) -> str:
        """Return why a job that is due does not start now; empty if it does."""
        if self._is_working():
            return describe_running(self._store)
        return "waiting for cloud-init to end" if is_cloud_init_running() else ""

    def _reload(self) -> None:
        notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            self._policy = self._load_policy()
            log.event(log.LogEvent.CONFIG_RELOADED)
        except AgentError as error:
            errors = "; ".join(str(error).splitlines())
            self._config_problem = f"the new configuration is invalid, the old one stays: {errors}"
            log.event(log.LogEvent.CONFIG_REJECTED, error=str(error))
        notify("READY=1")

    def _load_policy(self) -> Policy:
        if not self._use_accepted:
            policy, self._config_problem = load(self._config, read_distro())[0], ""
            return policy
        in_use = load_in_use(self._store.directory, read_distro())
        self._accepted = in_use.accepted
        self._config_problem = f"patterns in use have no effect: {in_use.problem}" if in_use.problem else ""
        return in_use.policy

    def _config_problems(self) -> list[str]:
        """Return what is wrong with the configuration files, or that they are not in use yet."""
        own = [self._config_problem] if self._config_problem else []
        if self._accepted is None:
            return own
        difference, error = self._files.compare(self._accepted, read_distro())
        since = f"the one accepted {format_human(self._accepted.accepted_at)}"
        errors = "; ".join(error.splitlines())  # one for each mistake
        problems = {
            FilesState.INVALID: f"the configuration is invalid, {since} stays in use: {errors}",
            FilesState.CHANGED: f"the configuration has changed, {since} is in use: `systemctl reload maestro-agent`",
        }
        return [problems[difference]] if difference in problems else own

    def _schedule_context(self, now: datetime, known_since: datetime | None) -> ScheduleContext:
        up = timedelta(seconds=time.monotonic() - self._started_s)
        return ScheduleContext(
            machine=self._machine,
            zone=local_zone(),
            up_since=now - up,
            known_since=known_since,
            booted_at=max(filter(None, (booted_at(), self._soft_rebooted_at))),
            packages_changed_at=max(filter(None, (packages_changed_at(), daily_job_changed_at())), default=None),
            engine_interrupted=engine_interrupted(self._store),
            stands_aside=stands_aside(self._policy, self._store),
            upgrade_window=upgrade_window(self._policy.agent),
        )

    def _problems(self, jobs: JobsOverview, now: datetime) -> list[str]:
        """Return what needs a person, because it does not resolve by itself."""
        window = upgrade_window(self._policy.agent)
        problems = [*self._config_problems(), *([window.reason] if isinstance(window, Unseen) else [])]
        problems += self._dispatcher.problems(jobs)
        limits = self._policy.apt.run_timeout + self._policy.apt.package_timeout
        if jobs.running is not None and now - jobs.running[1] > limits:
            name, since = jobs.running
            problems.append(
                f"the {name} started {format_human(since)} runs for longer than apt.run_timeout and "
                "apt.package_timeout allow: `systemctl status 'maestro-agent-worker@*'`"
            )
        return problems

    def _check_reboot_need(self) -> None:
        try:
            reboot = read_reboot_need().view
        except OSError:  # `status` reports it
            return
        if reboot.required is not self._reboot_required:
            self._reboot_required = reboot.required
            name = log.LogEvent.REBOOT_REQUIRED if reboot.required else log.LogEvent.REBOOT_CLEARED
            log.event(name, packages=list(reboot.packages))

    def _publish(self, due: dict[JobKind, datetime], now: datetime, delayed: str, problems: list[str]) -> None:
        """Write the status file and, if it changed, send systemd the status line."""
        job = self._dispatcher.job
        if job is not None:
            doing = f"{job.value}: {self._dispatcher.progress}"
        else:
            order = sorted(due, key=lambda job: due[job])
            doing = delayed or ", ".join(f"next {job.value} {format_human(max(due[job], now))}" for job in order)
        status = "; ".join([doing, *problems, *(["a reboot is required"] if self._reboot_required else [])])
        self._status_file.publish(now, {job.value: at for job, at in due.items()}, doing, problems)
        if status != self._status:
            self._status = status
            notify(f"STATUS={status}")


def _clock_offset_s() -> float:
    """Return wall clock minus monotonic clock: it changes only if the wall clock is set."""
    return time.time() - time.monotonic()
