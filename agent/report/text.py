"""Documents to lines for people: a plan, a run, the history. Pure; the same documents are what `--json` prints."""

from collections.abc import Iterable

from agent.state.json_reader import JsonReader

_A_LINE, _SHOWN = 6, 60
"""How many CVE ids stand on a line, and how many are shown at most."""
_SIGN = {"open": "+", "shut": "-", "unknown": "?"}


def plan_lines(plan: JsonReader) -> list[str]:
    """Render `maestro.plan/1`."""
    lines = lists_lines(plan.child("lists"))
    what = "security update" if plan.text("scope") == "security" else "update"
    steps = step_lines(plan)
    if steps or plan.child("lists").text("state") != "never":
        lines.append(
            f"{counted(len(steps), what)} to install{cve_suffix(plan.children('install'))}{':' if steps else '.'}"
        )
    lines += [f"  {step}" for step in steps]
    lines += removal_lines(plan)
    lines += held_lines(plan)
    unfinished = [f"{part.text('package')} ({part.text('state')})" for part in plan.children("repair")]
    if unfinished:
        lines.append(f"Unfinished or broken (`maestro-agent upgrade` repairs what dpkg can): {', '.join(unfinished)}")
    others = int(plan.number("other_updates"))
    if others:
        lines.append(f"{counted(others, 'other update')} on offer, not installed on their own (`upgrade --all`).")
    lines += unlabelled_lines(plan)
    lines.append(reboot_line(plan.optional_child("reboot")))
    lines.append(f"Plan {plan.text('id')}")
    return lines


def outcome_lines(outcome: JsonReader) -> list[str]:
    """Render `maestro.outcome/1`."""
    lines = [f"Run {outcome.text('id')}: {outcome.text('result')}{_duration(outcome)}"]
    if outcome.text("message"):
        lines.append(outcome.text("message"))
    lists = outcome.optional_child("lists")
    lines += lists_lines(lists) if lists else []
    changed = [*outcome.children("upgraded"), *outcome.children("new")]
    if changed:
        lines.append(f"{counted(len(changed), 'package')} brought to a new version{cve_suffix(changed)}:")
    lines += [
        f"  {name} {part.optional_text('from') or '(new)'} -> {part.text('to')}{cve_count(part)}"
        for name, part in _named(changed)
    ]
    superseded = list(outcome.optional_children("superseded"))
    planned = {f"{part.text('package')}:{part.text('architecture')}" for part in superseded}
    if superseded:
        lines.append(f"{counted(len(superseded), 'package')} of superseded kernels removed:")
    lines += [f"  {name} {part.text('installed')}" for name, part in _named(superseded)]
    lines += [
        f"GONE {name}: an upgrade took over its last file, so dpkg removed it"
        for name in outcome.texts("removed")
        if name not in planned
    ]
    repaired = [part.text("package") for part in outcome.children("repaired")]
    if repaired:
        lines.append(f"Repaired after an interrupted dpkg: {', '.join(repaired)}")
    for failure in outcome.children("failed"):
        lines.append(f"FAILED {failure.text('package')} ({failure.text('stage')}): {failure.text('error')}")
    lines += held_lines(outcome)
    lines += [
        f"Kept your {name}; the package's own is beside it (.dpkg-dist or .dpkg-new)"
        for name in outcome.texts("conffiles_kept")
    ]
    if outcome.optional_text("finished_at"):
        lines.append(reboot_line(outcome.optional_child("reboot")))
    return lines


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


def history_line(outcome: JsonReader) -> str:
    """Render one run as a line of `history`."""
    counts = [
        f"{count} {word}"
        for count, word in (
            (outcome.count("upgraded") + outcome.count("new"), "installed"),
            (outcome.count("removed"), "removed"),
            (outcome.count("held"), "held"),
            (outcome.count("failed"), "failed"),
        )
        if count
    ]
    result = outcome.text("result")
    return f"{outcome.text('id'):<20} {outcome.text('scope'):<9} {result:<11} {', '.join(counts) or '-'}"


def lists_lines(lists: JsonReader) -> list[str]:
    """Say how far the lists can be believed, and each source that is in the way."""
    state = lists.text("state")
    words = {
        "fresh": f"Package lists are fresh (verified {lists.optional_text('updated_at')}).",
        "partial": "Package lists of security updates are fresh, but not those of every source:",
        "stale": f"Package lists are STALE (last verified {lists.optional_text('updated_at') or 'never'}): "
        "there may be updates that they do not show.",
        "never": "There are NO package lists of security updates: whether any are pending is not known.",
    }
    lines = [words.get(state, f"Package lists: {state}.")]
    lines += [_source_error(error) for error in lists.children("errors")]
    return lines


