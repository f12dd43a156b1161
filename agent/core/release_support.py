"""How long this release of the distribution gets security updates, from a row of distro-info-data. Pure and light.

Dates are the last days of a phase, as in distro-info(1). Rows may be shorter than their header, and the dates of one
release differ between versions of distro-info-data.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from enum import Enum

WARNING = timedelta(days=90)
"""How long before the end of its security updates a release asks for attention."""
STANDARD, LTS, ELTS, ESM, ESM_LEGACY = "standard", "lts", "elts", "esm", "esm-legacy"
"""Phases. LTS of Debian comes from the same archive as before, ELTS from Freexian's; both of ESM need Ubuntu Pro."""
_COLUMNS = (
    (STANDARD, ("eol-server", "eol")),
    (LTS, ("eol-lts",)),
    (ELTS, ("eol-elts",)),
    (ESM, ("eol-esm",)),
    (ESM_LEGACY, ("eol-legacy",)),
)
"""Phases in their order, with the columns of distro-info-data that may have their ends; the first date counts."""


class SupportState(Enum):
    """Whether the release gets security updates on this machine."""

    SUPPORTED = "supported"
    EXTENDED = "extended"
    """After its standard support, in a phase whose archive this machine has."""
    ENDED = "ended"
    UNKNOWN = "unknown"


class UnknownEnd(Enum):
    """Why the end of a release is not known."""

    NO_DATA = "no-data"
    """distro-info-data is not installed, does not have the distribution, or has no end of a release that is out."""
    NOT_LISTED = "not-listed"
    """distro-info-data does not have the release."""
    NO_DATE = "no-date"
    """It has no date, as of a release in development."""
    NO_LISTS = "no-lists"
    """There are no lists of security sources, so it is not known which phases this machine has."""


class ConfiguredArchive:
    """A configured and verified source of security updates: the fields of its Release file, and its name."""

    def __init__(self, source: str, origin: str = "", archive: str = "") -> None:
        self.source = source
        """URI and suite."""
        self.origin = origin
        self.archive = archive


class SupportPhase:
    """One phase of a release: its name, its last day, and whether this machine has its archive."""

    def __init__(self, name: str, until: date, *, covered: bool) -> None:
        self.name = name
        self.until = until
        self.covered = covered


class Support:
    """The support of a release on one day."""

    def __init__(self, state: SupportState, phase: SupportPhase | None = None, until: date | None = None) -> None:
        self.state = state
        self.phase = phase
        """The current phase; None after the last one that this machine has, or if it is unknown."""
        self.until = until
        """The last day with security updates, past or not, of all that this machine has; None if it is unknown."""


def support_phases(row: Mapping[str, str], archives: Collection[ConfiguredArchive]) -> tuple[SupportPhase, ...]:
    """Return the phases with a known end, by a row of distro-info-data and the archives that this machine has."""
    return tuple(
        SupportPhase(name, until, covered=any(_covers(name, archive) for archive in archives) or name == STANDARD)
        for name, until in _ends(row)
    )


def support_on(phases: Sequence[SupportPhase], day: date) -> Support:
    """Return the support on a day; unknown without a date for the standard support."""
    if not any(phase.name == STANDARD for phase in phases):
        return Support(SupportState.UNKNOWN)
    covered = [phase for phase in phases if phase.covered]
    until = max(phase.until for phase in covered)
    current = next((phase for phase in covered if day <= phase.until), None)
    if current is None:
        return Support(SupportState.ENDED, None, until)
    state = SupportState.SUPPORTED if current.name == STANDARD else SupportState.EXTENDED
    return Support(state, current, until)


def offered_phase(phases: Sequence[SupportPhase], day: date) -> SupportPhase | None:
    """Return the first phase that this machine could have on a day and does not; None if there is none."""
    return next((phase for phase in phases if not phase.covered and day <= phase.until), None)


def ends_soon(support: Support, day: date) -> bool:
    """Whether the security updates of a release end within the time of warning."""
    return support.phase is not None and support.until is not None and support.until - day <= WARNING


def _ends(row: Mapping[str, str]) -> Iterator[tuple[str, date]]:
    for name, columns in _COLUMNS:
        until = next((day for column in columns if (day := _last_day(row.get(column, "")))), None)
        if until is not None:
            yield name, until


def _last_day(text: str) -> date | None:
    """Return a date, or the last day of a month without a day, as distro-info(1) reads both; None: it is neither."""
    try:
        if len(text) != len("2027-06"):
            return date.fromisoformat(text)
        in_next_month = date.fromisoformat(f"{text}-28") + timedelta(days=4)
        return in_next_month - timedelta(days=in_next_month.day)
    except ValueError:
        return None


def _covers(phase: str, archive: ConfiguredArchive) -> bool:
    """Whether an archive has the updates of a phase; its Origin and Suite as Canonical and Freexian publish them."""
    if phase == LTS:
        return True  # the security suite stays the same
    if phase == ELTS:
        return "freexian" in archive.origin.lower() or "/extended-lts" in archive.source
    suffix = {ESM: "-infra-security", ESM_LEGACY: "-infra-legacy-security"}.get(phase, "")
    return bool(suffix) and archive.origin == "UbuntuESM" and archive.archive.endswith(suffix)
