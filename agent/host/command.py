"""The one door to other programs: no shell, no standard input, English messages, an end to every wait."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from agent.errors import HostError

QUIET: Mapping[str, str] = {
    # Nobody is there to answer: debconf(7), apt-listchanges(1), and needrestart's hook in apt, which would
    # otherwise restart services unasked on Ubuntu ("l": list only).
    "DEBIAN_FRONTEND": "noninteractive",
    "APT_LISTCHANGES_FRONTEND": "none",
    "NEEDRESTART_MODE": "l",
    "UCF_FORCE_CONFFOLD": "1",
    "LC_ALL": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}
"""Environment for everything that runs maintainer scripts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A program that ended, however it did."""

    code: int
    output: str
    """Standard output and error together."""


def run(*command: str, timeout_s: float, environment: Mapping[str, str] | None = None) -> Ran:
    """Run a program to its end.

    Raises:
        HostError: there is no such program, or it ran longer than `timeout_s` and was killed.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
            env={**os.environ, **QUIET, **(environment or {})},
        )
    except OSError as error:
        raise HostError(f"{command[0]}: cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise HostError(f"{' '.join(command)}: still running after {timeout_s:.0f} s and was stopped") from error
    return Ran(code=done.returncode, output=done.stdout.decode(errors="replace"))
