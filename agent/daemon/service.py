"""The daemon: knows when a job is due and requests it from the worker. Unprivileged; does no work itself.

It sleeps until something is due by the clock (`agent.core.schedule.wake`), or the kernel reports a change of what it
goes by (`agent.daemon.surroundings`). The main thread waits for signals and watches the others; looks are taken in the
scheduler's thread (`agent.daemon.look`), a job is followed in another one.
"""

import os
import signal
import time
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from agent.config.accepted import AcceptedConfig, FilesState, FilesWatch, load_in_use
from agent.config.load import load
from agent.config.windows import upgrade_window
from agent.core.clock import jumped
from agent.core.model.facts import Unseen
from agent.core.policy.policy import Policy
from agent.daemon.agenda import Agenda
from agent.daemon.export_supervisor import ExportSupervisor
from agent.daemon.in_daemon import Attempt, run_beside
from agent.daemon.job_dispatcher import STALL_TIMEOUT_S, JobDispatcher, JobsOverview
from agent.daemon.look import Found, Look
from agent.daemon.scheduler import Scheduler
from agent.daemon.surroundings import Surroundings
from agent.errors import AgentError
from agent.host import log
from agent.host.changes import packages_changed_at
from agent.host.dpkg.at_work import may_be_at_work
from agent.host.machine.identity import machine_id
from agent.host.machine.os_release import read_distro
from agent.host.process.next_signal import next_signal
from agent.host.process.spawn import replace_self
from agent.host.reboot.need import read_reboot_need
from agent.host.reboot.processes import runs_replaced_files
from agent.host.sd_notify import notify, watchdog_s
from agent.state.caching_store import CachingStore
from agent.state.daemon_status import DaemonStatusFile
from agent.state.timestamps import format_human, utc_now
from agent.version import VERSION

