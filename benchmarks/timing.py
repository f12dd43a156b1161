"""Times short commands inside a machine, alternately, so that other load affects all of them equally."""

import json
from pathlib import Path

from benchmarks.figures import Figure
from tests.support.machine import Machine

PYTHON = "python3 -c pass"
BARE_PYTHON = "python3 -I -c pass"
"""The start of the distribution's Python alone: nothing of the environment or the current directory."""
OPEN = "python3 -c 'import apt_pkg; apt_pkg.init_config(); apt_pkg.init_system(); apt_pkg.Cache(None)'"
"""The minimum that a program using libapt has to do."""
_INSIDE = Path(__file__).resolve().parent / "inside"


def copy_in(running: Machine, name: str) -> str:
    """Copy a program of `benchmarks/inside` into the machine; return its path there."""
    running.write(f"/srv/{name}", (_INSIDE / name).read_text())
    return f"/srv/{name}"


def measure(running: Machine, commands: list[str], rounds: int) -> list[Figure]:
    """Time commands inside the machine; in a table the first one is the baseline."""
    running.write("/srv/commands.json", json.dumps([commands, rounds]))
    timer = copy_in(running, "timer.py")
    taken = json.loads(running.check(f"python3 {timer} </srv/commands.json", timeout=1800))
    return [
        Figure(command=command, seconds=tuple(seconds), cpu=tuple(cpu), rss_kib=max(memory))
        for command, seconds, cpu, memory in taken
    ]
