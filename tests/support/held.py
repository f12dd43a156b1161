"""What a machine waits for until a test lets go of it: nothing depends on how long the machine takes meanwhile."""

import contextlib
from collections.abc import Iterator

from tests.support.machine import Machine

_PROGRESS = "/var/lib/maestro-agent/progress"
_HOLDER = """exec /usr/bin/python3 -c '
import fcntl, time
file = open("{path}", "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)'"""


_COURSE = "/usr/share/maestro-agent/agent/worker/steps/engine_course.py"
_STAYS = """

def _staying(record):
    def recorded(self, phase, reason=""):
        record(self, phase, reason)
        while phase.value == "{phase}":
            __import__("time").sleep(1)

    return recorded


EngineCourse.record = _staying(EngineCourse.record)
"""


def held_until(file: str = "/go") -> str:
    """Return the command of a script that goes on once the file is there; the limit only ends what hangs."""
    return f"timeout 120 sh -c 'until test -e {file}; do sleep 0.05; done'"


@contextlib.contextmanager
def lock_held(machine: Machine, path: str) -> Iterator[None]:
    """Have a program, python3, hold the record lock on a file until `free_lock` or the end of the block."""
    with machine.start(_HOLDER.format(path=path)) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            yield
        finally:
            free_lock(machine)


def free_lock(machine: Machine) -> None:
    """End the program of `lock_held`."""
    for pid in machine.processes("fcntl.lockf(file"):
        machine.run(f"kill -KILL {pid}")


def wait_for_the_wait(machine: Machine, program: str) -> None:
    """Return once the running job waits for a lock that this program holds."""
    machine.check(f"until grep -qs 'waiting for {program} (pid' {_PROGRESS}; do sleep 0.05; done", timeout=120)


@contextlib.contextmanager
def staying_in(machine: Machine, phase: str) -> Iterator[None]:
    """Have a change of an engine stay in a phase that is on record: it may be over before a test has seen it."""
    file = machine.path(_COURSE)
    before = file.read_text()
    file.write_text(before + _STAYS.format(phase=phase))
    try:
        yield
    finally:
        file.write_text(before)
