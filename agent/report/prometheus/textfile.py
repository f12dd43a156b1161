"""Writes the file for node_exporter's textfile collector: replaced atomically, world-readable."""

import contextlib
import errno
import os
import pwd
import time
from collections.abc import Callable

from agent.errors import HostError

_MODE = 0o644
_TEMPORARY = ".tmp"
_OLD_S = 3600


IsWanted = Callable[[], bool]


def always() -> bool:
    """Return that it is wanted: by a process, which is killed if it hangs."""
    return True


def write_metrics(path: str, text: str, is_wanted: IsWanted = always) -> None:
    """Replace the file's content atomically. It need not outlive a power cut: the daemon writes it as it starts.

    A write to a file server that is away may go on an hour later: `is_wanted` is asked right before the file is
    replaced, and the old content stays if it is not.

    Raises:
        HostError: it cannot be written; the old content stays.
    """
    # The name has the process id, as two may write at once; the collector reads only names that end in .prom.
    temporary = f"{path}.{os.getpid()}{_TEMPORARY}"
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)  # of a killed process; never opened, as it may be a link
        _write(temporary, text.encode())
        if not is_wanted():
            os.unlink(temporary)
            return
        os.rename(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise HostError(f"{path}: the metrics cannot be written: {_reason(path, error)}") from error
    _remove_leftovers(path)


def _remove_leftovers(path: str) -> None:
    """Remove the temporary files of killed processes."""
    directory, name = os.path.split(path)
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            ours = entry.name.startswith(f"{name}.") and entry.name.endswith(_TEMPORARY)
            if ours and time.time() - entry.stat(follow_symlinks=False).st_mtime > _OLD_S:
                os.unlink(entry.path)


def _write(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    with open(descriptor, "wb") as file:
        os.fchmod(descriptor, _MODE)  # whatever the umask
        file.write(content)


def _reason(path: str, error: OSError) -> str:
    """Return what is wrong and, where known, what to do."""
    directory = os.path.dirname(path)
    if not os.path.isdir(directory):
        return f"there is no directory {directory} (is prometheus-node-exporter installed?)"
    if isinstance(error, PermissionError) and os.access(directory, os.W_OK):
        return "it belongs to another user: remove it"  # in a directory with the sticky bit
    if isinstance(error, PermissionError):
        user = _user()
        way = f"`chgrp {user} {directory} && chmod 1775 {directory}`"
        return f"the user {user} may not write to {directory}: {way}"
    if error.errno == errno.EROFS:
        return (
            f"{directory} is read-only for the daemon: `systemctl restart maestro-agent` if it was created after the "
            "daemon started; for another directory `systemctl edit maestro-agent`, [Service], "
            f"ReadWritePaths={directory}"
        )
    return error.strerror or str(error)


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
