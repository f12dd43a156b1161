"""Renders `maestro.explain/1` for people. Pure."""

from agent.core.package_label import package_label
from agent.report.cve_text import cve_lines
from agent.report.exposure_text import fix_text
from agent.report.layout import Line, Tone
from agent.report.snooze_text import not_binding_lines
from agent.report.text import counted
from agent.state.exposure_view import FixView
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_human

_SIGN = {"open": "+", "shut": "-", "unknown": "?", "not-asked": " "}
_NO_OBSTACLE = {"installed", "offer", "required"}
"""Gates that say what there is to do; shut, they hold nothing back."""
_OWN_RULES = {"snooze", "soak"}
"""Gates of packages that the distribution's own daily job does not know."""
_SHARED = {
    ("open", "nothing in the way"): "clear",
    ("unknown", "no newer version to judge"): "no newer version to judge",
}
"""What gates that share one line have in common, by verdict and reason."""
_GATE_WIDTH = 17
_OPENS_HANG = 10
"""Of what opens a gate: its longest command fits into 60 columns."""
_CONCLUSIONS = {
    "would-install": "update pending, the next upgrade installs it",
    "held": "held back",
    "no-security-update": "up to date",
    "not-installed": "not installed",
    "esm-only": "up to date, but for a fix that only Ubuntu Pro has",
    "unfinished": "left unfinished by dpkg",
    "not-required": "not required",
    "required": "required",
    "restart-pending": "a restart is pending",
    "other-version-wanted": "the manifest wants another version",
    "as-wanted": "as the manifest wants",
    "not-managed": "not in the manifest",
    "unknown": "unknown",
}
_BY_OTHERS = {
    "unattended-upgrades": "update pending, left to unattended-upgrades; `maestro-agent upgrade` installs it now",
    "blacklist": (
        "update pending, and on the Package-Blacklist of unattended-upgrades; `maestro-agent upgrade` installs it"
    ),
    "nobody": "update pending, and nobody installs updates by themselves; `maestro-agent upgrade` installs it",
}
"""Where the daemon upgrades nothing, by who patches daily instead."""
_PHASES = {
    "waiting": "a reboot waits for a gate",
    "fired": "a reboot was triggered, and is not verified yet,",
}
_TONES = {
    "held": Tone.HELD,
    "would-install": Tone.ATTENTION,
    "required": Tone.ATTENTION,
    "unfinished": Tone.FAILED,
    "restart-pending": Tone.ATTENTION,
    "other-version-wanted": Tone.ATTENTION,
    "unknown": Tone.FAILED,
}


def explanation_lines(document: JsonReader, *, verbose: bool = False) -> list[str]:
    """Render the conclusion and the gates; without `verbose` those in `_SHARED` share one line each."""
    subject, conclusion = document.text("subject"), document.text("conclusion")
    if subject == "cve":
        return cve_lines(document)
    if subject == "package":
        versions = document.optional_text("installed")
        candidate = document.optional_text("candidate")
        subject = " ".join(
            (
                package_label(document.text("package"), document.text("architecture")),
                *([versions] if versions else []),
                *([f"-> {candidate}"] if candidate else []),
            )
        )
    text = _CONCLUSIONS.get(conclusion, conclusion)
    patcher = "blacklist" if document.optional_boolean("blacklisted") else str(document.optional_text("patcher"))
    if conclusion == "would-install" and patcher in _BY_OTHERS:
        text = _BY_OTHERS[patcher]
    head = Line(f"{subject}: {text}", tone=_TONES.get(conclusion))
    return [
        head,
        *_reboot_lines(document),
        *_cve_lines(document, verbose=verbose),
        *_fix_lines(document, verbose=verbose),
        *_gate_lines(document, verbose=verbose),
        *(not_binding_lines(patcher) if _waits(document) else []),
    ]


def _waits(document: JsonReader) -> bool:
    """Whether a package waits by a rule that only the agent goes by."""
    shut = {gate.text("gate") for gate in document.children("gates") if gate.text("verdict") == "shut"}
    return not shut.isdisjoint(_OWN_RULES)


