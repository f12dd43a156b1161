"""Renders `maestro.reboot-outcome/1` for people, and one run as a line of the history. Pure and light.

The first line is what is true now: whether the machine was rebooted, and if not, why.
"""

from collections.abc import Sequence

from agent.report.layout import Line, Tone, field
from agent.report.text import counted, requester_name
from agent.state.reboot_outcome_view import RebootGateView, RebootOutcomeView
from agent.state.timestamps import format_human

_WIDTH = 13
_MORE = "and {} more (-v)"
_WORDS = {
    "rebooted": "done",
    "rebooted-with-problems": "done, with PROBLEMS",
    "not-rebooted": "did NOT happen",
    "not-required": "not required",
    "blocked": "blocked, nothing done",
    "failed": "FAILED",
    "interrupted": "interrupted",
    "requested": "not verified yet",
    "would-reboot": "a dry run",
}
"""Words for people; documents keep the value."""
_TONES = {
    "rebooted": Tone.GOOD,
    "rebooted-with-problems": Tone.FAILED,
    "not-rebooted": Tone.FAILED,
    "blocked": Tone.ATTENTION,
    "failed": Tone.FAILED,
    "interrupted": Tone.ATTENTION,
}
REASONS = {
    "policy-never": 'reboot.policy is "never"',
    "outside-window": "it is outside the maintenance window",
    "run-failed": "the last upgrade failed",
    "dpkg-unfinished": "dpkg left packages unfinished",
    "sessions": "users are logged in",
    "inhibited": "a program inhibits the shutdown",
    "hook-deferred": "a hook of pre-reboot.d deferred it",
    "hook-failed": "a hook of pre-reboot.d failed",
    "job-running": "another job is running",
    "fleet-lock": "the fleet lock has no free slot",
    "lock-unreachable": "the lock server gives no valid answer",
    "scheduled-by-other": "another program has scheduled a shutdown",
}
"""By code; shown where a gate has no detail."""
REMEDIES = {
    "policy-never": "`maestro-agent reboot` as root reboots now.",
    "outside-window": "Wait for the window, or reboot now: `maestro-agent reboot`.",
    "run-failed": "See `maestro-agent history last`, correct the cause; or `maestro-agent reboot --despite last-run`.",
    "dpkg-unfinished": "`maestro-agent upgrade` finishes the packages.",
    "sessions": "Wait until the users have logged out, or `maestro-agent reboot --despite sessions`.",
    "inhibited": "Wait until the program ends: `systemd-inhibit --list` shows it.",
    "hook-deferred": "Try again later; the hook decides.",
    "hook-failed": "See `journalctl -t maestro-agent`, correct the cause, then try again.",
    "job-running": "Wait for the job: `maestro-agent follow`, then try again; or use `--wait`.",
    "fleet-lock": "Try again once another machine has finished; `maestro-agent lock` shows the group.",
    "lock-unreachable": "Check the lock server; or `maestro-agent reboot --despite fleet-lock`.",
    "scheduled-by-other": "See `shutdown --show`; `maestro-agent reboot --despite scheduled-by-other` replaces it.",
}
_LOCKS = {
    "held": "held until the reboot is verified",
    "released": "released",
    "kept": "KEPT: no other machine of the group takes this slot",
    "releasing": "not released yet, the next job tries again",
}
_SIGNS = {"open": "+", "closed": "-", "unknown": "?"}
_ORIGINS = {"schedule": "as scheduled", "policy": "in the maintenance window"}


def reboot_outcome_lines(outcome: RebootOutcomeView, *, running: bool = False, verbose: bool = False) -> list[str]:
    """Render a run; `running`: it is in progress now; `verbose`: every gate."""
    if running:
        since = format_human(outcome.started_at)
        return [f"The reboot is in progress since {since}: `maestro-agent follow`"]
    return [
        Line(headline(outcome), hang=2, tone=_TONES.get(outcome.result)),
        *_note_lines(outcome),
        *(Line(f"  {detail} [{code}]", hang=4, tone=Tone.HELD) for code, detail in outcome.problems),
        *_gate_lines(outcome, verbose=verbose),
        *_fact_lines(outcome),
        _run_line(outcome),
        *(field("" if place else "Next", step, width=_WIDTH) for place, step in enumerate(next_steps(outcome))),
    ]


def headline(outcome: RebootOutcomeView) -> str:
    """Return whether the machine was rebooted, and if not, why."""
    kernel = _kernel(outcome)
    down = f", down for {duration(outcome.downtime_s)}" if outcome.downtime_s is not None else ""
    texts = {
        "rebooted": f"Rebooted{down}{kernel}.",
        "rebooted-with-problems": f"Rebooted{down}{kernel}, and {counted(len(outcome.problems), 'problem')} found.",
        "not-rebooted": "NOT rebooted: the reboot was triggered, and the machine runs in the same boot.",
        "not-required": "Not rebooted: no reboot is required.",
        "blocked": f"Not rebooted: {_blocked(outcome.blocked)}.",
        "failed": "Not rebooted: the reboot FAILED.",
        "interrupted": "Not rebooted: the job was interrupted before it triggered the reboot.",
        "requested": "The machine reboots now; the next job after the boot verifies it.",
        "would-reboot": "The machine would reboot: no gate is closed.",
    }
    return texts.get(outcome.result, f"Reboot: {outcome.result}.")


