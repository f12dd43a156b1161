"""Renders documents as lines for people: a plan, an outcome, the history. Pure; `--json` prints the same documents."""

from collections import Counter
from collections.abc import Iterable, Sequence

from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_human
from agent.state.views import (
    HeldView,
    ListsView,
    OutcomeView,
    PackageView,
    PlanView,
    RebootView,
    RunView,
    StepView,
    UpdateView,
)

_CVES_PER_LINE, _MAX_CVES = 6, 60
_SIGN = {"open": "+", "shut": "-", "unknown": "?"}


def plan_lines(plan: PlanView) -> list[str]:
    """Render `maestro.plan/1`."""
    lines = lists_lines(plan.lists)
    what = "security update" if plan.scope == "security" else "update"
    steps = step_lines(plan)
    if steps or plan.lists.state != "never":
        lines.append(f"{counted(len(steps), what)} to install{cve_suffix(plan.install)}{':' if steps else '.'}")
    lines += [f"  {step}" for step in steps]
    lines += removal_lines(plan)
    lines += held_lines(plan.held)
    unfinished = [f"{part.package} ({part.state})" for part in plan.repair]
    if unfinished:
        lines.append(
            f"Unfinished or broken (`maestro-agent upgrade` repairs them as far as dpkg can): {', '.join(unfinished)}"
        )
    if plan.other_updates:
        count = counted(plan.other_updates, "other update")
        lines.append(f"{count} available; `upgrade --all` installs them.")
    lines += unlabelled_lines(plan)
    lines.append(reboot_line(plan.reboot))
    lines.append(f"Plan {plan.id}")
    return lines


def outcome_lines(outcome: OutcomeView) -> list[str]:
    """Render `maestro.outcome/1`."""
    lines = [f"Run {outcome.id}: {outcome.result}{_duration(outcome)}"]
    lines += [outcome.message] if outcome.message else []
    lines += lists_lines(outcome.lists) if outcome.lists else []
    lines += _changed_lines(outcome)
    repaired = [part.package for part in outcome.repaired]
    if repaired:
        lines.append(f"Repaired after an interrupted dpkg: {', '.join(repaired)}")
    lines += [f"FAILED {failure.package} ({failure.stage}): {failure.error}" for failure in outcome.failed]
    lines += held_lines(outcome.held)
    lines += [
        f"Kept your {name}; the package's version is next to it (.dpkg-dist or .dpkg-new)"
        for name in outcome.conffiles_kept
    ]
    if outcome.finished_at:
        lines.append(reboot_line(outcome.reboot))
    return lines


def _changed_lines(outcome: OutcomeView) -> list[str]:
    """List what was installed and removed."""
    lines = []
    if outcome.changed:
        count = counted(len(outcome.changed), "package")
        lines.append(f"{count} installed or upgraded{cve_suffix(outcome.changed)}:")
    lines += [
        f"  {name} {part.installed or '(new)'} -> {part.candidate}{cve_count(part)}"
        for name, part in zip(_names(outcome.changed), outcome.changed, strict=True)
    ]
    if outcome.superseded:
        lines.append(f"{counted(len(outcome.superseded), 'obsolete kernel package')} removed:")
    lines += [
        f"  {name} {part.installed}" for name, part in zip(_names(outcome.superseded), outcome.superseded, strict=True)
    ]
    planned = {f"{part.package}:{part.architecture}" for part in outcome.superseded}
    return lines + [
        f"GONE {name}: removed by dpkg, because an upgrade took over its last file"
        for name in outcome.removed
        if name not in planned
    ]


def explanation_lines(document: JsonReader) -> list[str]:
    """Render `maestro.explain/1`."""
    subject = document.text("subject")
    if subject == "package":
        versions = document.optional_text("installed") or "not installed"
        candidate = document.optional_text("candidate")
        subject = f"{document.text('package')} {versions}{f' -> {candidate}' if candidate else ''}"
    lines = [f"{subject}: {document.text('conclusion')}", *_cve_lines(document)]
    for gate in document.children("gates"):
        lines.append(f"  {_SIGN.get(gate.text('verdict'), '?')} {gate.text('gate'):<16} {gate.text('reason')}")
        opens = gate.optional_text("opens")
        if opens:
            lines.append(f"    {'':<16} opens: {opens}")
    return lines


def history_line(run: RunView) -> str:
    """Render one run as a line of `history`."""
    counts = [
        f"{count} {word}"
        for count, word in (
            (run.upgraded_count, "installed"),
            (run.removed_count, "removed"),
            (run.held_count, "held"),
            (len(run.failed), "failed"),
        )
        if count
    ]
    return f"{run.id:<20} {run.scope:<9} {run.result:<11} {', '.join(counts) or '-'}"


