"""`maestro.explain/1` about a reboot: whether one is required, and every gate with what opens it. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from agent.core.fleet_lock.model import NO_LOCK, HeldLock, LockPhase, LockRecord
from agent.core.frozen import frozen
from agent.core.model.facts import Reboot, Unseen
from agent.core.reboot.gates import GateState, RebootGate, RebootWhy, Verdict
from agent.core.reboot.model import RebootCourse, RebootPhase, RebootSchedule
from agent.core.schemas import EXPLAIN_SCHEMA, Document
from agent.report.reboot_outcome_text import REMEDIES
from agent.report.text import counted
from agent.state.documents.parts import reboot_to_document
from agent.state.documents.reboot_course import schedule_to_document
from agent.state.timestamps import format_human, format_utc

_NOTHING = "nothing in the way"
_REQUIRED = {"required": "open", "not-required": "shut", "unknown": "unknown"}
_VERDICTS = {Verdict.CLOSED: "shut"}
"""Where the word of this document is another one."""


@frozen
class RebootLook:
    """What is known of a reboot at one moment."""

    reboot: Reboot | Unseen
    gates: Sequence[GateState]
    """Those of this machine."""
    hooks: int = 0
    """Executables in pre-reboot.d."""
    lock_server: str = ""
    """URL and group of the fleet lock; empty: none is configured."""
    lock: LockRecord = NO_LOCK
    course: RebootCourse | None = None
    schedule: RebootSchedule | None = None
    theirs_at: str = ""
    """When unattended-upgrades reboots after a run of its own, as `shutdown -r` gets it; empty: it does not."""
    provision_since: datetime | None = None
    """Since when provisioning restarts the machine by itself, for which it asks neither policy nor window."""
    problems: tuple[str, ...] = ()
    """Why a part of the record could not be read."""


def explain_reboot(look: RebootLook, now: datetime) -> Document:
    """Return `maestro.explain/1` about a reboot."""
    conclusion, reason = _need(look.reboot)
    states = (*look.gates, _hooks(look), _fleet_lock(look))
    required = {"gate": "required", "verdict": _REQUIRED[conclusion], "reason": reason, "until": None, "opens": None}
    return {
        "schema": EXPLAIN_SCHEMA,
        "generated_at": format_utc(now),
        "subject": "reboot",
        "conclusion": conclusion,
        "reboot": reboot_to_document(look.reboot),
        "underway": _underway(look.course),
        "scheduled": _schedule(look.schedule, now),
        "unattended_upgrades_at": look.theirs_at or None,
        "provision_since": format_utc(look.provision_since) if look.provision_since else None,
        "problems": list(look.problems),
        "gates": [{**required, "why": None}, *map(_gate, states)],
    }


def _need(reboot: Reboot | Unseen) -> tuple[str, str]:
    if isinstance(reboot, Unseen):
        return "unknown", reboot.reason
    if reboot.required:
        return "required", "; ".join(_causes(reboot))
    return "not-required", f"/run/reboot-required does not exist; {_kernel(reboot)}"


def _gate(state: GateState) -> Document:
    return {
        "gate": state.gate.value,
        "verdict": _VERDICTS.get(state.verdict, state.verdict.value),
        "reason": state.detail or _NOTHING,
        "until": format_utc(state.until) if state.until else None,
        "opens": REMEDIES.get(state.why.value) if state.why and state.verdict is Verdict.CLOSED else None,
        "why": state.why.value if state.why else None,
    }


def _hooks(look: RebootLook) -> GateState:
    """Return the gate of the hooks: they are not run for this, so it has what the last try met."""
    blocked = _last_try(look, RebootGate.HOOKS)
    if blocked is not None:
        return blocked
    if not look.hooks:
        return GateState(gate=RebootGate.HOOKS, verdict=Verdict.OPEN)
    detail = f"{counted(look.hooks, 'script')} in hooks/pre-reboot.d, run right before a reboot"
    return GateState(gate=RebootGate.HOOKS, verdict=Verdict.NOT_ASKED, detail=detail)


def _fleet_lock(look: RebootLook) -> GateState:
    """Return the gate of the fleet lock, by the record: the server is not asked for this.

    A slot that is not certainly held there is given back before one is requested, so that it opens nothing.
    """
    gate, found, refusal = RebootGate.FLEET_LOCK, look.lock.lock, look.lock.refusal
    slot = _slot(found) if found is not None else ""
    if found is not None and found.kept:
        detail = f"{slot}; a person has to release it: {found.kept}"
        return GateState(gate=gate, verdict=Verdict.CLOSED, detail=detail)
    if not look.lock_server or (found is not None and _is_held(found, look.lock_server)):
        return GateState(gate=gate, verdict=Verdict.OPEN, detail=slot)
    blocked = _last_try(look, gate)
    if blocked is not None:
        return blocked
    if refusal is not None and refusal.answer.why:
        detail = f"{refusal.answer.detail} (asked {format_human(refusal.at)})"
        why = RebootWhy(refusal.answer.why)
        return GateState(gate=gate, verdict=Verdict.CLOSED, why=why, detail=detail, retry=True)
    detail = f"{look.lock_server}, asked right before a reboot"
    return GateState(gate=gate, verdict=Verdict.NOT_ASKED, detail=f"{slot}; {detail}" if slot else detail)


def _slot(lock: HeldLock) -> str:
    return f"{lock.phase.value} since {format_human(lock.since)} at {_server(lock)}"


def _is_held(lock: HeldLock, server: str) -> bool:
    return lock.phase is LockPhase.HELD and _server(lock) == server


def _server(lock: HeldLock) -> str:
    return f"{lock.url}, group {lock.group}"


def _last_try(look: RebootLook, gate: RebootGate) -> GateState | None:
    course = look.course
    return course.blocked if course and course.blocked and course.blocked.gate is gate else None


def _underway(course: RebootCourse | None) -> Document | None:
    if course is None:
        return None
    waits = course.phase is RebootPhase.WAITING
    return {
        "phase": course.phase.value,
        "since": format_utc(course.entered_at),
        "retry_at": format_utc(course.retry_at) if waits and course.retry_at else None,
    }


def _schedule(schedule: RebootSchedule | None, now: datetime) -> Document | None:
    if schedule is None:
        return None
    document = schedule_to_document(schedule, now)
    return {name: value for name, value in document.items() if name not in {"schema", "generated_at"}}


def _causes(reboot: Reboot) -> Iterator[str]:
    if reboot.flagged:
        names = [f"{name} (removed since)" if name in reboot.removed else name for name in reboot.flag_packages]
        unnamed = "/run/reboot-required exists; no package is named in /run/reboot-required.pkgs"
        yield f"required by {', '.join(names)} (/run/reboot-required)" if names else unnamed
    if reboot.kernel.outdated:
        yield _kernel(reboot)


def _kernel(reboot: Reboot) -> str:
    """Return how the running kernel compares with the installed ones."""
    gone = [f"; {one} is installed but its image is missing from /boot" for one in reboot.kernel.without_image]
    return "".join((_comparison(reboot), *gone))


def _comparison(reboot: Reboot) -> str:
    running, newest = reboot.kernel.running or "unknown", reboot.kernel.newest
    if reboot.host_kernel:
        return "this is a container, so the kernel is its host's"
    if newest is None:
        return f"the running kernel {running} is not from an installed package, so no newer one is known"
    if not reboot.kernel.outdated:
        return f"the running kernel {running} is the newest installed"
    newer = f"a newer build of it ({newest})" if newest == running else f"the newer {newest}"
    return f"kernel {running} is running, {newer} is installed"
