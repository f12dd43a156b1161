"""The gates of a reboot that look at this machine: each with its verdict, the reason, and until when. Pure.

Hooks and the fleet lock come after them, and then these once more.
"""

from datetime import datetime, timedelta, tzinfo

from agent.core.frozen import replace
from agent.core.model.facts import Unseen
from agent.core.policy.policy import RebootMode, SessionsMode
from agent.core.reboot.gates import (
    PASSABLE,
    GateFacts,
    GateRequest,
    GateState,
    LastRun,
    RebootGate,
    RebootOrigin,
    RebootWhy,
    UserSession,
    Verdict,
    sessions_of_others,
)
from agent.core.reboot.hold_off import hold_off_ends
from agent.core.reboot.opening import RebootRules, opens_at, reboot_standing
from agent.core.spread import spread
from agent.core.windows import WindowState

_OWN_SCHEDULE_TOLERANCE = timedelta(seconds=2)
_SHOWN = 3
"""Names in one detail."""
_NO_LOGIND = "logind does not run"


def local_gates(
    facts: GateFacts, request: GateRequest, rules: RebootRules, *, now: datetime, local: tzinfo
) -> tuple[GateState, ...]:
    """Return the state of every gate of this machine, in order; `local` is the machine's time zone."""
    found = (
        _policy(request, rules),
        _window(request, rules, now, local),
        _last_run(facts.last_run),
        _dpkg(facts.unfinished),
        _job_running(facts.running),
        _sessions(facts, request, rules, now),
        _inhibited(facts),
        _scheduled(facts, request),
    )
    return tuple(_with_despite(state, request) for state in found)


def _with_despite(state: GateState, request: GateRequest) -> GateState:
    passed = state.blocks and state.gate in request.despite & PASSABLE
    return replace(state, passed=True) if passed else state


def _open(gate: RebootGate, detail: str = "") -> GateState:
    return GateState(gate=gate, verdict=Verdict.OPEN, detail=detail)


def _unknown(gate: RebootGate, why: RebootWhy, unseen: Unseen) -> GateState:
    return GateState(gate=gate, verdict=Verdict.UNKNOWN, why=why, detail=unseen.reason, retry=True)


def _policy(request: GateRequest, rules: RebootRules) -> GateState:
    gate = RebootGate.POLICY
    if request.origin is not RebootOrigin.POLICY:
        return GateState(gate=gate, verdict=Verdict.NOT_ASKED, detail="requested by root")
    if rules.policy.policy is RebootMode.WINDOW:
        return _open(gate, 'reboot.policy is "window"')
    return GateState(gate=gate, verdict=Verdict.CLOSED, why=RebootWhy.POLICY_NEVER, detail='reboot.policy is "never"')


def _window(request: GateRequest, rules: RebootRules, now: datetime, local: tzinfo) -> GateState:
    gate, why = RebootGate.WINDOW, RebootWhy.OUTSIDE_WINDOW
    by_policy = request.origin is RebootOrigin.POLICY
    if not (by_policy or request.in_window):
        return GateState(gate=gate, verdict=Verdict.NOT_ASKED, detail="requested by root")
    if by_policy and rules.policy.policy is RebootMode.NEVER:
        return GateState(gate=gate, verdict=Verdict.NOT_ASKED, detail="no reboot by the configuration")
    if rules.window_problem:
        return _unknown(gate, why, Unseen(reason=rules.window_problem))
    if rules.window is None:
        return GateState(gate=gate, verdict=Verdict.CLOSED, why=why, detail="reboot.window names no window")
    found = reboot_standing(rules, rules.window, now, local)
    if found.state is WindowState.OPEN:
        return _open(gate, f"open: {rules.window.text}")
    until, hold_off = opens_at(rules, found, local), hold_off_ends(rules.policy.not_before, local)
    if until is None:
        detail = f"no opening of {rules.window.text} has room for a reboot"
    elif hold_off is not None and now < hold_off:
        detail = f"on hold by reboot.not_before: {rules.policy.not_before}"
    else:
        detail = f"outside {rules.window.text}"
    return GateState(gate=gate, verdict=Verdict.CLOSED, why=why, detail=detail, until=until, retry=until is not None)