def lists_lines(lists: ListsView) -> list[str]:
    """Render how current the package lists are, and the sources with errors."""
    updated = format_human(lists.updated_at) if lists.updated_at else None
    words = {
        "fresh": f"Package lists are fresh (verified {updated}).",
        "partial": "Package lists of security sources are fresh, those of other sources are not:",
        "stale": f"Package lists are STALE (last verified {updated or 'never'}): updates may be missing.",
        "never": "There are NO package lists of security sources: pending security updates are unknown.",
    }
    lines = [words.get(lists.state, f"Package lists: {lists.state}.")]
    return lines + [f"  {error.source}: {error.fault}: {error.detail}" for error in lists.errors]


def held_lines(held: Sequence[HeldView]) -> list[str]:
    """List held updates with their reasons."""
    if not held:
        return []
    lines = [f"{len(held)} held back:"]
    for name, part in zip(_names(held), held, strict=True):
        versions = f"{part.installed or '(new)'} -> {part.candidate}{cve_count(part)}"
        lines.append(f"  {name} {versions}: {part.why}: {part.detail}")
    return lines


def removal_lines(plan: PlanView) -> list[str]:
    """List obsolete kernel packages: those to remove, and those kept with the reason."""
    going = [f"  {name} {part.installed}" for name, part in zip(_names(plan.remove), plan.remove, strict=True)]
    staying = [f"  {name}: {part.reason}" for name, part in zip(_names(plan.kept), plan.kept, strict=True)]
    lines = [f"{counted(len(going), 'obsolete kernel package')} to remove:", *going] if going else []
    return [*lines, "Obsolete kernel packages that are kept:", *staying] if staying else lines


def step_lines(plan: PlanView) -> list[str]:
    """Render the steps of a plan: package, versions, origin."""
    return _step_lines(plan.install)


def unlabelled_lines(plan: PlanView) -> list[str]:
    """List updates with a security fix whose origin is not a security origin."""
    lines = [f"  {line}" for line in _step_lines(plan.hidden_security)]
    return [f"{counted(len(lines), 'other update')} with a security fix:", *lines] if lines else []


def cve_count(part: UpdateView) -> str:
    """Return ", 2 CVEs" or ", at least 2 CVEs"; empty if unknown or none."""
    if not part.cves:
        return ""
    return f", {'' if part.cves_complete else 'at least '}{counted(len(part.cves), 'CVE')}"


def cve_suffix(parts: Iterable[UpdateView]) -> str:
    """Return the number of CVEs that updates fix together; "at least" if some changelog was not read completely."""
    known = [part for part in parts if part.installed]  # a new package fixes nothing on this machine
    found = {cve for part in known for cve in part.cves or ()}
    complete = all(part.cves_complete for part in known)
    return f", fixing {'' if complete else 'at least '}{counted(len(found), 'CVE')}" if found else ""


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: "No updates", "1 update", "2 updates"."""
    return f"{count or 'No'} {noun}{'' if count == 1 else 's'}"


def reboot_line(reboot: RebootView | None) -> str:
    """Render whether a reboot is required; None means unknown."""
    if reboot is None:
        return "Unknown whether a reboot is required."
    if not reboot.required:
        return "No reboot is required."
    by = f" by {', '.join(reboot.packages)}" if reboot.packages else ""
    since = f" since {format_human(reboot.since)}" if reboot.since else ""
    return f"A reboot is required{by}{since}. The agent never reboots by itself."


def _step_lines(steps: Sequence[StepView]) -> list[str]:
    lines = []
    for name, step in zip(_names(steps), steps, strict=True):
        origin = "/".join(part for part in (step.origin, step.archive) if part)
        lines.append(f"{name} {step.installed or '(new)'} -> {step.candidate} ({origin}){cve_count(step)}")
    return lines


def _names(parts: Sequence[PackageView]) -> list[str]:
    """Return each package's name, with its architecture where a name occurs more than once."""
    counts = Counter(part.package for part in parts)
    return [part.package if counts[part.package] == 1 else f"{part.package}:{part.architecture}" for part in parts]


def _cve_lines(document: JsonReader) -> list[str]:
    """List CVE ids, several per line, at most one screen."""
    cves = (document.optional_texts("cves") if document.text("subject") == "package" else None) or []
    lines = [
        f"  {', '.join(cves[start : start + _CVES_PER_LINE])}"
        for start in range(0, min(len(cves), _MAX_CVES), _CVES_PER_LINE)
    ]
    if len(cves) > _MAX_CVES:
        lines.append(f"  and {len(cves) - _MAX_CVES} more (--json)")
    at_least = "" if document.raw.get("cves_complete") else "at least "
    return [f"  fixes {at_least}{counted(len(cves), 'CVE')}, according to its changelog:", *lines] if cves else []


def _duration(outcome: OutcomeView) -> str:
    return " (no end recorded)" if outcome.duration_s is None else f" in {outcome.duration_s:.0f} s"
