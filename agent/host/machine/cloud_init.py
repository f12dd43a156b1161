"""Detects a running cloud-init, which may install packages: the daemon waits for it.

cloud-init updates `status.json` while it runs and writes `result.json` at the end (its documentation, "CLI status").
"""

import os
import time

from agent.host.boot_time import booted_at

_STATUS = "/run/cloud-init/status.json"
_RESULT = "/run/cloud-init/result.json"
_STALE_S = 3600.0
"""After this long without an update, cloud-init counts as dead."""


def is_cloud_init_running() -> bool:
    """Return whether cloud-init has started in this boot and not finished."""
    now_s = time.time()
    try:
        idle_s = now_s - os.stat(_STATUS).st_mtime
    except OSError:
        return False
    up_s = now_s - booted_at().timestamp()
    if not 0 <= idle_s <= up_s:  # the clock was set since, as by the first synchronization of a new server
        idle_s = up_s
    return idle_s < _STALE_S and not os.path.exists(_RESULT)
