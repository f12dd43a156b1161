"""The daemon: knows when a job is due and asks the root half for it. It has no power and does no work of its own.

Level-triggered: twice a minute it reads the record and the clock and decides anew. So a job that a killed daemon had
asked for is found running, or ended, or cut off, and is never begun twice; a clock that leaps, a month without power
and a changed configuration need no case of their own.
"""

import signal
import time
from datetime import datetime, timedelta
from pathlib import Path

from agent.config.load import load
from agent.core.job_kinds import JobKind
from agent.core.schedule.jobs import ScheduleContext, next_runs
from agent.daemon.export_supervisor import ExportSupervisor
from agent.daemon.job_dispatcher import STALL_TIMEOUT_S, JobDispatcher, JobsOverview
from agent.daemon.scheduler import Scheduler
from agent.errors import AgentError
from agent.host import log
from agent.host.machine.cloud_init import is_cloud_init_running
from agent.host.machine.identity import local_zone, machine_id
from agent.host.machine.os_release import read_distro
from agent.host.reboot.flag import read_flag
from agent.host.systemd import notify, watchdog_s
from agent.state.daemon_status import DaemonStatusFile
from agent.state.job_status import describe_running
from agent.state.store import Store
from agent.state.timestamps import format_human, utc_now

_TICK_S = 30.0
"""How often it looks: what appears, such as the reboot flag, is noticed within this time."""
_WATCHDOG_S = 60.0
"""What the unit's WatchdogSec= is where systemd does not say."""
_LEAP_S = 5.0
"""A clock that went this much faster or slower than time did was set."""
_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class Daemon:
    """One daemon on one machine."""

    def __init__(self, config: Path | None, state_dir: str, run_dir: str) -> None:
        """Read the configuration.

        Raises:
            ConfigError: it is wrong.
            HostError: the distribution is not known.
        """
        self._config = config
        self._store = Store(state_dir)
        self._policy, _ = load(config, read_distro())
        self._machine = machine_id()
        self._liveness = DaemonStatusFile(run_dir, utc_now())
        self._started = self._ticked = time.monotonic()
        self._ahead_s = _ahead_s()
        self._scheduler = Scheduler()
        self._dispatcher = JobDispatcher(self._store)
        self._messenger = ExportSupervisor(config, self._store, run_dir)
        self._reload = False
        self._wrong = ""
        self._said = ""
        self._reboot = False

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises:
            BusyError: another daemon runs. HostError: there is no place to say so.
        """
        self._liveness.acquire()
        # Blocked here and in every thread to come, and waited for below: no handler can come in between anything.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        log.event("daemon.started", upgrade=self._policy.agent.upgrade)
        notify("READY=1")
        self._scheduler.every(_TICK_S, self._tick)
        self._scheduler.start()
        self._wait_for_the_end()
        notify("STOPPING=1", "STATUS=stopping; a job that is under way goes on by itself")
        log.event("daemon.stopped", job=self._dispatcher.job.value if self._dispatcher.job else None)
        self._scheduler.stop()
        self._liveness.release()

    def _wait_for_the_end(self) -> None:
        """Return at a signal to end; until then, pass on the wish to reload and tell systemd of a good life."""
        period_s = (watchdog_s() or _WATCHDOG_S) / 3
        while True:
            got = signal.sigtimedwait(_SIGNALS, period_s)
            if got is not None and got.si_signo != signal.SIGHUP:
                return
            leapt = self._leapt()
            if leapt:
                log.event("clock.leapt", now=format_human(utc_now()))
            self._reload = self._reload or got is not None
            if got is not None or leapt:  # the scheduler goes by the clock, and would wait for a time that was
                self._scheduler.hasten()
            if time.monotonic() - self._ticked < STALL_TIMEOUT_S and not self._dispatcher.stalled:
                notify("WATCHDOG=1")

    def _leapt(self) -> bool:
        """Whether the clock was set since this was last asked, or since before anything was to be done by it."""
        before_s, self._ahead_s = self._ahead_s, _ahead_s()
        return abs(self._ahead_s - before_s) > _LEAP_S

    def _tick(self) -> None:
        """Look once; a bug in it is told, and ends in the watchdog's hands if it stays."""
        try:
            self._look()
            self._ticked = time.monotonic()
        except Exception:  # noqa: BLE001 - the daemon's loop
            log.exception("daemon.bug")

    def _look(self) -> None:
        if self._reload:
            self._reload = False
            self._reconfigure()
        now = utc_now()
        self._watch_reboot()
        seen = self._dispatcher.load_status()
        due = next_runs(self._policy.agent, seen.attempts, self._host(now, seen.known_since), now)
        first = min(due, key=lambda job: due[job])
        waiting = ""
        if due[first] <= now and self._dispatcher.job is None:
            waiting = self._why_wait()
            if not waiting:
                self._dispatcher.start(first)
                self._scheduler.once(self._dispatcher.run)
        self._say(due, now, waiting, self._problems(seen, now))
        up_since = now - timedelta(seconds=time.monotonic() - self._started)
        self._messenger.look(self._policy, self._machine, now, up_since)

    def _why_wait(self) -> str:
        """Say why a job that is due does not begin now; empty if it does."""
        if self._store.worker_pid() is not None:
            return describe_running(self._store)
        return "waiting for cloud-init to end" if is_cloud_init_running() else ""

    def _reconfigure(self) -> None:
        notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            self._policy, _ = load(self._config, read_distro())
            self._wrong = ""
            log.event("config.reloaded")
        except AgentError as error:
            self._wrong = f"the new configuration is wrong, the old one stays: {error}"
            log.event("config.refused", error=str(error))
        notify("READY=1")

    def _host(self, now: datetime, known_since: datetime | None) -> ScheduleContext:
        up = timedelta(seconds=time.monotonic() - self._started)
        boot = now - timedelta(seconds=time.clock_gettime(time.CLOCK_BOOTTIME))
        return ScheduleContext(
            machine=self._machine, zone=local_zone(), up_since=now - up, known_since=known_since, booted_at=boot
        )

    def _problems(self, seen: JobsOverview, now: datetime) -> list[str]:
        """Say what a person should know of: it does not get better by itself."""
        problems = [self._wrong] if self._wrong else []
        problems += self._dispatcher.problems(seen)
        limits = self._policy.apt.run_timeout + self._policy.apt.package_timeout
        if seen.running is not None and now - seen.running[1] > limits:
            name, since = seen.running
            problems.append(
                f"the {name} that began {format_human(since)} is at work for longer than apt.run_timeout and "
                "apt.package_timeout allow: `systemctl status 'maestro-agent-worker@*'`"
            )
        return problems

    def _watch_reboot(self) -> None:
        try:
            flag = read_flag()
        except OSError:  # `status` tells of that
            return
        if (flag is not None) is not self._reboot:
            self._reboot = flag is not None
            log.event("reboot.required" if flag else "reboot.cleared", packages=list(flag[0]) if flag else [])

    def _say(self, due: dict[JobKind, datetime], now: datetime, waiting: str, problems: list[str]) -> None:
        job = self._dispatcher.job
        if job is not None:
            doing = f"{job.value}: {self._dispatcher.progress}"
        else:
            order = sorted(due, key=lambda job: due[job])
            doing = waiting or ", ".join(f"next {job.value} {format_human(max(due[job], now))}" for job in order)
        words = "; ".join([doing, *problems, *(["a reboot is required"] if self._reboot else [])])
        self._liveness.publish(now, {job.value: at for job, at in due.items()}, doing, problems)
        if words != self._said:
            self._said = words
            notify(f"STATUS={words}")


def _ahead_s() -> float:
    """Return how far the clock is ahead of the time that passes: it changes only where the clock is set."""
    return time.time() - time.monotonic()