def _gate_lines(document: JsonReader, *, verbose: bool) -> list[str]:
    lines: list[str] = []
    shared: dict[str, list[str]] = {text: [] for text in _SHARED.values()}
    gates = list(document.children("gates"))
    shown = [gate.text("gate") for gate in gates if verbose or _shared(gate) is None]
    width = max([_GATE_WIDTH, *(len(name) + 1 for name in shown)])
    for gate in gates:
        name, verdict, reason = gate.text("gate"), gate.text("verdict"), gate.text("reason")
        opens = gate.optional_text("opens")
        until = gate.optional_time("until")
        in_common = _shared(gate)
        if not verbose and in_common is not None:
            shared[in_common].append(name)
            continue
        blocks = verdict == "shut" and (name not in _NO_OBSTACLE or (name == "installed" and bool(opens)))
        sign = " " if verdict == "shut" and not blocks else _SIGN.get(verdict, "?")
        tone = Tone.HELD if blocks else None
        hang = width + 4
        text = reason
        if until and format_human(until) not in reason:
            text += f"; opens {format_human(until)}"
        lines.append(Line(f"  {sign} {name:<{width - 1}} {text}", hang=hang, tone=tone))
        if opens:
            lines.append(Line(f"{' ' * hang}opens: {opens}", hang=_OPENS_HANG, tone=tone))
    for (verdict, _), text in _SHARED.items():
        if shared[text]:
            lines.append(Line(f"  {_SIGN[verdict]} {', '.join(shared[text])}: {text}", hang=4))
    return lines


def _shared(gate: JsonReader) -> str | None:
    return _SHARED.get((gate.text("verdict"), gate.text("reason")))


def _reboot_lines(document: JsonReader) -> list[str]:
    """Return whether a reboot is under way or scheduled, and what of the record could not be read."""
    lines: list[str] = [Line(f"  ! {problem}", hang=4, tone=Tone.FAILED) for problem in _problems(document)]
    underway, scheduled = document.optional_child("underway"), document.optional_child("scheduled")
    if underway is not None:
        phase, retry_at = underway.text("phase"), underway.optional_time("retry_at")
        doing = _PHASES.get(phase, f"a reboot is under way ({phase})")
        again = f", next try {format_human(retry_at)}" if retry_at else ""
        lines.append(Line(f"  {doing} since {format_human(underway.time('since'))}{again}", hang=4))
    if scheduled is not None:
        by = f" by {scheduled.optional_text('requested_by')}" if scheduled.optional_text("requested_by") else ""
        when = format_human(scheduled.time("at"))
        lines.append(Line(f"  scheduled{by} for {when}; `maestro-agent reboot --cancel` cancels it", hang=4))
    provision_since = document.optional_time("provision_since")
    if provision_since is not None:
        since = format_human(provision_since)
        text = f"  provisioning waits to reboot since {since}; it asks every gate but policy and window"
        lines.append(Line(text, hang=4, tone=Tone.ATTENTION))
    theirs_at = document.optional_text("unattended_upgrades_at")
    if theirs_at is not None:
        text = f"  unattended-upgrades reboots after a run, if one is required: {theirs_at!r} (Automatic-Reboot-Time)"
        lines.append(Line(text, hang=4, tone=Tone.ATTENTION))
    return lines


def _problems(document: JsonReader) -> list[str]:
    return document.optional_texts("problems") or []


def _fix_lines(document: JsonReader, *, verbose: bool) -> list[str]:
    """Show the steps of the package's security fixes: those that are not active and the last one, or all."""
    if document.text("subject") != "package":
        return []
    fixes = [FixView(part) for part in document.optional_children("exposure")]
    shown = fixes if verbose else [fix for fix in fixes if fix.active_at is None] or fixes[:1]
    return [Line(f"  security fix {fix_text(fix)}", hang=4) for fix in shown]


def _cve_lines(document: JsonReader, *, verbose: bool) -> list[str]:
    """Name the CVE ids: as many as fit on one line, or all."""
    cves = (document.optional_texts("cves") if document.text("subject") == "package" else None) or []
    if not cves:
        return []
    at_least = "" if document.raw.get("cves_complete") else "at least "
    more = "" if verbose else "and {} more (-v)"
    return [
        f"  fixes {at_least}{counted(len(cves), 'CVE')}, according to its changelog:",
        Line(f"    {', '.join(cves)}", hang=4, more=more),
    ]
