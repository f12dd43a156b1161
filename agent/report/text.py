"""What several screens show: updates by source package, held updates, package lists, the reboot. Pure and light.

Lines are of any length; `agent.report.layout` fits them to a terminal. `--json` prints the same documents.
"""

import re
from collections.abc import Iterable, Sequence

from agent.core.package_label import package_labels
from agent.core.pattern import lazy_pattern
from agent.report.layout import Line, Tone, columns
from agent.state.lists_view import ListsView
from agent.state.overridden_view import OverriddenView
from agent.state.timestamps import format_human
from agent.state.views import HeldView, PackageView, RebootView, RunView, StepView, UpdateView

_MORE = "and {} more (-v)"
_UNHOLD = "`apt-mark unhold`"
"""Command in the reason of a package on hold, shown with the packages of its source."""


_OF_ENDPOINT = lazy_pattern(r"request [0-9a-f-]{36} by (.*)", re.DOTALL)
"""`requested_by` of a run that a request of the endpoint caused."""
_RESULTS = {
    "up-to-date": "nothing to do",
    "updated": "done",
    "degraded": "done",
    "failed": "FAILED",
    "interrupted": "interrupted",
    "busy": "not started, the package manager was busy",
    "deferred": "nothing installed, a hook asks for a later time",
    "stale": "nothing done, the package lists are out of date",
}
"""Words for people; documents keep the value."""


def requester_name(requested_by: str) -> str:
    """Return who requested a run, for a column: a name, that of a person with a request of the endpoint, or "-"."""
    found = _OF_ENDPOINT.fullmatch(requested_by)
    return f"{found[1]} (request)" if found else requested_by or "-"


class SourceGroup:
    """Updates of one source package from and to the same versions."""

    def __init__(self, packages: Sequence[str], parts: Sequence[UpdateView]) -> None:
        """Take the packages' names as a person types them, and the updates."""
        first = parts[0]
        self.packages = packages
        self.name = f"{first.source} ({len(parts)} packages)" if len(parts) > 1 else packages[0]
        self.versions = f"{first.installed or '(new)'} -> {first.candidate}"
        self.parts = parts
        self.cves = list(dict.fromkeys(cve for part in parts for cve in part.cves or ()))
        """CVE ids that any of them fixes."""
        self.cves_complete = all(part.cves_complete for part in parts if part.cves is not None)

    @property
    def origins(self) -> str:
        """Where the updates come from; empty for documents that do not hold it."""
        return ", ".join(dict.fromkeys(origin_of(part) for part in self.parts if isinstance(part, StepView)))

    def cve_lines(self, indent: int, *, verbose: bool) -> list[Line]:
        """Name the CVE ids: as many as fit on one line, or all."""
        if not self.cves:
            return []
        at_least = "" if self.cves_complete else "at least "
        text = f"{' ' * indent}{at_least}{counted(len(self.cves), 'CVE')}: {', '.join(self.cves)}"
        return [Line(text, hang=indent, more="" if verbose else _MORE)]


def by_source(parts: Sequence[UpdateView], *, verbose: bool = False) -> list[SourceGroup]:
    """Group updates by source package and versions, held ones also by reason; with `verbose` each is a group."""
    found: dict[object, list[UpdateView]] = {}
    labels = dict(zip(map(id, parts), names(parts), strict=True))
    for part in parts:
        reason = (part.why, part.detail) if isinstance(part, HeldView) else None
        key = id(part) if verbose else (part.source, part.installed, part.candidate, reason)
        found.setdefault(key, []).append(part)
    return [SourceGroup([labels[id(part)] for part in group], group) for group in found.values()]


def update_lines(
    parts: Sequence[UpdateView], *, indent: int = 2, verbose: bool = False, most: int | None = None
) -> list[str]:
    """List updates by source package with the CVEs that they fix; with `verbose` each package with its origin.

    `most` limits the number of source packages; the caller names how many are left out.
    """
    groups = by_source(parts, verbose=verbose)[:most]
    rows = columns(
        [(group.name, group.versions, *([group.origins] if verbose and group.origins else [])) for group in groups],
        indent=indent,
    )
    return [
        line
        for row, group in zip(rows, groups, strict=True)
        for line in (row, *group.cve_lines(indent + 4, verbose=verbose))
    ]


def held_update_lines(held: Sequence[HeldView], *, indent: int = 2, verbose: bool = False) -> list[str]:
    """List held updates by source package, each with its reason below it."""
    groups = by_source(held, verbose=verbose)
    rows = columns([(group.name, group.versions) for group in groups], indent=indent, tone=Tone.HELD)
    lines: list[str] = []
    for row, group in zip(rows, groups, strict=True):
        why = held_reason(group.parts[0], verbose=verbose)
        why = with_packages(why, group.packages)
        reason = Line(f"{' ' * (indent + 4)}{why}", hang=indent + 4, tone=Tone.HELD)
        lines += [row, reason, *group.cve_lines(indent + 4, verbose=verbose)]
    return lines


