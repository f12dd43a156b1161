"""The release of the distribution that a machine runs, as frozen values."""

from collections.abc import Mapping

from agent.core.frozen import field, frozen
from agent.core.model.facts import Lists, ListsState
from agent.core.release_support import STANDARD, ConfiguredArchive, SupportPhase, UnknownEnd, support_phases


@frozen
class Release:
    """A release, and what distro-info-data has of it."""

    distribution: str
    """ID of os-release(5)."""
    version: str = ""
    codename: str = ""
    row: Mapping[str, str] = field(default_factory=dict)
    """Values by column; no member where the row has none."""
    unknown: UnknownEnd | None = None
    """Why there is no row; None if there is one."""


@frozen
class ReleaseSupport:
    """A release and the phases of its support, with those that this machine has."""

    release: Release
    phases: tuple[SupportPhase, ...]
    unknown: UnknownEnd | None
    """Why the end is not known; None if it is."""


def release_support(release: Release, lists: Lists) -> ReleaseSupport:
    """Return the phases of a release; this machine has those whose archive is a verified source of security updates."""
    archives = [
        ConfiguredArchive(one.source, one.origin, one.archive)
        for one in lists.sources
        if one.security and one.verified_at is not None and one.enabled
    ]
    phases = support_phases(release.row, archives)
    dated = any(phase.name == STANDARD for phase in phases)
    undated = UnknownEnd.NO_DATA if "release" in release.row else UnknownEnd.NO_DATE  # out, or in development
    unknown = release.unknown or (None if dated else undated)
    if unknown is None and lists.state is ListsState.NEVER:
        unknown = UnknownEnd.NO_LISTS
    return ReleaseSupport(release=release, phases=phases, unknown=unknown)
