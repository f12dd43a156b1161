"""The user of this process."""

import os


def is_root() -> bool:
    """Whether this process runs as root."""
    return os.geteuid() == 0
