"""Versions of Docker and Weave: what a manifest may ask for, and which offered version that stands for. Pure."""

import re
from collections.abc import Sequence

from agent.core.debian_version import VersionKey, version_key
from agent.core.engine_ports import Offer
from agent.core.frozen import frozen
from agent.core.pattern import lazy_pattern
from agent.core.policy.distro import Distro
from agent.core.version_numbers import version_numbers

LATEST = "latest"
_EPOCH = lazy_pattern(r"^[0-9]+:")
_REVISION = lazy_pattern(r"[-~+]")
_REQUEST = lazy_pattern(r"v?(?P<numbers>[0-9]{1,6}(?:\.[0-9]{1,6}){0,3})(?P<rest>(?:\.[xX*]){0,3})(?:-ce)?")
_FULL = 3
"""How many numbers a version of Docker or Weave has: a request with that many is exact."""
_PRE_RELEASE = lazy_pattern(r"[0-9][~-](?:alpha|beta|rc|tp)\b", re.IGNORECASE)
_BUILT_FOR = re.compile(
    # docker-ce-packaging: "~ubuntu.24.04~noble" since 23.0, "~ubuntu-focal" before that, "~ubuntu" up to 18.06.
    r"~(?P<id>debian|ubuntu|raspbian)(?:\.(?P<version>[0-9.]+)~(?P<codename>[a-z]+)|-(?P<suite>[a-z]+))?$"
)
_FORCED = 1000
"""From this priority on, apt installs a version even if that is a downgrade (apt_preferences(5))."""
_BELOW = 2
"""How many available versions below the requested one are listed as nearest."""


@frozen
class VersionRequest:
    """A version as a manifest asks for it."""

    text: str
    """As written."""
    numbers: tuple[int, ...]
    """The numbers that a version must begin with; empty: any ("latest")."""
    exact: bool
    """Whether the version must have no further numbers."""


@frozen
class Choice:
    """Which offer a request stands for on this machine."""

    offer: Offer | None
    """None: version-unavailable, or `pinned`."""
    pinned: str = ""
    """With None: the newest version that matches, all of which apt's preferences exclude; empty if there is none."""
    nearest: tuple[str, ...] = ()
    """With None: the nearest available upstream versions, newest first; empty if none is available."""


def parse_request(text: str) -> VersionRequest:
    """Parse "27.3.1", "v27.3.1", "18.09.9-ce", "27.3", "20.10.x", "27.*" or "latest".

    Raises:
        ValueError: it is none of these; the message has what is accepted.
    """
    if text == LATEST:
        return VersionRequest(text=text, numbers=(), exact=False)
    found = _REQUEST.fullmatch(text)
    if found is None:
        raise ValueError('accepted: a version such as "27.3.1", "27.3", "20.10.x" or "27.*", or "latest"')
    numbers = _integers(found["numbers"])
    return VersionRequest(text=text, numbers=numbers, exact=len(numbers) >= _FULL and not found["rest"])


def upstream(version: str) -> str:
    """Return the upstream version of a package version, or of one that an engine shows.

    "5:27.3.1-1~ubuntu.24.04~noble" is "27.3.1", and "20.10.24+dfsg1" is "20.10.24".
    """
    return _REVISION.split(_EPOCH.sub("", version), maxsplit=1)[0]


def release_key(version: str) -> tuple[int, ...]:
    """Return a key that sorts upstream versions: 27.10 after 27.9, and 2.8 equal to 2.8.0."""
    numbers = version_numbers(version)
    while numbers and numbers[-1] == 0:
        numbers = numbers[:-1]
    return numbers


def same_release(version: str, other: str) -> bool:
    """Whether two versions, of packages or engines, have the same upstream version."""
    return release_key(version) == release_key(other)


def is_pre_release(version: str) -> bool:
    """Whether a version is an alpha, a beta or a release candidate."""
    return _PRE_RELEASE.search(version) is not None


def matches(request: VersionRequest, version: str) -> bool:
    """Whether a version is what the request asks for. Whole numbers are compared: 27.1 does not match 27.10.3.

    A pre-release never matches.
    """
    numbers = version_numbers(version)
    if not numbers or is_pre_release(version):
        return False
    return numbers == request.numbers if request.exact else numbers[: len(request.numbers)] == request.numbers


def built_for(version: str, distro: Distro) -> bool:
    """Whether a package version is for this release of the distribution; versions that name none are for any."""
    found = _BUILT_FOR.search(version)
    if found is None:
        return True
    if found["id"] != distro.id:
        return False
    suite = found["codename"] or found["suite"]
    if suite and distro.codename:
        return suite == distro.codename
    return not (found["version"] and distro.version) or found["version"] == distro.version


def may_be_chosen(priority: int) -> bool:
    """Whether apt's preferences allow a version with this priority: a negative one is never installed.

    So says apt_preferences(5), which leaves 0 undefined; libapt chooses no version of 0, either.
    """
    return priority > 0


def choose(request: VersionRequest, offers: Sequence[Offer], distro: Distro, installed: str = "") -> Choice:
    """Return apt's candidate (apt_preferences(5)) among the offers that match and are for this release.

    `installed` is the installed version, which may stay whatever its priority; empty: none of the package.
    """
    usable = [offer for offer in offers if built_for(offer.version, distro) and not is_pre_release(offer.version)]
    allowed = [offer for offer in usable if may_be_chosen(offer.priority)]
    matching = [offer for offer in usable if matches(request, offer.version)]
    candidates = [offer for offer in matching if offer in allowed or offer.version == installed]
    if candidates:
        return Choice(offer=_candidate(candidates, installed))
    pinned = max(matching, key=_age, default=None)
    return Choice(offer=None, pinned=pinned.version if pinned else "", nearest=_nearest(request, allowed))


def _candidate(offers: Sequence[Offer], installed: str) -> Offer:
    """Return the offer with the highest priority, the newest of those; no downgrade unless its priority forces it."""
    stays = next((offer for offer in offers if offer.version == installed), None)
    kept = [offer for offer in offers if stays is None or _age(offer) >= _age(stays) or offer.priority >= _FORCED]
    return max(kept, key=lambda offer: (offer.priority, _age(offer)))


def _age(offer: Offer) -> VersionKey:
    return version_key(offer.version)


def _nearest(request: VersionRequest, offers: Sequence[Offer]) -> tuple[str, ...]:
    """Return the next newer version, the two next older ones and the newest of all."""
    available = sorted({upstream(offer.version) for offer in offers}, key=release_key)
    below = [version for version in available if release_key(version) < request.numbers][-_BELOW:]
    above = [version for version in available if release_key(version) >= request.numbers]
    return tuple(sorted({*below, *above[:1], *available[-1:]}, key=release_key, reverse=True))


def _integers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split("."))
