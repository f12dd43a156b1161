"""The end of the release's security updates in `status`: its state, reasons and line. Pure and light.

Reasons have dates and no ages: a changed text would make the report new every day.
"""

from datetime import datetime

from agent.core.release_support import (
    ELTS,
    ESM,
    ESM_LEGACY,
    LTS,
    STANDARD,
    Support,
    SupportPhase,
    SupportState,
    UnknownEnd,
    ends_soon,
    offered_phase,
    support_on,
)
from agent.core.schemas import Document
from agent.report.layout import Line, Tone, field
from agent.state.release_view import ReleaseView

SUPPORT_STATES = tuple(state.value for state in SupportState)
_WITH_DATA = ("debian", "ubuntu")
"""Distributions that distro-info-data always has."""
_WITHOUT_DATA = (UnknownEnd.NO_DATA.value, UnknownEnd.NOT_LISTED.value)
"""Missing, damaged, or older than the release: it may be past its end."""
_NAMES = {
    STANDARD: "standard support",
    LTS: "LTS",
    ELTS: "ELTS",
    ESM: "ESM of Ubuntu Pro",
    ESM_LEGACY: "Legacy support of Ubuntu Pro",
}
_UNKNOWN = {
    UnknownEnd.NO_DATA.value: "distro-info-data has no dates of it",
    UnknownEnd.NOT_LISTED.value: "distro-info-data does not have this release",
    UnknownEnd.NO_DATE.value: "no date is set, as for a release in development",
    UnknownEnd.NO_LISTS.value: "there are no package lists of security sources",
}


class ReleaseStatus:
    """The release of the last check, and its support today; unknown if there is none on record."""

    def __init__(self, release: ReleaseView | None, now: datetime) -> None:
        self._release = release
        known = release is not None and release.unknown is None
        self._phases = release.phases if release is not None and known else []
        self._day = now.date()
        self._support = support_on(self._phases, self._day)

    @property
    def support(self) -> Support:
        """The support today."""
        return self._support

    @property
    def document(self) -> Document | None:
        """Return the `release` of the status; null if none is on record."""
        release, found = self._release, self._support
        if release is None:
            return None
        return {
            "distribution": release.distribution,
            "version": release.version,
            "codename": release.codename,
            "support": found.state.value,
            "phase": found.phase.name if found.phase else None,
            "until": found.until.isoformat() if found.until else None,
            "unknown": release.unknown,
            "phases": [_phase_document(phase) for phase in release.phases],
        }

    @property
    def reasons(self) -> list[str]:
        """Return that security updates have ended or end soon, or that the end cannot be known."""
        release, found = self._release, self._support
        if release is None:
            return []
        if found.state is SupportState.ENDED:
            return [f"{release.name} has had no security updates since {found.until}: {self._advice()}"]
        if ends_soon(found, self._day):
            return [f"{release.name} gets security updates only until {found.until}: {self._advice()}"]
        is_named = bool(release.version or release.codename)  # a rolling release has no end
        if is_named and release.distribution in _WITH_DATA and release.unknown in _WITHOUT_DATA:
            return [f"the end of security updates for {release.name} is unknown: install or upgrade distro-info-data"]
        return []

    def lines(self, width: int) -> list[Line]:
        """Render the state with its date; nothing if none is on record."""
        if self._release is None:
            return []
        tone = {SupportState.ENDED: Tone.FAILED}.get(self._support.state, Tone.ATTENTION if self.reasons else None)
        return [field("Release", self._text(), width=width, tone=tone)]

    def _text(self) -> str:
        release, found = self._release, self._support
        if release is None or found.until is None:
            cause = _UNKNOWN.get(release.unknown or "", release.unknown or "") if release is not None else ""
            return f"end of security updates unknown ({cause})"
        if found.phase is None:
            return f"no security updates since {found.until}"
        phases = ", ".join(f"{_NAMES.get(one.name, one.name)} until {one.until}" for one in self._current())
        ended = [one for one in self._phases if one.name == STANDARD and one.until < self._day]
        return phases + "".join(f" (standard support ended on {one.until})" for one in ended)

    def _current(self) -> list[SupportPhase]:
        """Return the phases that this machine has and that are not over."""
        return [one for one in self._phases if one.covered and self._day <= one.until]

    def _advice(self) -> str:
        """Return what to do: a further phase that this machine could have, and a newer release."""
        later = offered_phase(self._phases, self._support.until or self._day)
        newer = "replace this server by one with a newer release, or upgrade the release"
        if later is None or later.until <= max(self._support.until or self._day, self._day):
            return newer
        return f"{newer}; {_NAMES.get(later.name, later.name)} would last until {later.until}"


def _phase_document(phase: SupportPhase) -> Document:
    return {"name": phase.name, "until": phase.until.isoformat(), "covered": phase.covered}
