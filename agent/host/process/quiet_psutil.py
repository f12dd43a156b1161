"""psutil, imported when it is first used: most jobs do without it, and it takes as long to import as libapt.

Without the traceback that it prints on standard error where /proc is not mounted (a chroot).
"""

import importlib
import io
from contextlib import redirect_stderr
from types import ModuleType
from typing import Any


def load_psutil() -> ModuleType:
    """Return the module. Called before dpkg runs, which may replace psutil's files, or Python's.

    Raises:
        ImportError: it is not installed completely.
    """
    with redirect_stderr(io.StringIO()):
        return importlib.import_module("psutil")


class _Psutil:
    """Has what the module has."""

    def __getattr__(self, name: str) -> Any:
        return getattr(load_psutil(), name)


psutil = _Psutil()