def _last_run(last: LastRun | None | Unseen) -> GateState:
    gate, why = RebootGate.LAST_RUN, RebootWhy.RUN_FAILED
    if isinstance(last, Unseen):
        return _unknown(gate, why, last)
    if last is None:
        return _open(gate, "no upgrade run yet")
    if last.trusted and not last.failed:
        return _open(gate, f"the last upgrade: {last.result}")
    failed = f"; failed: {spread(last.failed, _SHOWN)}" if last.failed else ""
    return GateState(gate=gate, verdict=Verdict.CLOSED, why=why, detail=f"the last upgrade: {last.result}{failed}")


def _dpkg(unfinished: tuple[str, ...] | Unseen) -> GateState:
    gate, why = RebootGate.DPKG, RebootWhy.DPKG_UNFINISHED
    if isinstance(unfinished, Unseen):
        return _unknown(gate, why, unfinished)
    if not unfinished:
        return _open(gate)
    detail = f"left unfinished by dpkg: {spread(unfinished, _SHOWN)}"
    return GateState(gate=gate, verdict=Verdict.CLOSED, why=why, detail=detail)


def _job_running(running: str | Unseen) -> GateState:
    gate, why = RebootGate.JOB_RUNNING, RebootWhy.JOB_RUNNING
    if isinstance(running, Unseen):
        return _unknown(gate, why, running)
    if not running:
        return _open(gate)
    return GateState(gate=gate, verdict=Verdict.CLOSED, why=why, detail=running, retry=True)


def _sessions(facts: GateFacts, request: GateRequest, rules: RebootRules, now: datetime) -> GateState:
    gate, why = RebootGate.SESSIONS, RebootWhy.SESSIONS
    if isinstance(facts.sessions, Unseen):
        return _unknown(gate, why, facts.sessions)
    others = sessions_of_others(facts.sessions, request.session)
    if not others:
        return _open(gate, "" if facts.logind else _NO_LOGIND)
    sessions = list(dict.fromkeys(map(_session_text, others)))
    who = f"logged in: {spread(sessions, _SHOWN)}"
    if rules.policy.sessions is SessionsMode.NEVER:
        detail = f'{who}; reboot.sessions is "never"'
        return GateState(gate=gate, verdict=Verdict.CLOSED, why=why, detail=detail, retry=True)
    if rules.policy.grace and request.warned_at is None:
        return GateState(gate=gate, verdict=Verdict.CLOSED, why=why, detail=who, retry=True)
    # A clock that was set back since the message must not make the grace longer.
    until = min(request.warned_at or now, now) + rules.policy.grace
    if until <= now:
        return _open(gate, f"{who}; the time of grace is over")
    return GateState(gate=gate, verdict=Verdict.CLOSED, why=why, detail=who, until=until, retry=True)


def _inhibited(facts: GateFacts) -> GateState:
    gate, why = RebootGate.INHIBITED, RebootWhy.INHIBITED
    if isinstance(facts.inhibitors, Unseen):
        return _unknown(gate, why, facts.inhibitors)
    if not facts.inhibitors:
        return _open(gate, "" if facts.logind else _NO_LOGIND)
    names = spread([f"{one.who} (pid {one.pid}): {one.why}" for one in facts.inhibitors], _SHOWN)
    return GateState(gate=gate, verdict=Verdict.CLOSED, why=why, detail=f"blocked by {names}", retry=True)


def _scheduled(facts: GateFacts, request: GateRequest) -> GateState:
    gate, why = RebootGate.SCHEDULED_BY_OTHER, RebootWhy.SCHEDULED_BY_OTHER
    found = facts.scheduled
    if isinstance(found, Unseen):
        return _unknown(gate, why, found)
    if found is None:
        return _open(gate, "" if facts.logind else _NO_LOGIND)
    own = request.own_shutdown
    is_own = own is not None and found.kind == "reboot" and abs(found.at - own) <= _OWN_SCHEDULE_TOLERANCE
    if is_own or found.kind.startswith("dry-"):
        return _open(gate)
    detail = f"another program has scheduled a {found.kind}"
    return GateState(gate=gate, verdict=Verdict.CLOSED, why=why, detail=detail, until=found.at, retry=True)


def _session_text(session: UserSession) -> str:
    place = " ".join(part for part in (session.terminal, session.remote and f"from {session.remote}") if part)
    return f"{session.user} ({place})" if place else session.user