def with_packages(why: str, packages: Sequence[str]) -> str:
    """Return the reason of held packages with their names in the command that opens their hold."""
    return why.replace(_UNHOLD, f"{_UNHOLD[:-1]} {' '.join(packages)}`")


def held_reason(part: UpdateView, *, verbose: bool = False) -> str:
    """Return why an update is held: the sentence, with `verbose` also the code that documents have."""
    if not isinstance(part, HeldView):
        return ""
    return f"{part.why}: {part.detail}" if verbose or not part.detail else part.detail


def held_lines(held: Sequence[HeldView], *, verbose: bool = False) -> list[str]:
    """List held updates below a heading; nothing if there are none."""
    if not held:
        return []
    return [Line(f"{len(held)} held back:", tone=Tone.HELD), *held_update_lines(held, verbose=verbose)]


def esm_only_lines(fixes: Sequence[HeldView], *, verbose: bool = False) -> list[str]:
    """List fixes that only Ubuntu Pro has below a heading; nothing if there are none."""
    if not fixes:
        return []
    count = f"{len(fixes)} fix{'es' if len(fixes) > 1 else ''}"
    return [f"{count} only in Ubuntu Pro (`pro attach`, `pro enable`):", *update_lines(fixes, verbose=verbose)]


def overridden_lines(steps: Sequence[OverriddenView]) -> list[str]:
    """List the steps that would have to wait, each with the reason; nothing if there are none."""
    if not steps:
        return []
    head = Line("Not waiting, because requested, or because not every CVE of it is snoozed:", hang=2)
    return [head, *(Line(f"  {one.label}: {one.detail or one.why}", hang=4) for one in steps)]


def requested_lines(requested: Sequence[str]) -> list[str]:
    """Say that a plan or a run is limited to some packages."""
    return [Line(f"Only as requested: {', '.join(requested)}, and dependencies.")] if requested else []


def lists_lines(lists: ListsView) -> list[str]:
    """Render how current the package lists are, and the sources with errors."""
    updated = format_human(lists.updated_at) if lists.updated_at else None
    words = {
        "fresh": f"Package lists are fresh (verified {updated}).",
        "partial": f"Some package lists could not be fetched; those of security sources were verified {updated}:",
        "stale": f"Package lists are STALE (last verified {updated or 'never'}): updates may be missing.",
        "never": "There are NO package lists of security sources: pending security updates are unknown.",
    }
    head = Line(
        words.get(lists.state, f"Package lists: {lists.state}."),
        tone=Tone.FAILED if lists.state in {"stale", "never"} else None,
    )
    return [head, *(f"  {error.source}: {error.fault}: {error.detail}" for error in lists.errors)]


def reboot_line(reboot: RebootView | None) -> str:
    """Render whether a reboot is required; None means unknown."""
    if reboot is None:
        return "Unknown whether a reboot is required."
    if not reboot.required:
        return "No reboot is required."
    names = [f"{name}, removed since" if name in reboot.removed else name for name in reboot.packages]
    by = f" ({'; '.join(names) if reboot.removed else ', '.join(names)})" if names else ""
    since = f" since {format_human(reboot.since)}" if reboot.since else ""
    return f"Reboot required{by}{since}: `maestro-agent explain reboot`."


def origin_of(step: StepView) -> str:
    """Return origin and archive: "Debian stable-security"."""
    return " ".join(part for part in (step.origin, step.archive) if part)


def cve_suffix(parts: Iterable[UpdateView]) -> str:
    """Return the number of CVEs that updates fix together; "at least" if some changelog was not read completely."""
    known = [part for part in parts if part.installed]  # a new package fixes nothing on this machine
    found = {cve for part in known for cve in part.cves or ()}
    complete = all(part.cves_complete for part in known)
    return f", fixing {'' if complete else 'at least '}{counted(len(found), 'CVE')}" if found else ""


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: "No updates", "1 update", "2 updates"."""
    return f"{count or 'No'} {noun}{'' if count == 1 else 's'}"


def names(parts: Sequence[PackageView]) -> list[str]:
    """Return each package's name, with its architecture where a name occurs more than once."""
    return package_labels([(part.package, part.architecture) for part in parts])


def others_text(count: int, held: int) -> str:
    """Return what `upgrade --all` does with updates that are no security updates, some of which a gate holds."""
    if count == held:
        return "held back: `maestro-agent upgrade --all --dry-run` says why"
    if held:
        return f"`maestro-agent upgrade --all` installs {count - held}, {held} held back"
    return "`maestro-agent upgrade --all` installs them"


def result_text(run: RunView, *, running: bool = False) -> str:
    """Return a run's result in words: "done, 3 held back"; `running`: it is in progress now."""
    if running:
        return f"running since {format_human(run.started_at)}"
    if run.result == "interrupted" and run.finished_at is None:
        return "interrupted, its end is not on record"
    words = _RESULTS.get(run.result, run.result)
    if run.result != "degraded":
        return words
    return f"{words}, {run.held_count} held back" if run.held_count else f"{words}, but not completely"