_WATCHDOG_S = 180.0
"""WatchdogSec= of the unit, for a start without systemd."""
_RETRY = timedelta(seconds=30)
"""From a look that failed to the next one."""
_COALESCE_S = 1.0
"""From a change of the machine to the look: what belongs together, such as a flag and its packages, is seen at once."""
_DEAF_S = 5.0
"""Changes within this time after one wake the daemon once: a directory may change all the time."""
_STOP = (signal.SIGINT, signal.SIGTERM)
_SIGNALS = (*_STOP, signal.SIGHUP, signal.SIGCHLD, signal.SIGIO)


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
        self._config_problem = ""
        self._policy = self._load_policy()
        self._machine = machine_id()
        self._status_file = DaemonStatusFile(run_dir, utc_now())
        self._started_s = time.monotonic()
        self._alive_until_s = self._started_s + STALL_TIMEOUT_S
        """Unless a look succeeds before."""
        self._deaf_until_s = self._started_s
        self._clock_offset_s = _clock_offset_s()
        self._scheduler = Scheduler(self._tick, self._begin_attempts)
        self._surroundings = Surroundings(self._store.directory, config, self._policy)
        self._dispatcher = JobDispatcher(self._store)
        self._attempts: list[Attempt] = []  # of the looks since the scheduler's thread has slept
        self._supervisor = self._make_supervisor(run_dir)
        self._look = Look(
            self._store,
            self._machine,
            agenda=Agenda(self._store, self._machine),
            dispatcher=self._dispatcher,
            supervisor=self._supervisor,
            run=lambda: self._scheduler.once(self._run_job),
        )
        self._reload_requested = False
        self._should_restart = False
        self._status = ""
        self._reboot_required = False
        self._useless_since = packages_changed_at() if runs_replaced_files() else None
        """A restart changes nothing as long as the packages last changed then; None: it may."""

    def _make_supervisor(self, run_dir: str) -> ExportSupervisor:
        wake, begin, accepted = self._scheduler.run_now, self._attempts.append, self._use_accepted
        return ExportSupervisor(self._config, self._store, run_dir, accepted=accepted, wake=wake, begin=begin)

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises:
            BusyError: another daemon runs. HostError: the run directory cannot be written.
        """
        self._status_file.acquire()
        # Blocked here and in every later thread, and received below: no handler interrupts anything.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        signal.signal(signal.SIGIO, signal.SIG_IGN)  # would end a process in which a library's thread does not block it
        log.event(log.LogEvent.DAEMON_STARTED, version=VERSION, upgrade=self._policy.agent.upgrade)
        notify("READY=1")
        self._scheduler.start()
        self._wait_for_stop()
        if self._should_restart:
            self._restart()
        notify("STOPPING=1", "STATUS=stopping; a running job continues by itself")
        log.event(log.LogEvent.DAEMON_STOPPED, job=self._dispatcher.job.value if self._dispatcher.job else None)
        self._scheduler.stop()
        self._status_file.release()

    def _wait_for_stop(self) -> None:
        """Block until SIGTERM or SIGINT. Meanwhile receive the other signals, and send watchdog keep-alives to systemd.

        SIGHUP: reload. SIGCHLD: an exporter has ended, or a look wants to restart the daemon. SIGIO: something changed.
        """
        period_s = (watchdog_s() or _WATCHDOG_S) / 2  # sd_watchdog_enabled(3)
        while True:
            received = self._receive(period_s)
            if received in _STOP:
                self._should_restart = False
                return
            if self._should_restart:
                return
            clock_jumped = self._clock_jumped()
            if clock_jumped:
                log.event(log.LogEvent.CLOCK_JUMPED, now=format_human(utc_now()))
            self._reload_requested = self._reload_requested or received == signal.SIGHUP
            if received == signal.SIGIO and self._surroundings.changed():
                self._scheduler.run_within(_COALESCE_S)
            overdue = received is None and self._supervisor.overdue
            # After a jump it would wait for a time of the old clock.
            if received in {signal.SIGHUP, signal.SIGCHLD} or clock_jumped or overdue:
                self._scheduler.run_now()
            if time.monotonic() < self._alive_until_s and not self._dispatcher.stalled:
                notify("WATCHDOG=1")

    def _receive(self, period_s: float) -> int | None:
        """Return the next signal; None after a period without one. After SIGIO further ones wait for some seconds."""
        deaf_s = self._deaf_until_s - time.monotonic()
        listened = [one for one in _SIGNALS if one is not signal.SIGIO or deaf_s <= 0]
        received = next_signal(listened, min(period_s, deaf_s) if deaf_s > 0 else period_s)
        if received == signal.SIGIO:
            self._deaf_until_s = time.monotonic() + _DEAF_S
        return received

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

    def _tick(self) -> datetime:
        """Look once; return when to look again.

        Exceptions are logged; if looks keep failing, or one does not end, the systemd watchdog restarts the daemon.
        """
        self._alive_until_s = min(self._alive_until_s, time.monotonic() + STALL_TIMEOUT_S)
        try:
            now, next_at = self._take_look()
        except Exception:  # noqa: BLE001 - the daemon's loop
            log.exception(log.LogEvent.DAEMON_BUG)
            return utc_now() + _RETRY
        self._alive_until_s = time.monotonic() + (next_at - now).total_seconds() + STALL_TIMEOUT_S
        return next_at

    def _begin_attempts(self) -> None:
        if self._attempts:
            run_beside(self._attempts)
            self._attempts.clear()

    def _take_look(self) -> tuple[datetime, datetime]:
        """Return when it was taken, and when the next one is due."""
        if self._reload_requested:
            self._reload_requested = False
            self._reload()
        watched = self._surroundings.watch()  # before they are looked at, so that no change is missed
        now = utc_now()
        self._check_reboot_need()
        up_since = now - timedelta(seconds=time.monotonic() - self._started_s)
        packages_at = packages_changed_at()
        # Where dpkg's database cannot be read, nothing would tell that a restart was useless.
        outdated = packages_at not in {None, self._useless_since} and runs_replaced_files()
        # Until it can restart it looks often: the end of what it exports itself does not wake it.
        found = self._look.take(self._policy, now, up_since, watched=watched and not outdated)
        self._publish(found, now)
        if outdated and not found.busy and not may_be_at_work(now):  # it may replace more
            self._should_restart = True
            os.kill(os.getpid(), signal.SIGCHLD)  # the main thread restarts
        return now, found.next_at

    def _run_job(self) -> None:
        """Run the job that a look has started, and look again at its end."""
        self._dispatcher.run()
        self._scheduler.run_now()

    def _reload(self) -> None:
        notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            self._policy = self._load_policy()
            self._surroundings.use(self._policy)
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

    def _publish(self, found: Found, now: datetime) -> None:
        """Write the status file and, if it changed, send systemd the status line."""
        job, due, problems = self._dispatcher.job, found.due, self._problems(found.jobs, now)
        if job is not None:
            doing = f"{job.value}: {self._dispatcher.progress}"
        else:
            order = sorted(due, key=lambda job: due[job])
            doing = found.delayed or ", ".join(f"next {job.value} {format_human(max(due[job], now))}" for job in order)
        status = "; ".join([doing, *problems, *(["a reboot is required"] if self._reboot_required else [])])
        runs = {job.value: at for job, at in due.items()}
        upgrades = self._policy.agent.upgrade
        self._status_file.publish(now, runs, doing, problems, next_look_at=found.next_at, upgrades=upgrades)
        if status != self._status:
            self._status = status
            notify(f"STATUS={status}")


def _clock_offset_s() -> float:
    """Return wall clock minus monotonic clock: it changes only if the wall clock is set."""
    return time.time() - time.monotonic()
