"""Runs another program with a deadline and captures its output."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType

from agent.core.frozen import frozen
from agent.core.redact import redact
from agent.host.process.environment import system_environment

_MAX_OUTPUT = 64 * 1024
"""Characters of output that are kept, unless the caller needs more."""
_ALIVE_S = 10.0


@frozen
class ProgramResult:
    """How a program ended."""

    code: int | None
    """Exit code, negative for a signal; None: not started, or killed at the deadline."""
    output: str
    """Standard output and standard error, redacted; with `code` None why."""


def run_program(
    arguments: Sequence[str],
    *,
    limit_s: float,
    environment: Mapping[str, str] = MappingProxyType({}),
    alive: Callable[[], None] = lambda: None,
    input_file: str = os.devnull,
    most: int = _MAX_OUTPUT,
) -> ProgramResult:
    """Run a program, and kill it at the deadline. Never raises for its sake.

    `environment` are variables beside those of `system_environment`; `alive` is called while it runs; `input_file` is
    its standard input; of its output `most` characters are kept.
    """
    try:
        with open(input_file, "rb") as given:
            process = subprocess.Popen(
                arguments,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**system_environment(os.environ), **environment},
                cwd="/",
                start_new_session=True,
            )
    except OSError as error:
        return ProgramResult(code=None, output=f"{arguments[0]}: {error.strerror}")
    with process:
        output = _output(process, time.monotonic() + limit_s, alive)
    if output is None:
        return ProgramResult(code=None, output=f"{arguments[0]}: no answer within {limit_s:.0f} s")
    return ProgramResult(code=process.returncode, output=redact(output.decode(errors="replace")[:most].strip()))


def _output(process: "subprocess.Popen[bytes]", end: float, alive: Callable[[], None]) -> bytes | None:
    """Return what a program printed; None: it was killed at its end, with every program that it had started.

    A program that is left would hold the pipe, and reading it would wait for that one.
    """
    while True:
        try:
            return process.communicate(timeout=max(min(end - time.monotonic(), _ALIVE_S), 0))[0]
        except subprocess.TimeoutExpired:
            if time.monotonic() < end:
                alive()
                continue
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return None