def reboot_history_cells(outcome: RebootOutcomeView, *, running: bool = False) -> tuple[str, ...]:
    """Return one run as cells, as `agent.report.outcome_text.history_cells`."""
    parts = [f"reboot: {'running' if running else _WORDS.get(outcome.result, outcome.result)}"]
    if not running:
        parts += [f"{duration(outcome.downtime_s)} down"] if outcome.downtime_s is not None else []
        parts += [counted(len(outcome.problems), "problem")] if outcome.problems else []
        parts += [outcome.blocked.why or outcome.blocked.gate] if outcome.blocked else []
    by = "timer" if outcome.origin == "policy" else requester_name(outcome.requested_by)
    took = "-" if outcome.duration_s is None or running else f"{outcome.duration_s:.0f} s"
    return (outcome.id, format_human(outcome.started_at), by, took, ", ".join(parts))


def duration(seconds: float) -> str:
    """Return a duration in its largest units: "42 s", "3 min 5 s", "2 h 10 min"."""
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:  # noqa: PLR2004 - minutes of an hour
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def gate_reason(gate: RebootGateView) -> str:
    """Return why a gate is closed, for people."""
    if gate.detail and gate.why == "lock-unreachable":
        return f"no slot from the lock server: {gate.detail}"
    return gate.detail or REASONS.get(gate.why or "", gate.why or f"the gate {gate.gate} is {gate.verdict}")


def _kernel(outcome: RebootOutcomeView) -> str:
    """Return which kernel runs now, if it is another one."""
    before, after = outcome.kernel_before, outcome.kernel_after
    return f"; kernel {after} runs (was {before})" if before and after and before != after else ""


def _blocked(gate: RebootGateView | None) -> str:
    return gate_reason(gate).rstrip(".") if gate else "a gate is closed"


def _note_lines(outcome: RebootOutcomeView) -> list[str]:
    if not outcome.message or outcome.message.rstrip(".") in headline(outcome):
        return []
    label = "Because" if outcome.result in {"failed", "interrupted", "not-rebooted"} else "Note"
    return [field(label, outcome.message, width=_WIDTH)]


def _gate_lines(outcome: RebootOutcomeView, *, verbose: bool) -> list[str]:
    """List the closed gates, with `verbose` all that were asked."""
    if verbose:
        return gate_lines(outcome.gates)
    if outcome.result != "blocked":
        return gate_lines([one for one in outcome.gates if one.passed])
    found = [one for one in outcome.gates if one.blocks or one.passed]
    return gate_lines(found or ([outcome.blocked] if outcome.blocked else []))


def gate_lines(gates: Sequence[RebootGateView]) -> list[str]:
    """Render gates, a line each."""
    return [_gate_line(one) for one in gates]


def _gate_line(gate: RebootGateView) -> Line:
    text = gate_reason(gate) if gate.blocks or gate.passed else gate.detail or gate.verdict.replace("-", " ")
    until = f", until {format_human(gate.until)}" if gate.until else ""
    passed = "; passed, as requested" if gate.passed else ""
    sign = "!" if gate.passed else _SIGNS.get(gate.verdict, " ")
    tone = Tone.HELD if gate.blocks or gate.passed else None
    return Line(f"  {sign} {gate.gate:<19}{text}{until}{passed}", hang=23, tone=tone)


def _fact_lines(outcome: RebootOutcomeView) -> list[str]:
    lines: list[str] = []
    if outcome.required and outcome.result != "not-required":
        since = f", since {format_human(outcome.required_since)}" if outcome.required_since else ""
        names = ", ".join(outcome.packages) or "no package is named"
        lines.append(field("Required by", f"{names}{since}", width=_WIDTH))
    if outcome.despite:
        lines.append(field("Despite", ", ".join(outcome.despite), width=_WIDTH))
    if outcome.lock in _LOCKS:
        tone = Tone.ATTENTION if outcome.lock in {"kept", "releasing"} else None
        lines.append(field("Fleet lock", _LOCKS[outcome.lock], width=_WIDTH, tone=tone))
    return lines


def _run_line(outcome: RebootOutcomeView) -> Line:
    by = f", requested by {outcome.requested_by}" if outcome.requested_by not in {"", "schedule"} else ""
    how = f", {_ORIGINS[outcome.origin]}" if outcome.origin in _ORIGINS else ""
    took = f", took {duration(outcome.duration_s)}" if outcome.duration_s is not None else ""
    return field("Run", f"{outcome.id}, started {format_human(outcome.started_at)}{took}{by}{how}", width=_WIDTH)


def next_steps(outcome: RebootOutcomeView) -> list[str]:
    """Return what to do next; nothing where all is well."""
    if outcome.result == "blocked" and outcome.blocked:
        remedy = REMEDIES.get(outcome.blocked.why or "")
        return [remedy] if remedy else []
    if outcome.result == "rebooted-with-problems":
        steps = ["`systemctl --failed`, `journalctl -b -p err` show the cause."]
        if outcome.lock == "kept":
            steps.append("Once the machine is well: `maestro-agent lock release`, so that the next machine may reboot.")
        return steps
    if outcome.result in {"failed", "not-rebooted"}:
        return ["See `journalctl -t maestro-agent -t systemd-logind`, then try again: `maestro-agent reboot`."]
    return []
