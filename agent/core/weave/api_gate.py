"""The gate between Docker's API versions and Weave's (docker-weave.md 3.5, corrected by weave-behaviour.md). Pure.

Weave's router and script ask Docker for one API version each time. An engine that does not accept it any more leaves
the router in a restart loop (W5), while Weave's script says that Weave is not running (W6).
"""

from enum import Enum

from agent.core.frozen import frozen
from agent.core.model.engine_plan import Block, EngineWhy
from agent.core.model.weave import RouterReport, WeaveFacts, WeaveKind
from agent.core.version_numbers import version_numbers

ApiVersion = tuple[int, int]
Release = tuple[int, int, int]

_OLDEST_ACCEPTED: tuple[tuple[tuple[int, int], ApiVersion, ApiVersion], ...] = (
    ((29, 3), (1, 40), (1, 24)),
    ((29, 0), (1, 44), (1, 24)),
    ((26, 0), (1, 24), (1, 24)),
    ((25, 0), (1, 24), (1, 12)),
    ((0, 0), (1, 12), (1, 12)),
)
"""From which release of Docker on: the default MinAPIVersion, and the lowest that can be configured."""
_NEWEST_ACCEPTED: tuple[tuple[tuple[int, int], ApiVersion], ...] = (
    ((29, 0), (1, 52)),
    ((28, 5), (1, 51)),
    ((27, 0), (1, 46)),
    ((26, 0), (1, 45)),
    ((25, 0), (1, 44)),
    ((24, 0), (1, 43)),
    ((23, 0), (1, 42)),
    ((20, 10), (1, 41)),
    ((19, 3), (1, 40)),
    ((18, 9), (1, 39)),
)
"""From which release of Docker on: an ApiVersion that it has at least."""
_CRASHES_WITH_PLUGIN = ((29, 0, 0), (29, 0, 3))
"""Engines from the first up to, without, the second die when a remote network plugin is used (moby#51558)."""
_FIRST_CONFIGURABLE = (2, 8, 3)
"""The first version of Weave that reads DOCKER_API_VERSION; older ones ignore it (I15)."""
_WEAVE_1, _WEAVE_2_8_2, _WEAVE_2_8_3 = (1, 21), (1, 18), (1, 24)


class Remedy(Enum):
    """What opens the gate; the last value of the block."""

    UPGRADE_WEAVE = "upgrade-weave"
    """To 2.8.3 or newer, before Docker."""
    SET_MIN_API = "set-min-api"
    """`"min-api-version"` in daemon.json, as low as Weave's API version."""
    LOWER_WEAVE_API = "lower-weave-api"
    """Weave's DOCKER_API_VERSION is newer than the engine's newest."""
    OTHER_DOCKER = "other-docker"
    """This very release of Docker crashes with Weave's plugin; 29.0.3 does not."""
    FIND_WEAVE_VERSION = "find-weave-version"
    """Weave's version is unknown, so it may be too old."""


@frozen
class DockerApi:
    """The engine that runs, or would run."""

    version: str
    """A number in any spelling: "27.3.1", "5:27.3.1-1~debian.12~bookworm"."""
    configured_min: str = ""
    """`min-api-version` of daemon.json or DOCKER_MIN_API_VERSION of its unit; empty: the default."""
    shown_min: str = ""
    """MinAPIVersion as the running engine itself shows it; empty for one that does not run yet."""
    shown_max: str = ""
    """ApiVersion as the running engine itself shows it."""


@frozen
class WeaveApi:
    """The Weave that runs, or would run."""

    version: str
    """"2.8.1"; empty or not a number: unknown."""
    configured: str = ""
    """DOCKER_API_VERSION of its router."""


