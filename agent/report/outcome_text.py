"""Renders `maestro.outcome/1` for people, and one run as a line of the history. Pure and light."""

from agent.core.package_label import label_of
from agent.report.layout import Line, Tone
from agent.report.plan_text import nothing_pending
from agent.report.provision_text import provision_lines
from agent.report.text import (
    counted,
    cve_suffix,
    held_lines,
    lists_lines,
    names,
    overridden_lines,
    reboot_line,
    requested_lines,
    requester_name,
    result_text,
    update_lines,
)
from agent.state.run_views import OutcomeView
from agent.state.timestamps import format_human
from agent.state.views import RunView

_SCOPES = {"all": " (all updates)", "provision": " (provision)"}
_BY_SCHEDULE = "schedule"


def outcome_lines(outcome: OutcomeView, *, running: bool = False, verbose: bool = False) -> list[str]:
    """Render a run: by source package, or with `verbose` every package."""
    duration = "" if outcome.duration_s is None or running else f" ({outcome.duration_s:.0f} s)"
    tone = Tone.FAILED if outcome.result in {"failed", "interrupted"} and not running else None
    lines: list[str] = [Line(f"Run {outcome.id}: {result_text(outcome, running=running)}{duration}", hang=2, tone=tone)]
    lines += requested_lines(outcome.requested)
    lines += [outcome.message] if outcome.message and not running else []
    lines += lists_lines(outcome.lists) if outcome.lists else []
    lines += _changed_lines(outcome, verbose=verbose)
    lines += overridden_lines(outcome.overridden)
    repaired = [part.label for part in outcome.repaired]
    if repaired:
        lines.append(f"Repaired after an interrupted dpkg: {', '.join(repaired)}")
    failed = {failure.label for failure in outcome.failed}
    begun = [part.label for part in outcome.underway if part.label not in failed]
    if begun and outcome.finished_at:
        lines.append(Line(f"Begun by dpkg, finished by the next run: {', '.join(begun)}", hang=4))
    lines += [
        Line(f"FAILED {failure.label} ({failure.stage}): {failure.error}", hang=4, tone=Tone.FAILED)
        for failure in outcome.failed
    ]
    if outcome.log and tone is Tone.FAILED:
        lines.append(log_line(outcome.log))
    lines += held_lines(outcome.held, verbose=verbose)
    lines += [
        f"Kept your {name}; the package's version is next to it (.dpkg-dist or .dpkg-new)"
        for name in outcome.conffiles_kept
    ]
    if outcome.finished_at:
        lines += [*provision_lines(outcome.provision), reboot_line(outcome.reboot)]
    return lines


def log_line(path: str) -> str:
    """Return where the output of dpkg and the maintainer scripts is."""
    return f"Output of the package manager: {path}"


def undo_lines(outcome: OutcomeView) -> list[str]:
    """Return the command that takes a run back; in backquotes, so that it stays on one line."""
    command, obstacle = outcome.undo or (None, None)
    if obstacle:
        return [Line(f"To undo it, apt-get is not enough: {obstacle}.", hang=2)]
    if not command:
        return []
    return [
        Line(f"To undo it: `{command}`", hang=2),
        Line("Put the packages on hold (`apt-mark hold`) as well, or the next run upgrades them again.", hang=2),
    ]


def history_cells(run: RunView, *, running: bool = False) -> tuple[str, ...]:
    """Return one run as cells: id, start, who requested it, duration, result and counts."""
    counts = [
        f"{count} {word}"
        for count, word in (
            (run.upgraded_count, "installed"),
            (run.removed_count, "removed"),
            (run.held_count if run.result != "degraded" else 0, "held back"),
            (len(run.failed), "failed"),
        )
        if count
    ]
    duration = f"{run.duration_s:.0f} s" if run.duration_s is not None and not running else "-"
    result = "running" if running else result_text(run)
    result += _SCOPES.get(run.scope, "")
    result += f" (only {', '.join(run.requested)})" if run.requested else ""
    return (
        run.id,
        format_human(run.started_at),
        requester(run),
        duration,
        ", ".join((result, *counts)),
    )


def requester(run: RunView) -> str:
    """Return who requested a run: "timer", a person's name, or "-" for runs of earlier versions."""
    return "timer" if run.requested_by == _BY_SCHEDULE else requester_name(run.requested_by)


def _changed_lines(outcome: OutcomeView, *, verbose: bool) -> list[str]:
    """List what was installed and removed."""
    lines: list[str] = []
    if outcome.changed:
        count = counted(len(outcome.changed), "package")
        lines.append(f"{count} installed or upgraded{cve_suffix(outcome.changed)}:")
        lines += update_lines(outcome.changed, verbose=verbose)
    elif outcome.result == "up-to-date":
        lines.append(nothing_pending(outcome.scope, len(outcome.held)))
    if outcome.superseded:
        lines.append(f"{counted(len(outcome.superseded), 'obsolete kernel package')} removed:")
    lines += [
        f"  {name} {part.installed}" for name, part in zip(names(outcome.superseded), outcome.superseded, strict=True)
    ]
    if outcome.unused:
        lines.append(f"{counted(len(outcome.unused), 'package')} removed that nothing needs after this upgrade:")
    lines += [f"  {name} {part.installed}" for name, part in zip(names(outcome.unused), outcome.unused, strict=True)]
    planned = {f"{part.package}:{part.architecture}" for part in (*outcome.superseded, *outcome.unused)}
    taken_by = outcome.replaced_by
    lines += [f"Removed {label_of(name)}: replaced by {taken_by[name]}" for name in outcome.removed if name in taken_by]
    return lines + [
        f"GONE {label_of(name)}: removed by dpkg, because an upgrade took over its last file"
        for name in outcome.removed
        if name not in planned and name not in taken_by
    ]
