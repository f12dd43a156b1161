"""APScheduler is imported without its search for plugins, which costs a quarter of the daemon's memory."""

import subprocess
import threading

from agent.daemon.scheduler import Scheduler
from tests.conftest import CHECKOUT

IMPORT = f"""
import sys
sys.path.insert(0, {str(CHECKOUT)!r})
import agent.daemon.scheduler
print({{name for name in ("pkg_resources", "importlib.metadata") if name in sys.modules}})
import importlib.metadata
print(importlib.metadata.__spec__ is not None, hasattr(importlib.metadata, "Distribution"))
"""


def test_the_stand_ins_are_gone_after_the_import() -> None:
    done = subprocess.run(["/usr/bin/python3", "-I", "-c", IMPORT], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["set()", "True True"]


def test_work_runs_at_once_and_again_on_request() -> None:
    ticks = threading.Semaphore(0)
    once = threading.Event()
    scheduler = Scheduler()
    scheduler.every(3600, ticks.release)
    scheduler.start()

    assert ticks.acquire(timeout=60)
    scheduler.run_now()
    assert ticks.acquire(timeout=60)
    scheduler.once(once.set)
    assert once.wait(60)
    scheduler.stop()