def api_gate(docker: DockerApi, weave: WeaveApi) -> Block | None:
    """Return why this pair would not work; None if it would.

    Values of the block: Docker's version, the oldest API version that it accepts, Weave's version or "", Weave's API
    version or "", and a `Remedy`. With `LOWER_WEAVE_API` the second is the newest one that it accepts.
    """
    release = _padded(version_numbers(docker.version))
    oldest = _oldest(docker, release)
    wanted = _asked(weave)
    if _CRASHES_WITH_PLUGIN[0] <= release < _CRASHES_WITH_PLUGIN[1]:
        return _block(docker, oldest, weave, wanted, Remedy.OTHER_DOCKER)
    if wanted is None:
        known_good = oldest <= _WEAVE_2_8_2
        return None if known_good else _block(docker, oldest, weave, wanted, Remedy.FIND_WEAVE_VERSION)
    if wanted < oldest:
        return _block(docker, oldest, weave, wanted, _remedy(release, wanted))
    newest = _newest(docker, release)
    if newest and weave.configured and wanted > newest:
        return _block(docker, newest, weave, wanted, Remedy.LOWER_WEAVE_API)
    return None


def oldest_accepted(docker: DockerApi) -> str:
    """Return the oldest API version that an engine accepts: "1.24"."""
    return _text(_oldest(docker, _padded(version_numbers(docker.version))))


def weave_api(facts: WeaveFacts) -> WeaveApi | None:
    """Return which API version the present router uses; None where Weave has no router container.

    A router that is stopped counts: the next restart of the engine starts it again (M4).
    """
    if facts.kind is not WeaveKind.SCRIPT or not facts.container_state:
        return None
    shown = facts.report.version if isinstance(facts.report, RouterReport) else ""
    known = next((one for one in (shown, image_tag(facts.image)) if version_numbers(one)), "")
    return WeaveApi(version=known, configured=facts.docker_api_version)


def image_tag(image: str) -> str:
    """Return the tag of an image's name; empty if it has none, as with an id or a digest."""
    name = image.rpartition("/")[2].partition("@")[0]
    return name.partition(":")[2] if not image.startswith("sha256:") else ""


def _oldest(docker: DockerApi, release: Release) -> ApiVersion:
    shown = _api(docker.shown_min)
    if shown:
        return shown
    default, floor = next((row[1], row[2]) for row in _OLDEST_ACCEPTED if row[0] <= release[:2])
    configured = _api(docker.configured_min)
    return max(configured, floor) if configured else default


def _newest(docker: DockerApi, release: Release) -> ApiVersion | None:
    known = (newest for first, newest in _NEWEST_ACCEPTED if first <= release[:2])
    return _api(docker.shown_max) or next(known, None)


def _asked(weave: WeaveApi) -> ApiVersion | None:
    version = version_numbers(weave.version)
    if not version:
        return None
    if _padded(version) >= _FIRST_CONFIGURABLE:
        return _api(weave.configured) or _WEAVE_2_8_3
    return _WEAVE_1 if version[0] == 1 else _WEAVE_2_8_2


def _remedy(release: Release, wanted: ApiVersion) -> Remedy:
    floor = next(row[2] for row in _OLDEST_ACCEPTED if row[0] <= release[:2])
    return Remedy.SET_MIN_API if wanted >= max(floor, _WEAVE_2_8_3) else Remedy.UPGRADE_WEAVE


def _api(text: str) -> ApiVersion | None:
    found = version_numbers(text)
    return (found[0], found[1]) if len(found) > 1 else None


def _padded(version: tuple[int, ...]) -> Release:
    first, second, third = (*version, 0, 0, 0)[:3]
    return first, second, third


def _block(docker: DockerApi, limit: ApiVersion, weave: WeaveApi, asked: ApiVersion | None, remedy: Remedy) -> Block:
    texts = (_text(limit), weave.version if version_numbers(weave.version) else "", _text(asked) if asked else "")
    return Block(why=EngineWhy.API_TOO_NEW, values=(docker.version, *texts, remedy.value))


def _text(version: ApiVersion) -> str:
    return f"{version[0]}.{version[1]}"
