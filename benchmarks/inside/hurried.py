"""Runs inside a machine in place of /usr/bin/maestro-agent: the daemon's exporters have an interval of seconds.

`hurried.py SECONDS run ...`. The processes that the daemon starts run this program, too, and then it changes nothing.
"""

import importlib
import sys
from dataclasses import replace
from datetime import timedelta

sys.path.insert(0, "/usr/share/maestro-agent")
sys.path += ["/usr/lib/python3/dist-packages"]

from agent.cli.main import main_and_exit


def hurry(seconds: float) -> None:
    """Let every exporter be due at this interval; the configuration allows a minute at least."""
    targets = importlib.import_module("agent.report.targets")  # here only: what the daemon starts may not need it
    configured = targets.export_target
    interval = timedelta(seconds=seconds)
    vars(targets)["export_target"] = lambda policy, exporter: replace(configured(policy, exporter), interval=interval)


if __name__ == "__main__":
    given = float(sys.argv.pop(1))  # what the daemon starts gets it again: it is left of the arguments
    if "run" in sys.argv:
        hurry(given)
    main_and_exit(sys.argv[1:])
