"""One try to reboot this machine: what it asks, and how far it came, on record before each step."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from agent.config.windows import reboot_rules
from agent.core.frozen import replace
from agent.core.job_kinds import JobOption
from agent.core.model.facts import Reboot, Unseen
from agent.core.policy.policy import SessionsMode
from agent.core.reboot.course import continued
from agent.core.reboot.gates import (
    GateFacts,
    GateRequest,
    GateState,
    RebootGate,
    RebootOrigin,
    UserSession,
    Verdict,
    first_closed,
    sessions_of_others,
)
from agent.core.reboot.local_gates import local_gates
from agent.core.reboot.model import (
    RebootCourse,
    RebootOutcome,
    RebootPhase,
    RebootReason,
    RebootResult,
)
from agent.core.schedule.reboots import RebootWish
from agent.errors import HostError, RecordError, StoppedError
from agent.host.machine.local_zone import local_zone
from agent.report.reboot_messages import why_required
from agent.state.reboot_record import RebootRecord
from agent.worker.context import JobContext

_DESPITE: Mapping[JobOption, RebootGate] = {
    JobOption.DESPITE_LAST_RUN: RebootGate.LAST_RUN,
    JobOption.DESPITE_SESSIONS: RebootGate.SESSIONS,
    JobOption.DESPITE_SCHEDULED: RebootGate.SCHEDULED_BY_OTHER,
    JobOption.DESPITE_LOCK: RebootGate.FLEET_LOCK,
}
_IN_PROGRESS = "in progress; if this stays, the run was interrupted: the next job finishes it"


class GateClosedError(Exception):
    """A gate is closed: the machine is not rebooted now."""

    def __init__(self, state: GateState, retry_after: timedelta | None = None) -> None:
        super().__init__(state.gate.value)
        self.state = state
        self.retry_after = retry_after
        """What the lock server asks for."""


class RebootAttempt:
    """The values of a try, and what every step of it uses."""

    def __init__(self, context: JobContext, wish: RebootWish) -> None:
        """Look at the boot and at the tries before; changes nothing.

        Raises:
            HostError: the identity of the boot is unknown, so that a reboot could not be verified.
        """
        self.context = context
        self.wish = wish
        self.host, self.lock = context.reboot_acts.host, context.reboot_acts.lock
        self.record = RebootRecord(context.record.store)
        self.policy = context.policy.reboot
        self.need: Reboot | Unseen = context.machine.reboot()
        self.later: tuple[GateState, ...] = ()
        """The gates after the local ones: hooks, and the fleet lock."""
        self._rules = reboot_rules(self.policy)
        self._zone = local_zone()
        self._facts = GateFacts()
        now, boot = self.now(), self.host.boot()
        if not boot.boot_id:
            unknown = "the boot cannot be identified (/proc/sys/kernel/random/boot_id, systemd's SoftRebootsCount)"
            raise HostError(f"{unknown}; nothing was done")
        before = self._last_try()
        self.before = before if continued(before, wish.origin, boot, now) else None
        """The tries before this one, which waited; None: it is the first one."""
        self.course = RebootCourse(
            run_id=context.run_id,
            origin=wish.origin,
            phase=RebootPhase.WAITING,
            entered_at=now,
            boot=boot,
            warned_at=self.before.warned_at if self.before else None,
        )
        self.outcome = self._begun(now)

    def now(self) -> datetime:
        """Return the time, to the second as the record has it."""
        return self.context.machine.now().replace(microsecond=0)

    @property
    def why(self) -> str:
        """What requires the reboot, for messages."""
        return why_required(self.need)

    @property
    def others(self) -> tuple[UserSession, ...]:
        """The sessions of others than the requester, as they were seen last."""
        seen = self._facts.sessions
        return () if isinstance(seen, Unseen) else sessions_of_others(seen, self.wish.session)

    def ask(self, now: datetime | None = None) -> GateState | None:
        """Ask every gate of this machine; return the one that decides, None if all are open.

        `now`: as of then, for the window.
        """
        self._facts = self.host.gate_facts()
        request = GateRequest(
            origin=self.wish.origin,
            despite=frozenset(self.outcome.despite),
            session=self.wish.session,
            warned_at=self.course.warned_at,
            own_shutdown=self.course.shutdown_at,
            in_window=self.wish.in_window,
        )
        states = local_gates(self._facts, request, self._rules, now=now or self.now(), local=self._zone)
        self.outcome = replace(self.outcome, gates=(*states, *self.later))
        closed = first_closed(states)
        if closed is not None and self.waits_for_sessions(closed):
            # Users are asked to log out, and waited for, only once nothing else keeps the machine from a reboot.
            return first_closed(state for state in states if state is not closed) or closed
        return closed

    def require_open(self, now: datetime | None = None) -> None:
        """Check that no gate of this machine is closed.

        Raises:
            GateClosedError: one is. StoppedError: the job was asked to stop, or the schedule was cancelled.
            ConfigError: the configuration in use cannot be read.
        """
        if reason := self.context.control.stop():
            raise StoppedError(f"stopped {reason}; the machine is not rebooted")
        wanted = self.wish.schedule
        with suppress(RecordError):
            if wanted is not None and self.record.load_schedule() != wanted:
                raise StoppedError("the scheduled reboot was cancelled or changed")
        if self.wish.origin is RebootOrigin.POLICY:
            self._rules = reboot_rules(self.context.reboot_acts.policy())
        if closed := self.ask(now):
            raise GateClosedError(closed)

    def waits_for_sessions(self, state: GateState) -> bool:
        """Return whether a closed gate is that of sessions, and opens once users had time to log out."""
        waits = state.verdict is Verdict.CLOSED and self.policy.sessions is SessionsMode.WAIT
        return waits and state.gate is RebootGate.SESSIONS

    def answered(self, state: GateState) -> None:
        """Add the state of a later gate to the outcome."""
        self.later = (*self.later, state)
        self.outcome = replace(self.outcome, gates=(*self.outcome.gates, state))

    def enter(self, phase: RebootPhase) -> None:
        """Record that a phase begins. Once the reboot is announced, the history has it.

        Raises:
            HostError: it cannot be recorded, so that it must not begin.
        """
        now = self.now()
        self.course = replace(self.course, phase=phase, entered_at=now)
        # The course first: without it nothing would finish the outcome.
        self.record.save_course(self.course, now)
        if phase in {RebootPhase.ANNOUNCED, RebootPhase.FIRED}:  # a try every two minutes is no entry each
            self.record.save_outcome(self.outcome, now)

    def _begun(self, now: datetime) -> RebootOutcome:
        known = None if isinstance(self.need, Unseen) else self.need
        return RebootOutcome(
            id=self.context.run_id,
            started_at=now,
            finished_at=None,
            result=RebootResult.INTERRUPTED,
            origin=self.wish.origin,
            requested_by=self.wish.requested_by,
            if_required=JobOption.IF_REQUIRED in self.wish.options,
            despite=tuple(gate for option, gate in _DESPITE.items() if option in self.wish.options),
            reason=reason_of(known),
            boot_before=self.course.boot,
            kernel_before=known.kernel.running if known else None,
            kernel_expected=known.kernel.newest if known else None,
            message=_IN_PROGRESS,
        )

    def _last_try(self) -> RebootCourse | None:
        try:
            return self.record.load_course()
        except RecordError:  # it was looked at before: `finish_reboot`
            return None


def reason_of(need: Reboot | None) -> RebootReason | None:
    """Return why a reboot is required; None: unknown."""
    return RebootReason(required=need.required, packages=need.packages, since=need.since) if need else None
