"""Whether this is a container, whose kernel is the host's. Light: imported by `status`."""

import os

_MARKS = ("run/systemd/container", "run/.containerenv")
"""Written by systemd from what the container's manager passes (systemd-nspawn, LXC, Incus), and by podman."""
_DOCKER_MARK = ".dockerenv"
"""Also in images that were made from a container and now boot as a machine."""
_INITIAL_PID_NAMESPACE = 0xEFFFFFFC
"""PROC_PID_INIT_INO of Linux: the inode of the first PID namespace."""


def in_container(root: str = "/") -> bool:
    """Return whether the machine below `root` is a system or application container."""
    if any(os.path.exists(os.path.join(root, mark)) for mark in _MARKS):
        return True
    if os.path.exists(os.path.join(root, _DOCKER_MARK)) and not _is_initial_pid_namespace(root):
        return True
    openvz = os.path.exists(os.path.join(root, "proc/vz")) and not os.path.exists(os.path.join(root, "proc/bc"))
    return openvz or _has_mapped_users(root)


def _is_initial_pid_namespace(root: str) -> bool:
    try:
        return os.stat(os.path.join(root, "proc/self/ns/pid")).st_ino == _INITIAL_PID_NAMESPACE
    except OSError:
        return False


def _has_mapped_users(root: str) -> bool:
    """Return whether users are other ones outside (user_namespaces(7)), as in unprivileged containers.

    In a service with PrivateUsers=, as the daemon, only some users are known, each as itself.
    """
    try:
        with open(os.path.join(root, "proc/self/uid_map"), encoding="ascii") as file:
            return any(inside != outside for inside, outside, *_ in map(str.split, file))
    except (OSError, ValueError):
        return False
