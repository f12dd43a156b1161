"""Runs inside a machine in place of /usr/bin/maestro-agent: the daemon does in seconds what takes it minutes.

`hurried.py SECONDS run ...`: looks, exporters, and, as much more often than usual, the watchdog's keep-alives. The
processes that the daemon starts run this program, too, and then it changes nothing.
"""

import importlib
import os
import sys
from datetime import timedelta

sys.path.insert(0, "/usr/share/maestro-agent")
sys.path += ["/usr/lib/python3/dist-packages"]

from agent.cli.main import main_and_exit
from agent.core.frozen import replace
from agent.core.schedule import wake

_WATCHDOG_S = 180.0
"""WatchdogSec= of the unit."""


def hurry(seconds: float) -> None:
    """Let looks be at most this far apart, and exporters due at this interval; the configuration allows a minute."""
    usual_s = wake.LONGEST_SLEEP.total_seconds()
    os.environ["WATCHDOG_USEC"] = f"{_WATCHDOG_S * seconds / usual_s * 1e6:.0f}"
    vars(wake)["LONGEST_SLEEP"] = timedelta(seconds=seconds)
    targets = importlib.import_module("agent.report.targets")  # here only: what the daemon starts may not need it
    configured = targets.export_target
    interval = timedelta(seconds=seconds)
    vars(targets)["export_target"] = lambda policy, exporter: replace(configured(policy, exporter), interval=interval)


if __name__ == "__main__":
    given = float(sys.argv.pop(1))  # what the daemon starts gets it again: it is left of the arguments
    if "run" in sys.argv:
        hurry(given)
    main_and_exit(sys.argv[1:])
