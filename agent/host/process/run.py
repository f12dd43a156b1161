"""Runs another program with a deadline and captures its output."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from agent.core.redact import redact
from agent.host.process.environment import system_environment

_MAX_OUTPUT = 64 * 1024
"""Characters of output that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramResult:
    """How a program ended."""

    code: int | None
    """Exit code, negative for a signal; None: not started, or killed at the deadline."""
    output: str
    """Standard output and standard error, redacted; with `code` None why."""


def run_program(arguments: Sequence[str], *, limit_s: float) -> ProgramResult:
    """Run a program with nothing on its standard input, and kill it at the deadline. Never raises for its sake."""
    try:
        done = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=system_environment(os.environ),
            cwd="/",
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ProgramResult(code=None, output=f"{arguments[0]}: no answer within {limit_s:.0f} s")
    except OSError as error:
        return ProgramResult(code=None, output=f"{arguments[0]}: {error.strerror}")
    return ProgramResult(
        code=done.returncode, output=redact(done.stdout.decode(errors="replace")[:_MAX_OUTPUT].strip())
    )