def held_lines(document: JsonReader) -> list[str]:
    """List what is held back and why."""
    count = document.count("held")
    if not count:
        return []
    lines = [f"{count} held back:"]
    for name, held in _named(document.children("held")):
        versions = f"{held.optional_text('installed') or '(new)'} -> {held.text('candidate')}{cve_count(held)}"
        lines.append(f"  {name} {versions}: {held.text('why')}: {held.text('detail')}")
    return lines


def removal_lines(plan: JsonReader) -> list[str]:
    """Say which packages of superseded kernels would be removed, and which stay and why."""
    going = [f"  {name} {part.text('installed')}" for name, part in _named(plan.optional_children("remove"))]
    staying = [f"  {name}: {part.text('reason')}" for name, part in _named(plan.optional_children("kept"))]
    lines = [f"{counted(len(going), 'package')} of superseded kernels to remove:", *going] if going else []
    return [*lines, "Kernel packages that nothing needs, kept all the same:", *staying] if staying else lines


def step_lines(plan: JsonReader) -> list[str]:
    """Render the steps of a plan: package, versions, where from."""
    lines = []
    for name, step in _named(plan.children("install")):
        where = "/".join(part for part in (step.text("origin"), step.text("archive")) if part)
        installed = step.optional_text("installed") or "(new)"
        lines.append(f"{name} {installed} -> {step.text('candidate')} ({where}){cve_count(step)}")
    return lines


def unlabelled_lines(plan: JsonReader) -> list[str]:
    """List updates that their origin does not call security updates, but that hold a security fix."""
    found = _named(plan.optional_children("hidden_security"))
    if not found:
        return []
    lines = [f"{counted(len(found), 'other update')} with a security fix all the same:"]
    for name, update in found:
        where = "/".join(part for part in (update.text("origin"), update.text("archive")) if part)
        versions = f"{update.text('installed')} -> {update.text('candidate')}"
        lines.append(f"  {name} {versions} ({where}){cve_count(update)}")
    return lines


def cve_count(part: JsonReader) -> str:
    """Say how many CVEs an update fixes, behind a comma; nothing where it is not known, or none is named."""
    cves = part.optional_texts("cves")
    if not cves:
        return ""
    return f", {'' if part.boolean('cves_complete') else 'at least '}{counted(len(cves), 'CVE')}"


def cve_suffix(parts: Iterable[JsonReader]) -> str:
    """Say how many CVEs updates fix together; "at least" where not every one was read to its end."""
    found: set[str] = set()
    complete = True
    for part in parts:
        if part.optional_text("installed") or part.optional_text("from"):  # what is new fixes nothing here
            found.update(part.optional_texts("cves") or ())
            complete = complete and part.raw.get("cves_complete") is True
    return f", fixing {'' if complete else 'at least '}{counted(len(found), 'CVE')}" if found else ""


def counted(count: int, noun: str) -> str:
    """Write a number with its noun: "No updates", "1 update", "2 updates"."""
    return f"{count or 'No'} {noun}{'' if count == 1 else 's'}"


def reboot_line(reboot: JsonReader | None) -> str:
    """Say whether a reboot is required."""
    if reboot is None:
        return "Whether a reboot is required could not be seen."
    if not reboot.boolean("required"):
        return "No reboot is required."
    packages = reboot.texts("packages")
    by = f" by {', '.join(packages)}" if packages else ""
    since = f" since {reboot.text('since')}" if reboot.optional_text("since") else ""
    return f"A reboot is required{by}{since}. It is never taken unasked."


def _named(parts: Iterable[JsonReader]) -> list[tuple[str, JsonReader]]:
    """Pair each part with its package's name, and its architecture where one name stands for several."""
    found = list(parts)
    names = [part.text("package") for part in found]
    return [
        (name if names.count(name) == 1 else f"{name}:{part.text('architecture')}", part)
        for name, part in zip(names, found, strict=True)
    ]


def _cve_lines(document: JsonReader) -> list[str]:
    """List CVE ids, a few a line, and no more than a screen holds."""
    cves = (document.optional_texts("cves") if document.text("subject") == "package" else None) or []
    lines = [f"  {', '.join(cves[start : start + _A_LINE])}" for start in range(0, min(len(cves), _SHOWN), _A_LINE)]
    if len(cves) > _SHOWN:
        lines.append(f"  and {len(cves) - _SHOWN} more (--json)")
    at_least = "" if document.raw.get("cves_complete") else "at least "
    return [f"  fixes {at_least}{counted(len(cves), 'CVE')}, says its changelog:", *lines] if cves else []


def _source_error(error: JsonReader) -> str:
    return f"  {error.text('source')}: {error.text('fault')}: {error.text('detail')}"


def _duration(outcome: JsonReader) -> str:
    if outcome.optional_text("finished_at") is None:
        return " (no end on record)"
    return f" in {outcome.number('duration_s'):.0f} s"
