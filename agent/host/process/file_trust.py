"""Whether root alone can change a file that is run as root."""

import os
import stat

_MAX_LINKS = 40
"""As of the kernel (path_resolution(7))."""


def distrust(path: str) -> str:
    """Return why others than root can change what runs under an absolute path; empty if only root can.

    The file and every directory on the way to it, up to `/` and through symbolic links, must belong to root and not be
    writable by group or others. The group's bits of the mode are the mask of an access control list (acl(5)), so that
    they show an entry for a named user, too. A directory with the sticky bit is no exception.
    """
    try:
        return _distrust(path)
    except OSError as error:
        return f"{error.filename or path}: {error.strerror}"


def _distrust(path: str) -> str:
    place, left, links = "/", _parts(path), 0
    problem = _problem(place)
    while left and not problem:
        name = left.pop()
        if name == "..":
            place = os.path.dirname(place)
            continue
        found = os.path.join(place, name)
        if os.path.islink(found):  # the directory of a link is root's, so that nobody else can replace it
            links += 1
            target = os.readlink(found)
            left += _parts(target)
            place = "/" if target.startswith("/") else place
            problem = f"{path} has too many symbolic links" if links > _MAX_LINKS else ""
        else:
            place, problem = found, _problem(found)
    if not problem and not os.path.isfile(place):
        return f"{place} is not a regular file"
    return problem


def _parts(path: str) -> list[str]:
    """Return the names in a path, the first one last."""
    return [part for part in reversed(path.split("/")) if part not in {"", "."}]


def _problem(place: str) -> str:
    status = os.lstat(place)
    if status.st_uid != 0:
        return f"{place} belongs to user {status.st_uid}, not to root"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"{place} is writable by {'others' if status.st_mode & stat.S_IWOTH else 'its group'}"
    return ""
