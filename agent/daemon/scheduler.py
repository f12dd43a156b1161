"""APScheduler as a small daemon can bear it: on one clock, UTC, and without the search for plugins.

It finds its plugins and its own version in the descriptions of the machine's Python packages, up to 3.9 by way of
pkg_resources, a quarter of the daemon's memory, later by importlib.metadata, which brings the mail and zip libraries:
all for names that are never asked for. Both get stand-ins that know of none, for as long as it is imported.
"""

import sys
from collections.abc import Callable
from threading import Lock
from types import ModuleType

from agent.state.timestamps import utc_now


class _NotFoundError(Exception):
    """Stands in for what either module raises, which APScheduler takes for "a version of my own"."""


def _not_found(_name: str) -> None:
    raise _NotFoundError


def _stand_in(name: str, **members: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(members)
    return module


_STAND_INS = {
    "pkg_resources": _stand_in(
        "pkg_resources",
        DistributionNotFound=_NotFoundError,
        get_distribution=_not_found,
        iter_entry_points=lambda _group: (),
    ),
    "importlib.metadata": _stand_in(
        "importlib.metadata",
        PackageNotFoundError=_NotFoundError,
        version=_not_found,
        entry_points=lambda *, group: (),  # noqa: ARG005 - the name is part of the call
    ),
}
_ABSENT = [name for name in _STAND_INS if name not in sys.modules]
sys.modules.update({name: _STAND_INS[name] for name in _ABSENT})

# The stand-ins have to be there first (E402 would have all imports above them).
from apscheduler.executors.pool import ThreadPoolExecutor  # noqa: E402
from apscheduler.schedulers.background import BackgroundScheduler  # noqa: E402
from apscheduler.triggers.date import DateTrigger  # noqa: E402
from apscheduler.triggers.interval import IntervalTrigger  # noqa: E402

for _name in _ABSENT:
    del sys.modules[_name]

_ZONE = "UTC"
"""As a name: before 3.9 it took zones of pytz alone, from 3.11 on it has none of them."""


class Scheduler:
    """Threads that do work now and then."""

    def __init__(self) -> None:
        """Make one that does nothing yet."""
        # Two threads for what is done now and then, one for what is done once and takes its time.
        self._inner = BackgroundScheduler(timezone=_ZONE, executors={"default": ThreadPoolExecutor(3)})
        self._at_it = Lock()

    def every(self, seconds: float, work: Callable[[], None]) -> None:
        """Do the work now, and again and again; where it was late, once and not once for each time."""

        def alone() -> None:
            with self._at_it:
                work()

        trigger = IntervalTrigger(seconds=seconds, timezone=_ZONE)
        # Two, so that being hastened while it is at work is not forgotten: the second waits, and sees what is new.
        options = {"coalesce": True, "max_instances": 2, "misfire_grace_time": None}
        self._inner.add_job(alone, trigger, id="tick", next_run_time=utc_now(), **options)

    def hasten(self) -> None:
        """Do what is done now and then at once, and go on from there."""
        self._inner.modify_job("tick", next_run_time=utc_now())

    def once(self, work: Callable[[], None]) -> None:
        """Do the work now, beside all else."""
        self._inner.add_job(work, DateTrigger(timezone=_ZONE), misfire_grace_time=None)

    def start(self) -> None:
        """Begin."""
        self._inner.start()

    def stop(self) -> None:
        """Begin nothing more; what is being done is not waited for."""
        self._inner.shutdown(wait=False)
