"""How Docker was installed, from dpkg's database and files alone."""

import os
from collections.abc import Iterable, Sequence

from agent.core.model.docker import Flavour, RuntimePackage
from agent.host.docker.packages import owner_of

_BY_PACKAGE = {
    "docker-ce": Flavour.DOCKER_CE,
    "docker.io": Flavour.DOCKER_IO,
    "podman-docker": Flavour.PODMAN,
    "docker-engine": Flavour.OTHER_PACKAGE,
    "docker-ee": Flavour.OTHER_PACKAGE,
    "moby-engine": Flavour.OTHER_PACKAGE,
    "lxc-docker": Flavour.OTHER_PACKAGE,
}
_OWNERS = frozenset(_BY_PACKAGE) - {"podman-docker"}
_EXECUTABLES = tuple(f"{place}/dockerd" for place in ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"))
_SNAP = ("snap/bin/docker", "var/lib/snapd/snap/bin/docker", "etc/systemd/system/snap.docker.dockerd.service")
_USER_UNIT = ".config/systemd/user/docker.service"


def find_flavours(
    packages: Iterable[RuntimePackage], arguments: Sequence[str] = (), *, root: str = "/"
) -> tuple[Flavour, ...]:
    """Return every way in which an engine, or podman's wrapper, is installed; `arguments` are docker.service's."""
    found = {_BY_PACKAGE[one.package] for one in packages if one.package in _BY_PACKAGE}
    found |= {Flavour.SNAP} if any(os.path.lexists(root + path) for path in _SNAP) else set()
    own = arguments[0] if arguments and os.path.basename(arguments[0]) == "dockerd" else ""
    places = (root + path.lstrip("/") for path in (own, *_EXECUTABLES) if path)
    paths = dict.fromkeys(os.path.realpath(place) for place in places if os.path.exists(place))
    owners = [owner_of(path) for path in paths]
    found |= {Flavour.STATIC} if None in owners else set()
    found |= {Flavour.OTHER_PACKAGE} if any(owner not in {*_OWNERS, None} for owner in owners) else set()
    return tuple(sorted(found, key=lambda flavour: flavour.value))


def has_rootless_unit(users: str = "/etc/passwd") -> bool:
    """Return whether a user of this machine has set up an engine of their own (dockerd-rootless-setuptool.sh)."""
    try:
        with open(users, encoding="utf-8", errors="replace") as file:
            homes = {line.split(":")[5] for line in file if line.count(":") >= 6}  # noqa: PLR2004 - passwd(5)
    except OSError:
        return False
    return any(os.path.exists(os.path.join(home, _USER_UNIT)) for home in homes if home.startswith("/"))
