"""APScheduler as a small daemon can bear it: on one clock, UTC, and without the search for plugins.

Up to 3.9 it finds its plugins and its own version with pkg_resources, which reads the description of every Python
package of the machine: a quarter of the daemon's memory, for names that are never asked for. It gets a stand-in that
knows of none, for as long as it is imported.
"""

import sys
from collections.abc import Callable
from datetime import datetime, timezone
from threading import Lock
from types import ModuleType


class _NoDistributionError(Exception):
    """Stands in for pkg_resources.DistributionNotFound, which APScheduler takes for "a version of my own"."""


def _no_distribution(_name: str) -> None:
    raise _NoDistributionError


def _stand_in() -> ModuleType:
    module = ModuleType("pkg_resources")
    vars(module).update(
        DistributionNotFound=_NoDistributionError,
        get_distribution=_no_distribution,
        iter_entry_points=lambda _group: (),
    )
    return module


_given = sys.modules.get("pkg_resources")
sys.modules["pkg_resources"] = _given or _stand_in()

# The stand-in has to be there first (E402 would have all imports above it).
from apscheduler.executors.pool import ThreadPoolExecutor  # noqa: E402
from apscheduler.schedulers.background import BackgroundScheduler  # noqa: E402
from apscheduler.triggers.date import DateTrigger  # noqa: E402
from apscheduler.triggers.interval import IntervalTrigger  # noqa: E402

if _given is None:
    del sys.modules["pkg_resources"]

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
        self._inner.add_job(alone, trigger, id="tick", next_run_time=_now(), **options)

    def hasten(self) -> None:
        """Do what is done now and then at once, and go on from there."""
        self._inner.modify_job("tick", next_run_time=_now())

    def once(self, work: Callable[[], None]) -> None:
        """Do the work now, beside all else."""
        self._inner.add_job(work, DateTrigger(timezone=_ZONE), misfire_grace_time=None)

    def start(self) -> None:
        """Begin."""
        self._inner.start()

    def stop(self) -> None:
        """Begin nothing more; what is being done is not waited for."""
        self._inner.shutdown(wait=False)


def _now() -> datetime:
    return datetime.now(timezone.utc)
