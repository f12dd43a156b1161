"""Runs work at idle priority, in a child process of its own: whatever else the machine does comes first.

What the work meets (a damaged file, a library that gives up) ends the child and nothing else.
"""

import json
import os
import resource
import select
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress

import psutil

from agent.core.ports import StopReason

_LOWEST = 19
_MEMORY_BYTES = 512 * 1024 * 1024
"""What the child may take beyond what it began with."""
_POLL_S = 0.5


def run_idle(
    work: Callable[[], Iterator[dict[str, object]]], *, stop: StopReason
) -> Generator[dict[str, object], None, None]:
    """Yield the documents that the work yields, as they come; fewer where it was cut short.

    The child is ended once `stop` says so, and when nobody listens any more.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _child(work, writing)
    os.close(writing)
    try:
        pending = b""
        while not stop():
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


def _child(work: Callable[[], Iterator[dict[str, object]]], descriptor: int) -> None:
    """Be the child: never returns, and says nothing but what the work yields."""
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
    """Let everything else have processor and disk first, and take no more memory than is good for it."""
    process = psutil.Process()
    with suppress(OSError, psutil.Error):  # some containers forbid it; the work is the same
        os.nice(_LOWEST)
        process.ionice(psutil.IOPRIO_CLASS_IDLE)
    with suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (process.memory_info().vms + _MEMORY_BYTES, hard))
