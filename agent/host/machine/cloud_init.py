"""Whether cloud-init is still setting this machine up, package work and all: nobody is to come in between.

It writes `status.json` as it goes, and `result.json` at its end (cloud-init's documentation, "CLI status").
"""

import os
import time

_STATUS = "/run/cloud-init/status.json"
_RESULT = "/run/cloud-init/result.json"
_GIVEN_UP_S = 3600.0
"""After so long without a word it is taken to have died."""


def is_cloud_init_running() -> bool:
    """Return whether it has begun in this boot and not ended."""
    try:
        silent_s = time.time() - os.stat(_STATUS).st_mtime
    except OSError:
        return False
    return silent_s < _GIVEN_UP_S and not os.path.exists(_RESULT)
