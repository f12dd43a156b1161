"""Who this process runs as."""

import os


def is_root() -> bool:
    """Whether this process may change the machine."""
    return os.geteuid() == 0
