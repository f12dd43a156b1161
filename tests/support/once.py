"""What is made once for all processes of a run: the first process that needs it makes it, the others wait for it."""

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

_VARIABLE = "MAESTRO_TEST_SHARED"
_shared: list[Path] = []
"""The directory; kept here, since a job that a test runs in this process replaces its environment."""
_made: list[Path] = []
"""The same in the process that made it, which removes it; those of pytest-xdist inherit its name, and end earlier."""


def begin() -> None:
    """Make the directory that the processes of a run share."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ[_VARIABLE] = tempfile.mkdtemp(prefix="maestro-tests-")
        _made.append(Path(os.environ[_VARIABLE]))
    _shared.append(Path(os.environ[_VARIABLE]))


def end() -> None:
    """Remove that directory, in the process that made it."""
    while _made:
        subprocess.run(["rm", "-rf", str(_made.pop())], check=True)


def once(name: str, make: Callable[[Path], None]) -> Path:
    """Return a directory that a function fills; a run that fails to fill it tries again in the next process."""
    shared = _shared[-1]
    made = shared / name
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            making = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=shared))
            making.chmod(0o755)
            make(making)
            making.rename(made)
    return made
