"""Whether systemd is this machine's init. Light: `status` imports it."""

import os

_RUNNING = "/run/systemd/system"


def systemd_runs() -> bool:
    """Return whether systemd is this machine's init (sd_booted(3))."""
    return os.path.isdir(_RUNNING)
