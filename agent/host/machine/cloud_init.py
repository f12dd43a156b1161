"""Detects a running cloud-init, which may install packages: the daemon waits for it.

cloud-init updates `status.json` while it runs and writes `result.json` at the end (its documentation, "CLI status").
"""

import os
import time

_STATUS = "/run/cloud-init/status.json"
_RESULT = "/run/cloud-init/result.json"
_STALE_S = 3600.0
"""After this long without an update, cloud-init counts as dead."""


def is_cloud_init_running() -> bool:
    """Return whether cloud-init has started in this boot and not finished."""
    try:
        idle_s = time.time() - os.stat(_STATUS).st_mtime
    except OSError:
        return False
    return idle_s < _STALE_S and not os.path.exists(_RESULT)
