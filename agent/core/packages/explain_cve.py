"""Explains a CVE: which updates fix it, and which installed versions fixed it, according to changelogs. Pure.

A CVE that no changelog names proves nothing: the machine may be affected, or never have been.
"""

import re
from collections.abc import Iterable, Sequence
from enum import Enum

from agent.core.frozen import frozen, replace
from agent.core.model.facts import Update
from agent.core.model.plan import Held, Plan, Step
from agent.core.model.waiting import Snooze
from agent.core.packages.cves import Findings, findings_of
from agent.core.pattern import lazy_pattern

_ID = lazy_pattern(r"CVE-((?:19|20)[0-9]{2})-([0-9]{4,12})")
_LIKE_AN_ID = lazy_pattern(r"cve-[0-9]{1,9}-[0-9]{1,99}", re.IGNORECASE)


class CveConclusion(Enum):
    """Conclusion about a CVE."""

    PENDING = "pending"
    """An update of the plan fixes it."""
    HELD = "held"
    """An update fixes it, and is held."""
    AVAILABLE = "available"
    """An update fixes it that is no security update."""
    FIXED = "fixed"
    """The changelog of an installed version names it, and that of no pending update does."""
    UNKNOWN = "unknown"
    """No changelog that is on this machine, or that a check has read, names it."""


@frozen
class InstalledFix:
    """An installed source package whose changelog names a CVE."""

    source: str
    installed: str
    """Its installed version."""
    fixed_in: str
    """The first version whose entry names it."""
    packages: tuple[str, ...]
    """Its installed packages."""


@frozen
class InstalledFixes:
    """What the changelogs on a machine say about one CVE."""

    found: tuple[InstalledFix, ...] = ()
    read: int = 0
    """Changelogs that were read."""
    complete: bool = True
    """Whether all that exist were read: there is a limit of time."""


@frozen
class CveExplanation:
    """Everything that is known about one CVE on this machine."""

    cve: str
    conclusion: CveConclusion
    pending: tuple[Step, ...]
    held: tuple[Held, ...]
    available: tuple[Update | Held, ...]
    """Updates that are no security updates; as held what a plan of all updates holds (`held_in`)."""
    unread: tuple[str, ...]
    """Packages with an update whose changelog was not read, or not completely."""
    installed: InstalledFixes
    snooze: Snooze | None = None
    """The snooze of this CVE that is in force."""


def looks_like_cve(text: str) -> bool:
    """Whether a subject is meant as the id of a CVE."""
    return _LIKE_AN_ID.fullmatch(text) is not None


def cve_id(text: str) -> str | None:
    """Return a CVE id as it is written officially; None if it is none."""
    found = _ID.fullmatch(text.upper())
    return found[0] if found else None


def is_cve(text: str) -> bool:
    """Whether a text is a CVE id as it is written officially."""
    return cve_id(text) == text


def explain_cve(
    cve: str, plan: Plan, findings: Findings, installed: InstalledFixes, snoozes: Sequence[Snooze] = ()
) -> CveExplanation:
    """Return what the plan, the changelog findings and the installed changelogs say about a CVE."""

    def names_it(item: Step | Held | Update) -> bool:
        found = findings_of(findings, item)
        return found is not None and cve in found.cves

    pending = tuple(filter(names_it, plan.install))
    held = tuple(filter(names_it, plan.held))
    available = tuple(filter(names_it, plan.others))
    return CveExplanation(
        cve=cve,
        conclusion=_conclude(pending, held, available, installed),
        pending=pending,
        held=held,
        available=available,
        unread=tuple(sorted(set(_unread((*plan.install, *plan.held, *plan.others), findings)))),
        installed=installed,
        snooze=max((one for one in snoozes if one.what == cve), key=lambda one: one.until, default=None),
    )


def held_in(explanation: CveExplanation, plan: Plan) -> CveExplanation:
    """Return the explanation with the reasons for which a plan of all updates holds what is available."""
    held = {(one.id, one.candidate): one for one in plan.held}
    found = (held.get((one.id, one.candidate), one) for one in explanation.available)
    return replace(explanation, available=tuple(found))


def _conclude(
    pending: tuple[Step, ...], held: tuple[Held, ...], available: tuple[Update, ...], installed: InstalledFixes
) -> CveConclusion:
    found = (
        (pending, CveConclusion.PENDING),
        (held, CveConclusion.HELD),
        (available, CveConclusion.AVAILABLE),
        (installed.found, CveConclusion.FIXED),
    )
    return next((conclusion for items, conclusion in found if items), CveConclusion.UNKNOWN)


def _unread(items: Iterable[Step | Held | Update], findings: Findings) -> Iterable[str]:
    for item in items:
        found = findings_of(findings, item)
        if item.installed is not None and (found is None or not found.complete):
            yield item.package
