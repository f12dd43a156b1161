"""Has the kernel report changes in directories by SIGIO (fcntl(2), F_NOTIFY). Light: used by the daemon.

inotify(7) is newer and names the file, but Python's library has no call for it: ctypes takes 0.4 MiB, and its callbacks
need memory that is writable and executable, which the daemon's unit denies. Which file it was, its status shows.
"""

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

from agent.core.frozen import frozen
from agent.state.file_version import FileVersion, file_version

_ENTRIES = fcntl.DN_CREATE | fcntl.DN_DELETE | fcntl.DN_RENAME
_CONTENTS = fcntl.DN_MODIFY | fcntl.DN_ATTRIB
_RESOLUTION_S = 0.1
"""Two changes within this time may have the same time stamp."""


@frozen
class Watched:
    """A directory, and what in it counts. It need not exist yet."""

    directory: str
    names: tuple[str, ...] = ()
    """The entries that count, though others change all the time; none: any entry."""
    contents: bool = False
    """Whether files are changed in place, too. Each file of the directory is then compared."""


class DirectoryWatch:
    """Directories whose changes raise SIGIO, which every thread has to block, for `signal.sigtimedwait`."""

    def __init__(self, watched: Sequence[Watched]) -> None:
        """Take the directories; nothing is watched yet."""
        self._watched = watched
        self._open: dict[str, tuple[int, object]] = {}
        self._seen: object = None
        self._armed_s = 0.0

    def arm(self) -> None:
        """Watch the directories as they are now, and remember their state for `changed`.

        Of a directory that does not exist the nearest one above is watched; one that may not be entered, or not be
        listed, is left out. To be repeated now and then: a directory may have been replaced by another one.

        Raises:
            OSError: none can be watched, as where the kernel has no such service.
        """
        wanted: dict[str, int] = {}
        for one in self._watched:
            directory = _existing(one.directory)
            if not os.access(directory, os.R_OK | os.X_OK):  # as of a home, in the daemon's sandbox
                continue
            wanted[directory] = wanted.get(directory, 0) | _ENTRIES | (_CONTENTS if one.contents else 0)
        for directory in self._open.keys() - wanted.keys():
            self._close(directory)
        for directory, events in wanted.items():
            with suppress(PermissionError):  # as by a security module, or since it was asked; the others are watched
                self._watch(directory, events)
        self._armed_s = time.monotonic()
        self._seen = self._state()

    def changed(self) -> bool:
        """Return whether what counts differs from what it was at the last `arm`."""
        return time.monotonic() - self._armed_s < _RESOLUTION_S or self._state() != self._seen

    def close(self) -> None:
        """Watch nothing any more."""
        for directory in list(self._open):
            self._close(directory)

    def _watch(self, directory: str, events: int) -> None:
        identity = (os.stat(directory).st_dev, os.stat(directory).st_ino, events)
        if directory in self._open and self._open[directory][1] == identity:
            return
        self._close(directory)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.fcntl(descriptor, fcntl.F_NOTIFY, events | fcntl.DN_MULTISHOT)
            fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())  # the process, not this thread
        except OSError:
            os.close(descriptor)
            raise
        self._open[directory] = descriptor, identity

    def _close(self, directory: str) -> None:
        if directory in self._open:
            os.close(self._open.pop(directory)[0])

    def _state(self) -> list[object]:
        return [_version(path) for one in self._watched for path in _paths(one)]


def _paths(watched: Watched) -> Iterator[str]:
    """Yield what is compared: the entries that count, else the directory, which changes with each entry."""
    if watched.names:
        yield from (os.path.join(watched.directory, name) for name in watched.names)
        return
    yield watched.directory
    if watched.contents:
        try:
            yield from sorted(os.path.join(watched.directory, name) for name in os.listdir(watched.directory))
        except OSError:  # there is none
            return


def _existing(directory: str) -> str:
    while not os.path.isdir(directory) and directory != os.path.dirname(directory):
        directory = os.path.dirname(directory)
    return directory


def _version(path: str) -> FileVersion | None:
    try:
        return file_version(path)
    except OSError:  # there is none, or it cannot be seen
        return None
