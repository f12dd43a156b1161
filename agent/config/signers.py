"""The allowed-signers file of [requests]: whether nobody but root can change it."""

import stat
from pathlib import Path

from agent.core.policy.policy import RequestsPolicy
from agent.errors import ConfigError

_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def check_signers(policy: RequestsPolicy) -> None:
    """Check the file that `requests.signers` names, if any.

    Raises:
        ConfigError: it is missing, no regular file, or somebody else than root can change it.
    """
    if not policy.signers:
        return
    path = Path(policy.signers)
    for place in (path, *path.parents):
        try:
            found = place.lstat()
        except OSError as error:
            raise ConfigError(f"{place}: cannot be read: {error.strerror} (requests.signers)") from error
        kind = stat.S_ISREG if place == path else stat.S_ISDIR
        sticky = place != path and found.st_mode & stat.S_ISVTX  # others cannot replace what root has there
        if not kind(found.st_mode):
            raise ConfigError(f"{place}: is not a regular file in real directories (requests.signers)")
        if found.st_uid != 0 or (found.st_mode & _WRITABLE_BY_OTHERS and not sticky):
            raise ConfigError(f"{place}: accepted: owned by root, and writable for nobody else (requests.signers)")
        if place == path and found.st_size == 0:
            raise ConfigError(f"{place}: is empty, so that no request would ever run (requests.signers)")
