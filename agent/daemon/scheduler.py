"""APScheduler for a small daemon: one time zone, UTC, and no search for plugins.

APScheduler looks for its plugins and its own version in the metadata of the installed Python packages: up to 3.9
through pkg_resources, a quarter of the daemon's memory, later through importlib.metadata, which brings the mail and
zip libraries. None of those names is ever requested here. Both modules are replaced by stand-ins that know no package
while APScheduler is imported, and only then: `tests/daemon/test_scheduler.py` checks that they are gone afterwards.
"""

import sys
from collections.abc import Callable
from threading import Lock
from types import ModuleType

from agent.state.timestamps import utc_now


class _NotFoundError(Exception):
    """Stands in for the exception of either module; APScheduler then uses a built-in version number."""


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
"""By name: up to 3.9 APScheduler accepts pytz zones only, from 3.11 on none of them."""


class Scheduler:
    """Runs one tick at an interval, and other work once, each in threads."""

    def __init__(self) -> None:
        """Create it stopped."""
        # Two threads for ticks (see `every`), one for a job, which takes long.
        self._inner = BackgroundScheduler(timezone=_ZONE, executors={"default": ThreadPoolExecutor(3)})
        self._running = Lock()

    def every(self, seconds: float, work: Callable[[], None]) -> None:
        """Run the work now and at the interval; runs that were missed are run once, not once each."""

        def alone() -> None:
            with self._running:
                work()

        trigger = IntervalTrigger(seconds=seconds, timezone=_ZONE)
        # Two instances, so that `run_now` during a run is not lost: the second one waits, and sees what changed.
        options = {"coalesce": True, "max_instances": 2, "misfire_grace_time": None}
        self._inner.add_job(alone, trigger, id="tick", next_run_time=utc_now(), **options)

    def run_now(self) -> None:
        """Run the work of `every` at once; the interval counts from now."""
        self._inner.modify_job("tick", next_run_time=utc_now())

    def once(self, work: Callable[[], None]) -> None:
        """Run the work now, beside the ticks."""
        self._inner.add_job(work, DateTrigger(timezone=_ZONE), misfire_grace_time=None)

    def start(self) -> None:
        """Start the threads."""
        self._inner.start()

    def stop(self) -> None:
        """Start no more work; running work is not waited for."""
        self._inner.shutdown(wait=False)
