"""When each job is due on this machine: from the configuration, the record and the clock alone."""

from datetime import datetime

from agent.config.windows import upgrade_window
from agent.core.job_kinds import JobKind
from agent.core.policy.policy import Policy
from agent.core.schedule.engine_windows import after_boot
from agent.core.schedule.jobs import ScheduleContext, next_runs
from agent.core.schedule.slots import stable_fraction
from agent.daemon.job_dispatcher import JobsOverview
from agent.host.boot_time import booted_at
from agent.host.changes import machine_changed_at
from agent.host.machine.boot_id import boot_id
from agent.host.machine.local_zone import local_zone
from agent.host.soft_reboots import soft_rebooted_at
from agent.state.engine_interrupted import engine_interrupted, interrupted_since
from agent.state.store import Store
from agent.worker.daily_turn import stands_aside
from agent.worker.provision_runs import provision_run
from agent.worker.reboot_runs import reboot_runs
from agent.worker.request_runs import RequestsWatch
from agent.worker.window_jobs import window_runs


class Agenda:
    """The jobs of one machine."""

    def __init__(self, store: Store, machine: str, root: str = "/") -> None:
        """Take the record, the machine's id (`agent.host.machine.identity`), and the root of its files."""
        self._store = store
        self._machine = machine
        self._root = root
        self._requests = RequestsWatch(store)
        self._soft_rebooted_at = soft_rebooted_at()  # which starts the daemon again

    def due(self, policy: Policy, jobs: JobsOverview, now: datetime, up_since: datetime) -> dict[JobKind, datetime]:
        """Return when each job starts next; a time that is not after now means at once.

        `up_since` is since when jobs could run. A later time holds until the record or the machine changes.
        """
        context = self._context(policy, jobs, now, up_since)
        share = stable_fraction(self._machine, "retry")
        due = next_runs(policy.agent, jobs.attempts, context, now)
        windows = window_runs(policy, self._store, jobs.attempts, now, context.zone)
        due |= {job: after_boot(at, up_since=up_since, share=share) for job, at in windows.items()}
        due |= self._reboot_runs(policy, jobs, context, share, now)
        request_at = self._requests.next_at(policy, jobs.attempts[JobKind.RUN_REQUEST], now, context.zone)
        due |= {JobKind.RUN_REQUEST: request_at} if request_at is not None else {}
        provision = provision_run(policy.provision, self._store, jobs.attempts.get(JobKind.PROVISION), now)
        due |= {JobKind.PROVISION: provision} if provision is not None else {}
        return due

    def _reboot_runs(
        self, policy: Policy, jobs: JobsOverview, context: ScheduleContext, share: float, now: datetime
    ) -> dict[JobKind, datetime]:
        """Return when the machine is rebooted and when a reboot is verified; no reboot while the machine is booting."""
        found = reboot_runs(policy, self._store, jobs.attempts, boot_id=boot_id(), now=now, local=context.zone)
        reboot_at = found.get(JobKind.REBOOT)
        if reboot_at is not None:
            found[JobKind.REBOOT] = after_boot(reboot_at, up_since=context.up_since, share=share)
        return found

    def _context(self, policy: Policy, jobs: JobsOverview, now: datetime, up_since: datetime) -> ScheduleContext:
        interrupted = engine_interrupted(self._store)
        return ScheduleContext(
            machine=self._machine,
            zone=local_zone(),
            up_since=up_since,
            known_since=jobs.known_since,
            booted_at=max(filter(None, (booted_at(self._root), self._soft_rebooted_at))),
            packages_changed_at=machine_changed_at(now, self._root),
            engine_interrupted=interrupted,
            interrupted_since=interrupted_since(self._store) if interrupted else None,
            stands_aside=stands_aside(policy, self._store),
            upgrade_window=upgrade_window(policy.agent),
        )
