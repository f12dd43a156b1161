"""APScheduler for a small daemon: threads only, one time zone, UTC, and no search for plugins.

APScheduler looks for its plugins and its own version in the metadata of the installed Python packages: up to 3.9
through pkg_resources, a quarter of the daemon's memory, later through importlib.metadata, which brings the mail and
zip libraries. None of those names is ever requested here. For a job that is a coroutine, a pool of processes and the
machine's time zone it imports asyncio, multiprocessing and tzlocal, of each of which it takes one name: 4 MiB. All are
replaced by stand-ins while APScheduler is imported, and only then: `tests/daemon/test_scheduler.py` checks that.
"""

import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from threading import Event, Lock, Thread
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
    "asyncio": _stand_in("asyncio", iscoroutinefunction=lambda _function: False),
    "concurrent.futures.process": _stand_in("concurrent.futures.process", BrokenProcessPool=_NotFoundError),
    "tzlocal": _stand_in("tzlocal", get_localzone=_not_found),
}
_ABSENT = [name for name in _STAND_INS if name not in sys.modules]
sys.modules.update({name: _STAND_INS[name] for name in _ABSENT})

# The stand-ins have to be there first (E402 would have all imports above them).
from apscheduler.executors.debug import DebugExecutor  # noqa: E402
from apscheduler.executors.pool import ThreadPoolExecutor  # noqa: E402
from apscheduler.schedulers.base import STATE_STOPPED, BaseScheduler  # noqa: E402
from apscheduler.triggers.date import DateTrigger  # noqa: E402
from apscheduler.triggers.interval import IntervalTrigger  # noqa: E402

for _name in _ABSENT:
    del sys.modules[_name]

_ZONE = "UTC"
"""By name: up to 3.9 APScheduler accepts pytz zones only, from 3.11 on none of them."""
_TICK = "tick"
_AT_LATEST_S = 300
"""Until the next tick, should one end without naming a time."""
_NEVER = datetime.max.replace(tzinfo=timezone.utc)


class _OneThread(BaseScheduler):  # type: ignore[misc]
    """Runs the ticks in its own thread, so that a tick wakes one thread and not three; a job has another thread.

    A tick runs after APScheduler has released its locks: neither a stop nor another request waits for it.
    """

    def __init__(self, tick: Callable[[], None], before_sleep: Callable[[], None], **options: object) -> None:
        super().__init__(**options)
        self._wanted = Event()
        self._tick = tick
        self._before_sleep = before_sleep
        self._is_due = False

    def start(self, paused: bool = False) -> None:  # noqa: FBT001, FBT002 - of the base class
        super().start(paused)
        Thread(target=self._loop, daemon=True).start()

    def wakeup(self) -> None:
        self._wanted.set()

    def shutdown(self, wait: bool = True) -> None:  # noqa: FBT001, FBT002 - of the base class
        super().shutdown(wait)
        self._wanted.set()

    def note_due(self) -> None:
        """Have the tick run as soon as the locks are free."""
        self._is_due = True

    def _loop(self) -> None:
        wait_s = None
        while self.state != STATE_STOPPED:
            self._wanted.wait(wait_s)
            self._wanted.clear()
            try:
                wait_s = self._process_jobs()
            except KeyError:  # JobLookupError: it was stopped while a job was removed
                if self.state != STATE_STOPPED:
                    raise
                return
            if self._is_due:
                self._is_due = False
                self._tick()  # names the time of the next one, so the loop does not sleep yet
            else:
                self._before_sleep()


class Scheduler:
    """Runs ticks, each at the time that the one before it has named, and other work once beside them."""

    def __init__(self, tick: Callable[[], datetime], before_sleep: Callable[[], None] = lambda: None) -> None:
        """Create it stopped. A tick returns when the next one is due; it must not raise.

        `before_sleep` is called in the ticks' thread when that has nothing more to do; neither must it raise.
        """
        self._tick = tick
        self._lock = Lock()
        self._next_at = utc_now()
        self._stopped = False
        # A thread for a job, which takes long.
        executors = {"default": ThreadPoolExecutor(1), _TICK: DebugExecutor()}
        self._inner = _OneThread(self._run, before_sleep, timezone=_ZONE, executors=executors)
        options = {"coalesce": True, "misfire_grace_time": None, "executor": _TICK, "next_run_time": self._next_at}
        trigger = IntervalTrigger(seconds=_AT_LATEST_S, timezone=_ZONE)
        self._inner.add_job(self._inner.note_due, trigger, id=_TICK, **options)

    def run_now(self) -> None:
        """Run a tick at once, or once more after the one that is running."""
        self.run_within(0)

    def run_within(self, seconds: float) -> None:
        """Run a tick by then, which sees what has changed until then; an earlier one stays."""
        with self._lock:
            at = utc_now() + timedelta(seconds=seconds)
            if seconds == 0 or at < self._next_at:
                self._set_next(at)

    def once(self, work: Callable[[], None]) -> None:
        """Run the work now, beside the ticks."""
        self._inner.add_job(work, DateTrigger(timezone=_ZONE), misfire_grace_time=None)

    def start(self) -> None:
        """Start the threads, and the first tick."""
        self._inner.start()

    def stop(self) -> None:
        """Start no more work; running work is not waited for, and what it requests is ignored. May be repeated."""
        with self._lock:
            stopped, self._stopped = self._stopped, True
        if not stopped:
            self._inner.shutdown(wait=False)

    def _run(self) -> None:
        with self._lock:
            self._next_at = _NEVER  # what is requested from here on comes after this tick
        found = self._tick()
        with self._lock:
            if found < self._next_at:
                self._set_next(found)

    def _set_next(self, at: datetime) -> None:
        if self._stopped:
            return
        self._next_at = at
        self._inner.modify_job(_TICK, next_run_time=at)
