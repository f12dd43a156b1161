"""What was changed on this machine since a moment that a plan depends on. Light: imported by `status`."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone

_APT_CONFIGURATION = ("etc/apt/apt.conf", "etc/apt/apt.conf.d")
_UNIT_LINKS = ("etc/systemd/system", "etc/systemd/system/timers.target.wants", "run/systemd/system")
_WATCHED = {
    "packages": ("var/lib/dpkg/status",),
    "apt-configuration": (
        *("etc/apt/sources.list", "etc/apt/sources.list.d", "etc/apt/preferences", "etc/apt/preferences.d"),
        *_APT_CONFIGURATION,
    ),
    "configuration": ("etc/maestro-agent/config.toml", "etc/maestro-agent/config.d"),
}
"""Files and directories with files. Marks of apt-mark(8) are in dpkg's database, too."""
_RESOLUTION = timedelta(seconds=2)
"""Documents have whole seconds, and a check observes for a moment."""


def changed_since(when: datetime, root: str = "/") -> list[str]:
    """Return what was changed after a moment: names of `_WATCHED`. Times ahead are of a clock that was set back."""
    first, last = (when + _RESOLUTION).timestamp(), time.time() + _RESOLUTION.total_seconds()
    return [
        name
        for name, paths in _WATCHED.items()
        if any(first < at <= last for path in paths for at in _changes(os.path.join(root, path)))
    ]


def packages_changed_at(root: str = "/") -> datetime | None:
    """Return when dpkg's database last changed; None if that cannot be read."""
    try:
        changed = os.stat(os.path.join(root, _WATCHED["packages"][0])).st_ctime
    except OSError:
        return None
    return datetime.fromtimestamp(changed, timezone.utc) - _RESOLUTION


def machine_changed_at(now: datetime, root: str = "/") -> datetime | None:
    """Return when the packages, or what switches the distribution's daily job, last changed; None if that is unknown.

    The latter is apt's configuration, and the links by which units are enabled and masked, also until a boot. A time
    ahead is of a clock that was set back: it hides no other change, such as that of a directory that each boot makes.
    """
    times = [at for name in _APT_CONFIGURATION for at in _changes(os.path.join(root, name))]
    for name in (*_WATCHED["packages"], *_UNIT_LINKS):
        with suppress(OSError):
            times.append(os.stat(os.path.join(root, name)).st_ctime)
    changes = (datetime.fromtimestamp(at, timezone.utc) - _RESOLUTION for at in times)
    return max((at for at in changes if at <= now), default=None)


def _changes(path: str) -> Iterator[float]:
    """Yield when a file's content or place was changed last, and those of a directory's files.

    By the time of the inode's change: a copied or installed file may have an old time of modification.
    """
    try:
        yield os.stat(path).st_ctime
        with os.scandir(path) as entries:
            found = list(entries)
    except OSError:  # a file, or missing
        return
    for entry in found:
        with suppress(OSError):  # a link to nothing, as an editor's lock
            yield entry.stat().st_ctime
