"""The daemon: knows when a job is due and asks the root half for it. It has no power and does no work of its own.

Level-triggered: twice a minute it reads the record and the clock and decides anew. So a job that a killed daemon had
asked for is found running, or ended, or cut off, and is never begun twice; a clock that leaps, a month without power
and a changed configuration need no case of their own.
"""

import signal
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

from apscheduler.schedulers.background import BackgroundScheduler

from agent import log
from agent.client import ask
from agent.config.load import load
from agent.core.rota import Host, Job, rota
from agent.core.schedule import Attempts
from agent.errors import AgentError, RecordError
from agent.host.identity import local_zone, machine_id
from agent.host.notify import notify, watchdog_s
from agent.host.rebootflag import read_flag
from agent.host.system import read_distro
from agent.jobrecord import SUCCESSES, read_job
from agent.liveness import Liveness
from agent.protocol import Answer, Request, Verb
from agent.store import Store
from agent.times import spell

_TICK_S = 30
"""How often it looks: what appears, such as the reboot flag, is noticed within this time."""
_SILENT_S = 300.0
"""A tick, or a job's sign of life, that is later than this means that a thread is stuck."""
_BUSY = 5


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
        self._liveness = Liveness(run_dir)
        self._started = self._ticked = self._heard = time.monotonic()
        self._job: Job | None = None
        self._doing = ""
        self._said = ""
        self._wrong = ""
        self._reboot = False
        self._scheduler = BackgroundScheduler(timezone=timezone.utc)
        self._over = threading.Event()
        self._reload = threading.Event()

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises:
            BusyError: another daemon runs. HostError: there is no place to say so.
        """
        self._liveness.claim()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: self._over.set())
        signal.signal(signal.SIGHUP, lambda _number, _frame: self._ask_reload())
        self._scheduler.add_job(
            self._tick, "interval", seconds=_TICK_S, next_run_time=_now(), coalesce=True, misfire_grace_time=None
        )
        self._scheduler.start()
        log.event("daemon.started", upgrade=self._policy.agent.upgrade)
        notify("READY=1")
        period = (watchdog_s() or 60.0) / 3
        while not self._over.wait(period):
            if self._alive():
                notify("WATCHDOG=1")
        notify("STOPPING=1", "STATUS=stopping; a job that is under way goes on by itself")
        log.event("daemon.stopped", job=self._job.value if self._job else None)
        self._scheduler.shutdown(wait=False)
        self._liveness.give_up()

    def _alive(self) -> bool:
        """Whether the clock still ticks and a job, if there is one, has shown a sign of life."""
        now = time.monotonic()
        return now - self._ticked < _SILENT_S and (self._job is None or now - self._heard < _SILENT_S)

    def _ask_reload(self) -> None:
        self._reload.set()
        self._scheduler.wakeup()

    def _tick(self) -> None:
        self._ticked = time.monotonic()
        if self._reload.is_set():
            self._reload.clear()
            self._reconfigure()
        now = _now()
        self._watch_reboot()
        attempts = {job: self._attempts(job, now) for job in Job}
        due = rota(self._policy.agent, attempts, self._host(now), now)
        first = min(due, key=lambda job: due[job])
        if due[first] <= now and self._job is None and self._store.worker_pid() is None:
            self._begin(first)
        self._say(due, now)

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

    def _attempts(self, job: Job, now: datetime) -> Attempts:
        """Return what the record says of a job; one that never ended, and is not running, has failed."""
        try:
            entry = read_job(self._store, job.value)
            if entry is None:
                return Attempts()
            finished = entry.maybe_moment("finished_at")
            failures = int(entry.number("failures"))
            if finished is None and self._store.worker_pid() is None:
                failures += 1
            return Attempts(last=finished or entry.moment("started_at"), failures=failures)
        except RecordError as error:
            log.event("record.damaged", error=str(error))
            return Attempts(last=now)

    def _host(self, now: datetime) -> Host:
        up = timedelta(seconds=time.monotonic() - self._started)
        return Host(machine=self._machine, zone=local_zone(), up_since=now - up)

    def _watch_reboot(self) -> None:
        try:
            flag = read_flag()
        except OSError:
            return
        if (flag is not None) is not self._reboot:
            self._reboot = flag is not None
            log.event("reboot.required" if flag else "reboot.cleared", packages=list(flag[0]) if flag else [])

    def _begin(self, job: Job) -> None:
        self._heard = time.monotonic()
        self._job, self._doing = job, "beginning"
        self._scheduler.add_job(self._do, args=[job], misfire_grace_time=None, max_instances=1)

    def _do(self, job: Job) -> None:
        log.event("job.asked", job=job.value)
        request = Request(verb=Verb(job.value), asked_by="schedule", state_dir=self._store.directory)
        try:
            answer = ask(request, self._hear)
        except AgentError as error:
            answer = Answer(exit_code=error.exit_code, error=str(error))
        except Exception as error:  # noqa: BLE001 - the daemon's loop: a bug in one job must not end it
            log.bug("job.bug", job=job.value)
            answer = Answer(exit_code=1, error=f"internal error: {error}")
        finally:
            self._job, self._doing = None, ""
        log.event("job.answered", job=job.value, exit_code=answer.exit_code, error=answer.error)
        if answer.exit_code not in SUCCESSES:
            self._doing = f"the last {job.value} failed: {answer.error or 'see maestro-agent history'}"
        self._scheduler.wakeup()

    def _hear(self, message: str) -> None:
        self._heard = time.monotonic()
        if message:
            self._doing = message

    def _say(self, due: dict[Job, datetime], now: datetime) -> None:
        if self._job is not None:
            words = f"{self._job.value}: {self._doing}"
        else:
            words = ", ".join(
                f"next {job.value} {spell(max(at, now))}" for job, at in sorted(due.items(), key=_by_time)
            )
        words = "; ".join(part for part in (words, self._wrong, "a reboot is required" if self._reboot else "") if part)
        if words != self._said:
            self._said = words
            notify(f"STATUS={words}")
        self._liveness.say(_now(), now, {job.value: at for job, at in due.items()}, words)


def _by_time(entry: tuple[Job, datetime]) -> datetime:
    return entry[1]


def _now() -> datetime:
    return datetime.now(timezone.utc)
