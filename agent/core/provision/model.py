"""The course of provisioning: every package of a new server to its latest, then one restart if required. Pure."""

from datetime import datetime
from enum import Enum

from agent.core.frozen import frozen, replace
from agent.core.model.facts import ListsState
from agent.core.model.outcome import ForeignChange, Outcome, ProvisionNote, ProvisionPhase, Result

_WHOLE = frozenset({Result.UP_TO_DATE, Result.UPDATED, Result.DEGRADED})
"""Results of a run that installed all that it found."""
_MAX_RUNS = 10
"""Runs after which it ends although something may be left: with growing pauses that is half a day."""


class NextStep(Enum):
    """What a job does for a server in this phase."""

    UPGRADE = "upgrade"
    REBOOT = "reboot"
    """The reboot that is still to be taken; the packages are as they are to be."""
    NOTHING = "nothing"


@frozen
class Provision:
    """How far provisioning has come on one server."""

    machine: str
    """Identity of the server, so that a copy of its disk is not taken for it."""
    phase: ProvisionPhase
    started_at: datetime
    entered_at: datetime
    """When the phase began."""
    version: str
    """Of the agent that began."""
    requested_by: str = ""
    reboot: bool = True
    """Whether a required restart is taken."""
    rebooted: bool = False
    boot_id: str | None = None
    """Of the kernel's boot in which the restart was asked for; None: it was not, or the boot is unknown."""
    runs: tuple[str, ...] = ()
    """Ids of its upgrade runs, oldest first."""
    before: tuple[ForeignChange, ...] = ()
    """What another program changed on the new server before, such as cloud-init."""
    result: str = ""
    """The result of the last run; empty: none has ended."""

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self.phase is ProvisionPhase.DONE

    def begun(self, run_id: str) -> "Provision":
        """Return it with an upgrade run that begins."""
        return replace(self, runs=(*self.runs, run_id))

    def resumed(self, boot_id: str | None, now: datetime) -> "Provision":
        """Return it as a later job finds it: after the restart, the packages are looked at once more."""
        if not self.restarted(boot_id):
            return self
        return replace(self, phase=ProvisionPhase.UPGRADING, entered_at=now, rebooted=True)

    def restarted(self, boot_id: str | None) -> bool:
        """Return whether the restart that it waited for is behind it; `boot_id` is of this boot, None: unknown."""
        return self.phase is ProvisionPhase.REBOOTING and boot_id not in {None, self.boot_id}

    def next_step(self, *, required: bool) -> NextStep:
        """Return what a job does next; `required` is whether a restart is required, or that is unknown."""
        if self.done:
            return NextStep.NOTHING
        waits = self.phase is ProvisionPhase.REBOOTING and self.reboot and required
        return NextStep.REBOOT if waits else NextStep.UPGRADE

    def waits(self, boot_id: str | None) -> bool:
        """Return whether the last job left something to a later one; `boot_id` is of this boot, None: unknown."""
        if self.phase is ProvisionPhase.REBOOTING:
            return not self.restarted(boot_id)
        return self.phase is ProvisionPhase.UPGRADING and bool(self.result)

    def after(self, outcome: Outcome, *, left: bool, required: bool, boot_id: str | None, now: datetime) -> "Provision":
        """Return it after an upgrade run: in the same phase, so that a later job tries again, unless it was the last.

        `left` is whether updates are pending that the run did not come to.
        """
        ended = replace(self, result=outcome.result.value)
        if outcome.result not in _WHOLE or outcome.failed or self._may_miss(outcome, left=left):
            return ended
        wanted = self.reboot and required and not self.rebooted
        phase = ProvisionPhase.REBOOTING if wanted else ProvisionPhase.DONE
        return replace(ended, phase=phase, entered_at=now, boot_id=boot_id if wanted else self.boot_id)

    def _may_miss(self, outcome: Outcome, *, left: bool) -> bool:
        """Whether another run may install more: a source did not answer, or a run has only so many rounds.

        Without the security sources it does not end; another source that never answers keeps it only so long.
        """
        state = outcome.lists.state if outcome.lists is not None else ListsState.NEVER
        if state not in {ListsState.FRESH, ListsState.PARTIAL}:
            return True
        return (left or state is ListsState.PARTIAL) and len(self.runs) < _MAX_RUNS

    @property
    def note(self) -> ProvisionNote:
        """What the outcome of a run shows of it."""
        return ProvisionNote(
            phase=self.phase,
            started_at=self.started_at,
            done_at=self.entered_at if self.done else None,
            rebooted=self.rebooted,
            before=self.before,
        )
