"""Signs of Docker on a machine, by stat(2) alone. Light: a machine without Docker pays nothing more than this."""

import os

_SIGNS = (
    "usr/bin/dockerd",
    "usr/sbin/dockerd",
    "usr/local/bin/dockerd",
    "usr/local/sbin/dockerd",
    "etc/systemd/system/docker.service",
    "lib/systemd/system/docker.service",
    "usr/lib/systemd/system/docker.service",
    "snap/bin/docker",
    "var/snap/docker",
    "run/docker.sock",
    "run/docker.pid",
    "var/lib/dpkg/info/docker-ce.list",
    "var/lib/dpkg/info/docker.io.list",
    "var/lib/dpkg/info/podman-docker.list",
)
"""Each is there in some installed state, also where dpkg was interrupted before it put dockerd in place."""
_WEAVE_SIGNS = ("usr/local/bin/weave", "usr/bin/weave")
_USER_RUNTIMES = "run/user"


def docker_signs(root: str = "/") -> bool:
    """Return whether anything below `root` asks for a closer look at Docker."""
    return any(os.path.exists(os.path.join(root, sign)) for sign in _SIGNS) or bool(rootless_users(root))


def weave_signs(root: str = "/") -> bool:
    """Return whether Weave's script is there: without an engine nothing else of Weave can be."""
    return any(os.path.exists(os.path.join(root, sign)) for sign in _WEAVE_SIGNS)


def rootless_users(root: str = "/") -> tuple[str, ...]:
    """Return the ids of the users whose own engine has its socket or process file in their runtime directory."""
    try:
        users = sorted(os.listdir(os.path.join(root, _USER_RUNTIMES)))
    except OSError:
        return ()
    places = ((user, os.path.join(root, _USER_RUNTIMES, user)) for user in users)
    return tuple(
        user
        for user, place in places
        if any(os.path.exists(os.path.join(place, name)) for name in ("docker.sock", "docker.pid"))
    )
