"""The file that node_exporter's textfile collector reads: replaced as a whole, readable by everyone."""

import contextlib
import errno
import os
import pwd
import time

from agent.errors import HostError

_MODE = 0o644
_PASSING = ".tmp"
_OLD_S = 3600


def write_metrics(path: str, text: str) -> None:
    """Put the text in place of what the file held; whoever reads it sees the one or the other, whole.

    Raises:
        HostError: it cannot be written; what the file held before stays.
    """
    # Of this process alone, for two may write at once; the collector reads names that end in .prom, and no others.
    passing = f"{path}.{os.getpid()}{_PASSING}"
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(passing)  # of one that was killed; never opened, for it may be a link
        _write(passing, text.encode())
        os.rename(passing, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(passing)
        raise HostError(f"{path}: the metrics cannot be written: {_reason(path, error)}") from error
    _sweep(path)


def _sweep(path: str) -> None:
    """Remove what others that were killed left behind."""
    directory, name = os.path.split(path)
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            ours = entry.name.startswith(f"{name}.") and entry.name.endswith(_PASSING)
            if ours and time.time() - entry.stat(follow_symlinks=False).st_mtime > _OLD_S:
                os.unlink(entry.path)


def _write(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    with open(descriptor, "wb") as file:
        os.fchmod(descriptor, _MODE)  # whatever the umask
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _reason(path: str, error: OSError) -> str:
    """Say what is wrong, and what to do where that is known."""
    directory = os.path.dirname(path)
    if not os.path.isdir(directory):
        return f"there is no directory {directory} (is prometheus-node-exporter installed?)"
    if isinstance(error, PermissionError) and os.access(directory, os.W_OK):
        return "it is another user's: remove it"  # in a directory with the sticky bit
    if isinstance(error, PermissionError):
        user = _user()
        way = f"`chgrp {user} {directory} && chmod 1775 {directory}`"
        return f"the user {user} may not write to {directory}: {way}"
    if error.errno == errno.EROFS:
        return (
            f"{directory} is read-only for the daemon: `systemctl restart maestro-agent` where it was made after the "
            "daemon's start; for a place of your own `systemctl edit maestro-agent`, [Service], "
            f"ReadWritePaths={directory}"
        )
    return error.strerror or str(error)


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
