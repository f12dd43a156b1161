"""psutil, imported without the traceback that it prints on standard error where /proc is not mounted (a chroot)."""

import io
from contextlib import redirect_stderr

with redirect_stderr(io.StringIO()):
    import psutil

__all__ = ["psutil"]
