"""What tests of a supervised child wait for, instead of a time that a busy machine exceeds."""

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace


class Beats:
    """Keep-alives of a parent; its child works until the third one."""

    def __init__(self, directory: Path) -> None:
        self._count = 0
        self._third = directory / "third"

    def alive(self) -> None:
        """Take a keep-alive, in the parent."""
        self._count += 1
        if self._count == 3:
            self._third.touch()

    def wait(self) -> None:
        """Return at the third one, in the child; the limit only ends what hangs."""
        until = time.monotonic() + 60
        while not self.came and time.monotonic() < until:
            time.sleep(0.05)

    @property
    def came(self) -> bool:
        """Whether there were three."""
        return self._third.exists()


def passing_at(has_begun: Callable[[], bool]) -> SimpleNamespace:
    """Return a `time` for a module, in which two minutes pass once something has begun, however long that takes."""
    clock = time.monotonic
    return SimpleNamespace(monotonic=lambda: clock() + (120 if has_begun() else 0))
