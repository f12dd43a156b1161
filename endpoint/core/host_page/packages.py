"""What a host's report says of packages: pending, held and why, unfinished, and installed but not active. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from endpoint.core.host_page.parts import Part
from endpoint.core.host_page.reasons import opener_text, why_text

SHOWN = 500
"""Updates of a kind on one page: a report may have 10,000."""
_SHOWN_CVES = 100
_WAITS: Mapping[str, str] = {
    "upgrade": "the upgrade",
    "restart": "a restart of services",
    "reboot": "a reboot",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingUpdate:
    """An update that the next run installs."""

    package: str
    architecture: str
    installed: str | None
    """None: a new dependency."""
    candidate: str | None
    origin: str
    security: bool | None
    download_bytes: int | None
    cves: tuple[str, ...] | None
    """The first 100; None: its changelog was not read."""
    cves_complete: bool | None
    since: datetime | None
    """Of a security fix, by the exposure clock: since when it is pending; None: not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldUpdate:
    """An update that is held back."""

    package: str
    architecture: str
    installed: str | None
    candidate: str | None
    code: str
    why: str
    detail: str
    """The host's own sentence; empty: none."""
    until: datetime | None
    """When it ends by itself; None: it does not, or not at a known time."""
    opens: str | None
    cves: tuple[str, ...] | None
    cves_complete: bool | None
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InactiveFix:
    """A security fix that is not active: one of the ten oldest of its stage."""

    package: str
    architecture: str
    source: str
    version: str
    stage: str
    pending_since: datetime | None
    installed_at: datetime | None
    waits_for: str
    units: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedPackage:
    """A package that dpkg did not finish."""

    package: str
    architecture: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagesView:
    """All of them; None: never observed."""

    seen_at: datetime | None
    scope: str | None
    pending: tuple[PendingUpdate, ...] | None
    """The first 500 of `pending_count`."""
    held: tuple[HeldUpdate, ...] | None
    pending_count: int
    held_count: int
    esm_only: tuple[HeldUpdate, ...]
    unfinished: tuple[UnfinishedPackage, ...]
    hidden_security: int | None
    """Security updates that apt's preferences hide."""
    other: int | None
    """Updates that are no security updates and not in the plan."""
    inactive: tuple[InactiveFix, ...]
    exposed_since: datetime | None
    """Since when the oldest fix that is not active is pending."""
    exposed: tuple[int | None, int | None]
    """How many fixes are pending, and how many installed and not active."""

    @property
    def cves(self) -> frozenset[str]:
        """Return all CVEs that a pending or held update fixes."""
        items: list[PendingUpdate | HeldUpdate] = [*(self.pending or ()), *(self.held or ()), *self.esm_only]
        return frozenset(cve for item in items for cve in item.cves or ())

    @property
    def versions(self) -> frozenset[tuple[str, str]]:
        """Return the candidates of all updates, by package."""
        items: list[PendingUpdate | HeldUpdate] = [*(self.pending or ()), *(self.held or ()), *self.esm_only]
        return frozenset((item.package, item.candidate) for item in items if item.candidate)


def packages_view(report: Part) -> PackagesView:
    """Return what a report says of packages."""
    updates, exposure = report.child("updates"), report.child("exposure")
    known = updates.moment("seen_at") is not None
    inactive = tuple(map(_inactive, exposure.children("fixes")))
    since = {(fix.package, fix.architecture): fix.pending_since for fix in inactive if fix.stage == "pending"}
    return PackagesView(
        seen_at=updates.moment("seen_at"),
        scope=updates.text("scope"),
        pending=_pending(updates.children("items")[:SHOWN], since) if known else None,
        held=_held(updates.children("held_items")[:SHOWN], since) if known else None,
        pending_count=len(updates.children("items")),
        held_count=len(updates.children("held_items")),
        esm_only=_held(updates.children("esm_only_items")[:SHOWN], since),
        unfinished=tuple(
            UnfinishedPackage(
                package=one.word("package"), architecture=one.word("architecture"), state=one.word("state")
            )
            for one in updates.children("repair")[:SHOWN]
        ),
        hidden_security=updates.whole("hidden_security"),
        other=updates.whole("other"),
        inactive=inactive,
        exposed_since=exposure.moment("oldest_since"),
        exposed=(exposure.whole("pending"), exposure.whole("installed")),
    )


_Since = Mapping[tuple[str, str], datetime | None]


def _pending(items: Iterable[Part], since: _Since) -> tuple[PendingUpdate, ...]:
    return tuple(
        PendingUpdate(
            package=one.word("package"),
            architecture=one.word("architecture"),
            installed=one.text("installed"),
            candidate=one.text("candidate"),
            origin=" ".join(filter(None, (one.text("origin"), one.text("archive")))),
            security=one.flag("security"),
            download_bytes=one.whole("download_bytes"),
            cves=_cves(one),
            cves_complete=one.flag("cves_complete") if len(one.texts("cves")) <= _SHOWN_CVES else False,
            since=since.get((one.word("package"), one.word("architecture"))),
        )
        for one in items
    )


def _held(items: Iterable[Part], since: _Since) -> tuple[HeldUpdate, ...]:
    return tuple(
        HeldUpdate(
            package=one.word("package"),
            architecture=one.word("architecture"),
            installed=one.text("installed"),
            candidate=one.text("candidate"),
            code=one.word("why"),
            why=why_text(one.word("why")),
            detail=one.text("detail") or "",
            until=one.moment("until"),
            opens=opener_text(one.word("why"), one.word("package")),
            cves=_cves(one),
            cves_complete=one.flag("cves_complete") if len(one.texts("cves")) <= _SHOWN_CVES else False,
            since=since.get((one.word("package"), one.word("architecture"))),
        )
        for one in items
    )


def _cves(one: Part) -> tuple[str, ...] | None:
    found = one.texts_or_none("cves")
    return found[:_SHOWN_CVES] if found is not None else None


def _inactive(fix: Part) -> InactiveFix:
    waits = fix.text("waits_for")
    return InactiveFix(
        package=fix.word("package"),
        architecture=fix.word("architecture"),
        source=fix.word("source"),
        version=fix.word("version"),
        stage=fix.word("stage"),
        pending_since=fix.moment("pending_since"),
        installed_at=fix.moment("installed_at"),
        waits_for=_WAITS.get(waits, waits) if waits else "unknown",
        units=fix.texts("units"),
    )
