"""One look of the daemon: starts what is due, and says when to look again.

Level-triggered: it reads the record and the clock and decides from them alone. A job that a killed daemon had requested
is found running, ended or interrupted, and is never started twice; a clock that jumps, a month without power and a
changed configuration need no special case.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from agent.core.frozen import frozen
from agent.core.job_kinds import JobKind
from agent.core.policy.policy import Policy
from agent.core.schedule.jobs import first_due
from agent.core.schedule.wake import next_look
from agent.daemon.agenda import Agenda
from agent.daemon.export_supervisor import ExportSupervisor
from agent.daemon.job_dispatcher import JobDispatcher, JobsOverview
from agent.host.machine.cloud_init import is_cloud_init_running
from agent.state.job_lock import worker_pid
from agent.state.job_status import describe_running
from agent.state.store import Store
from agent.worker.reboot_runs import reboot_under_way


@frozen
class Found:
    """What a look has found."""

    jobs: JobsOverview
    due: Mapping[JobKind, datetime]
    """When each job starts next."""
    delayed: str
    """Why a job that is due does not start; empty if it does, or none is due."""
    busy: bool
    """Whether the daemon runs a job or an exporter, or another process runs a job."""
    next_at: datetime
    """When to look again, unless something changes before."""


class Look:
    """Looks at one machine."""

    def __init__(
        self,
        store: Store,
        machine: str,
        *,
        agenda: Agenda,
        dispatcher: JobDispatcher,
        supervisor: ExportSupervisor,
        run: Callable[[], None],
    ) -> None:
        """Take what a look asks; `run` has the job that `dispatcher` was given run beside the looks."""
        self._store = store
        self._machine = machine
        self._agenda = agenda
        self._dispatcher = dispatcher
        self._supervisor = supervisor
        self._run = run

    def take(self, policy: Policy, now: datetime, up_since: datetime, *, watched: bool) -> Found:
        """Look once; `up_since` is since when jobs could run, `watched`: changes of the machine wake the daemon."""
        jobs = self._dispatcher.load_status()
        due = self._agenda.due(policy, jobs, now, up_since)
        first = first_due(due, now)
        delayed = ""
        if due[first] <= now and self._dispatcher.job is None:
            delayed = self._reason_to_delay()
            if not delayed:
                self._dispatcher.start(first)
                self._run()
        self._supervisor.tick(policy, self._machine, now, up_since)
        works = self._dispatcher.job is not None or self._is_working()
        moments = [*due.values(), *filter(None, [self._supervisor.due_at])]
        quiet = watched and not works and not delayed and not reboot_under_way(self._store)
        next_at = next_look(moments, now, quiet=quiet)
        busy = works or not self._supervisor.idle
        return Found(jobs=jobs, due=due, delayed=delayed, busy=busy, next_at=next_at)

    def _is_working(self) -> bool:
        """Return whether any job is running; files may still be replaced until it ends."""
        return worker_pid(self._store.directory) is not None

    def _reason_to_delay(self) -> str:
        """Return why a job that is due does not start now; empty if it does."""
        if self._is_working():
            return describe_running(self._store)
        return "waiting for cloud-init to end" if is_cloud_init_running() else ""
