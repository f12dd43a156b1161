"""The invented hosts of a demo: their names, releases and tags, and what is the matter with each. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from endpoint.core.demo.dice import Dice, demo_uuid

MOST_HOSTS = 5000


class Mood(Enum):
    """What is the matter with a host."""

    PATCHED = "patched"
    PENDING = "pending"
    HELD = "held"
    SOAKING = "soaking"
    SNOOZED = "snoozed"
    REBOOT = "reboot"
    RESTART = "restart"
    ENGINE = "engine"
    """Docker or Weave runs an older version than the installed one."""
    SILENT = "silent"
    STALE = "stale"
    ENDED = "ended"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release of a distribution."""

    distribution: str
    version: str
    codename: str
    kernel: str
    next_kernel: str
    until: str
    """The last day with security updates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoHost:
    """One invented host."""

    host_id: str
    instance_id: str
    name: str
    kind: str
    release: Release
    mood: Mood
    tags: tuple[str, ...]
    """Set at the endpoint."""
    agent_tags: tuple[str, ...]
    """Set in its own configuration."""
    lock_group: str | None
    docker: bool
    weave: bool
    agent_version: str


_BOOKWORM = Release(
    distribution="debian", version="12", codename="bookworm", kernel="6.1.0-44-amd64", next_kernel="6.1.0-45-amd64",
    until="2028-06-30",
)  # fmt: skip
_TRIXIE = Release(
    distribution="debian", version="13", codename="trixie", kernel="6.12.57+deb13-amd64",
    next_kernel="6.12.63+deb13-amd64", until="2030-06-30",
)  # fmt: skip
_NOBLE = Release(
    distribution="ubuntu", version="24.04", codename="noble", kernel="6.8.0-88-generic",
    next_kernel="6.8.0-90-generic", until="2029-05-31",
)  # fmt: skip
_JAMMY = Release(
    distribution="ubuntu", version="22.04", codename="jammy", kernel="5.15.0-161-generic",
    next_kernel="5.15.0-164-generic", until="2027-04-01",
)  # fmt: skip
_BUSTER = Release(
    distribution="debian", version="10", codename="buster", kernel="4.19.0-27-amd64", next_kernel="4.19.0-27-amd64",
    until="2024-06-30",
)  # fmt: skip
_RELEASES = (_BOOKWORM, _TRIXIE, _NOBLE, _BOOKWORM, _TRIXIE, _NOBLE, _JAMMY)
_KINDS: Mapping[str, int] = {
    "web": 46, "app": 40, "db": 22, "cache": 14, "worker": 30, "build": 10, "proxy": 12, "mail": 6, "dns": 8,
    "monitor": 6, "backup": 6,
}  # fmt: skip
"""How many of 200 hosts are of each kind."""
_SITES = ("fra", "ams", "hel")
_MOODS: Mapping[Mood, int] = {
    Mood.PENDING: 17, Mood.HELD: 9, Mood.SOAKING: 8, Mood.SNOOZED: 4, Mood.REBOOT: 14, Mood.RESTART: 6,
    Mood.ENGINE: 5, Mood.SILENT: 5, Mood.STALE: 4, Mood.ENDED: 3, Mood.FAILED: 3, Mood.UNKNOWN: 2,
}  # fmt: skip
"""How many of 200 hosts are not patched, and why."""
_OF_DOCKER = frozenset({"app", "worker", "build"})


def roster(count: int) -> tuple[DemoHost, ...]:
    """Return the hosts of a demo, the same ones each time."""
    kinds = [kind for kind, share in _KINDS.items() for _ in range(share)]
    moods = [mood for mood, share in _MOODS.items() for _ in range(share)]
    moods += [Mood.PATCHED] * (len(kinds) - len(moods))
    dice = Dice("moods")
    shuffled = dice.some(moods, len(moods))
    order = Dice("kinds").some(range(len(kinds)), len(kinds)) if count < len(kinds) else list(range(len(kinds)))
    numbers: dict[str, int] = {}
    hosts = []
    for at in range(count):
        place = order[at % len(order)]
        kind = kinds[place]
        numbers[kind] = numbers.get(kind, 0) + 1
        hosts.append(_host(kind, numbers[kind], shuffled[place]))
    return tuple(hosts)


def _host(kind: str, number: int, mood: Mood) -> DemoHost:
    name = f"{kind}-{number:02}"
    dice = Dice(name)
    site, is_staging = dice.pick(_SITES), number % 6 == 5  # noqa: PLR2004 - one of six
    docker = kind in _OF_DOCKER or mood is Mood.ENGINE
    full_name = f"{name}.{site}"
    return DemoHost(
        host_id=demo_uuid(f"host {name}"),
        instance_id=demo_uuid(f"instance {name}"),
        name=full_name,
        kind=kind,
        release=_BUSTER if mood is Mood.ENDED else dice.pick(_RELEASES),
        mood=mood,
        tags=(kind, "staging" if is_staging else "production"),
        agent_tags=(f"site-{site}",),
        lock_group=kind if kind in {"web", "db", "cache"} else None,
        docker=docker,
        weave=docker and kind == "app",
        agent_version="0.4.2" if dice.number(12) == 0 else "0.5.0",
    )
