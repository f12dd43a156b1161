"""Runs work in a child process at idle CPU and I/O priority.

A crash in the work (a damaged file, a library abort) ends the child only.
"""

import json
import os
import resource
import select
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress

from agent.core.job_control import JobControl
from agent.host.process.quiet_psutil import psutil

_LOWEST_NICE = 19
_MEMORY_BYTES = 512 * 1024 * 1024
"""Address space that the child may allocate beyond its initial size."""
_POLL_S = 0.5


def run_idle(
    work: Callable[[], Iterator[dict[str, object]]], control: JobControl
) -> Generator[dict[str, object], None, None]:
    """Yield the documents that the work yields, as they arrive; fewer if the work fails or is stopped.

    The child is killed when a stop is requested, and when the generator is closed.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _run_child(work, writing)
    os.close(writing)
    try:
        pending = b""
        while not control.stop():
            control.alive()
            ready, _, _ = select.select([reading], [], [], _POLL_S)
            if not ready:
                continue
            chunk = os.read(reading, 65536)
            if not chunk:
                return
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                yield json.loads(line)
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _run_child(work: Callable[[], Iterator[dict[str, object]]], descriptor: int) -> None:
    """Run in the child: never returns, and writes only the yielded documents."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        _lower_priority()
        with os.fdopen(descriptor, "w", encoding="utf-8") as pipe:
            for document in work():
                pipe.write(f"{json.dumps(document)}\n")
                pipe.flush()
    finally:
        os._exit(0)


def _lower_priority() -> None:
    """Set idle CPU and I/O priority, and a memory limit."""
    # Not permitted in some containers, or without /proc: the work runs all the same.
    with suppress(OSError, psutil.Error):
        os.nice(_LOWEST_NICE)
        psutil.Process().ionice(psutil.IOPRIO_CLASS_IDLE)
    with suppress(OSError, ValueError, psutil.Error):
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + _MEMORY_BYTES, hard))
