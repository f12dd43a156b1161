"""Renders `maestro.explain/1` for people. Pure."""

from agent.core.package_label import package_label
from agent.report.cve_text import cve_lines
from agent.report.layout import Line, Tone
from agent.report.text import counted
from agent.state.json_reader import JsonReader

_SIGN = {"open": "+", "shut": "-", "unknown": "?"}
_NO_OBSTACLE = {"installed", "offer", "required"}
"""Gates that say what there is to do; shut, they hold nothing back."""
_CLEAR = "nothing in the way"
_GATE_WIDTH = 17
_CONCLUSIONS = {
    "would-install": "update pending, the next upgrade installs it",
    "held": "held back",
    "no-security-update": "up to date",
    "not-installed": "not installed",
    "unfinished": "left unfinished by dpkg",
    "not-required": "not required",
    "required": "required",
    "restart-pending": "a restart is pending",
    "other-version-wanted": "the manifest wants another version",
    "as-wanted": "as the manifest wants",
    "not-managed": "not in the manifest",
    "unknown": "unknown",
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
    """Render the conclusion and the gates; without `verbose` those with nothing in the way share one line."""
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
    head = Line(f"{subject}: {_CONCLUSIONS.get(conclusion, conclusion)}", tone=_TONES.get(conclusion))
    return [head, *_cve_lines(document, verbose=verbose), *_gate_lines(document, conclusion, verbose=verbose)]


def _gate_lines(document: JsonReader, conclusion: str, *, verbose: bool) -> list[str]:
    lines: list[str] = []
    clear = []
    for gate in document.children("gates"):
        name, verdict, reason = gate.text("gate"), gate.text("verdict"), gate.text("reason")
        opens = gate.optional_text("opens")
        if name == "owner" and conclusion != "required":
            continue  # nothing to open
        if not verbose and verdict == "open" and reason == _CLEAR:
            clear.append(name)
            continue
        blocks = verdict == "shut" and (name not in _NO_OBSTACLE or (name == "installed" and bool(opens)))
        sign = " " if verdict == "shut" and not blocks else _SIGN.get(verdict, "?")
        tone = Tone.HELD if blocks else None
        hang = _GATE_WIDTH + 4
        lines.append(Line(f"  {sign} {name:<{_GATE_WIDTH - 1}} {reason}", hang=hang, tone=tone))
        if opens:
            lines.append(Line(f"{' ' * hang}opens: {opens}", hang=hang + 7, tone=tone))
    if clear:
        lines.append(Line(f"  + {', '.join(clear)}: clear", hang=4))
    return lines


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
