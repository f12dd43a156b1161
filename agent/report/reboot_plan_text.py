"""Renders what `reboot` is about to do, for a person who has to agree, and what is scheduled. Pure.

The plan is `maestro.reboot-outcome/1` of a dry run; the containers are as they run now.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from agent.core.docker.boot import BootFate
from agent.core.reboot.model import RebootSchedule
from agent.report.layout import Line, Tone, field
from agent.report.reboot_outcome_text import duration, gate_lines, gate_reason, headline, next_steps
from agent.report.text import counted
from agent.state.reboot_outcome_view import RebootOutcomeView
from agent.state.timestamps import format_human

_WIDTH = 13
NO_CONTAINERS = BootFate()


def reboot_plan_lines(
    plan: RebootOutcomeView, containers: BootFate = NO_CONTAINERS, hooks: Sequence[str] = ()
) -> list[str]:
    """Render why a reboot is required, the gates, the hooks, and the containers that do not come back."""
    shut = [gate for gate in plan.gates if gate.blocks or gate.passed]
    clear = [gate.gate for gate in plan.gates if gate.verdict == "open"]
    return [
        Line(plan_headline(plan), hang=2, tone=Tone.ATTENTION if plan.result == "blocked" else None),
        field("Required", _required(plan), width=_WIDTH),
        *_kernel_lines(plan),
        *(["Gates:"] if plan.gates else []),
        *gate_lines(shut),
        *([Line(f"  + {', '.join(clear)}: open", hang=4)] if clear else []),
        *([field("Hooks", f"{', '.join(hooks)}: run before the reboot", width=_WIDTH)] if hooks else []),
        *_container_lines(containers),
        *(field("Next", step, width=_WIDTH) for step in next_steps(plan)),
    ]


def plan_headline(plan: RebootOutcomeView) -> str:
    """Return what a reboot would do now."""
    if plan.result == "not-required":
        return "No reboot is required: nothing would be done."
    if plan.blocked and plan.blocked.until and plan.blocked.gate == "sessions":
        until = format_human(plan.blocked.until)
        return f"A reboot asks users to log out, and waits until {until} at most: {gate_reason(plan.blocked)}."
    if plan.blocked:
        return f"No reboot now: {gate_reason(plan.blocked).rstrip('.')}."
    return headline(plan)


def reboot_question(plan: RebootOutcomeView, host: str) -> str:
    """Return what is asked on a terminal."""
    if plan.blocked and plan.blocked.until:
        return f"Ask users to log out, wait until {format_human(plan.blocked.until)} at most, then reboot {host}?"
    return f"Reboot {host} now?"


def schedule_lines(
    schedule: RebootSchedule, now: datetime, *, if_required: bool, replaced: RebootSchedule | None = None
) -> list[str]:
    """Render a reboot that is scheduled, and the one in whose place it is."""
    needed = ", if one is required then" if if_required else ""
    before = [f"The one that was scheduled for {format_human(replaced.at)} is replaced."] if replaced else []
    return [
        Line(
            f"The reboot is scheduled for {format_human(schedule.at)}, in {_ahead(schedule.at - now)}{needed}.", hang=2
        ),
        *before,
        Line(f"While a gate is closed then, it is tried again until {format_human(schedule.until)}.", hang=2),
        Line("`maestro-agent reboot --cancel` ends it; `maestro-agent explain reboot` shows the gates.", hang=2),
    ]


def _required(plan: RebootOutcomeView) -> str:
    if plan.required is None:
        return "unknown"
    if not plan.required:
        return "no"
    since = f", since {format_human(plan.required_since)}" if plan.required_since else ""
    return f"by {', '.join(plan.packages) or 'a package that is not named'}{since}"


def _kernel_lines(plan: RebootOutcomeView) -> list[str]:
    before, expected = plan.kernel_before, plan.kernel_expected
    if not before:
        return []
    boots = f", {expected} boots" if expected and expected != before else ""
    return [field("Kernel", f"{before} runs{boots}", width=_WIDTH)]


def _container_lines(containers: BootFate) -> list[str]:
    """Name the running containers that nobody starts after a reboot."""
    again, left = len(containers.again), [f"{one.name} ({one.policy.value})" for one in containers.left]
    parts = [f"{counted(again, 'container')} started again by Docker"] if again else []
    parts += [f"NOT started again, by restart policy: {', '.join(left)}"] if left else []
    tone = Tone.ATTENTION if left else None
    return [field("" if place else "Docker", part, width=_WIDTH, tone=tone) for place, part in enumerate(parts)]


def _ahead(delay: timedelta) -> str:
    """Return a delay in its largest units: "2 d 3 h", "35 min"."""
    hours = round(delay.total_seconds() / 3600)
    if hours < 48:  # noqa: PLR2004 - two days
        return duration(max(delay.total_seconds(), 0.0))
    days, rest = divmod(hours, 24)
    return f"{days} d {rest} h" if rest else f"{days} d"
