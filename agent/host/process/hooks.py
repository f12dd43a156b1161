"""Runs an administrator's hooks: executables of a directory, by the rules of run-parts(8), each with a time limit.

The contract is docs/hooks.md.
"""

import contextlib
import json
import os
import pwd
import select
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Mapping

from agent.core.frozen import frozen
from agent.core.pattern import lazy_pattern
from agent.core.redact import redact_document
from agent.host.process.environment import LANGUAGE, PATH
from agent.host.process.file_trust import distrust

_NAME = lazy_pattern(r"[A-Za-z0-9_-]+")
"""run-parts(8): no dot, so that backups and files of dpkg (`.dpkg-new`) are not run."""
_MAX_OUTPUT = 4096
"""Bytes of output that are kept."""
_EXECUTABLE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH
_POLL_S = 0.2
_ENVIRONMENT = {**LANGUAGE, "PATH": PATH, "HOME": "/"}
_NO_VARIABLES: Mapping[str, str] = {}


@frozen
class HookResult:
    """How a hook ended."""

    problem: str
    """Why it failed: "exit code 1"; empty if it succeeded."""
    output: str
    """The start of what it wrote to standard output and standard error."""
    exit_code: int | None = None
    """None: it did not end by itself."""
    started: bool = True
    """False: it cannot be run, or others than root can change it, so that it was not run as root."""


def find_hooks(directory: str) -> list[str]:
    """Return the paths of the directory's hooks in the order in which they run; empty if there is none.

    By their mode, whoever asks: one on a file system mounted noexec, which access(2) calls not executable, has to fail.
    """
    try:
        names = sorted(name for name in os.listdir(directory) if _NAME.fullmatch(name))
    except OSError:
        return []
    paths = [os.path.join(directory, name) for name in names]
    return [path for path in paths if _is_executable(path)]


def _is_executable(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) and bool(mode & _EXECUTABLE)


def run_hook(
    path: str,
    document: object,
    *,
    user: str | None,
    limit_s: float,
    alive: Callable[[], None] = lambda: None,
    started: Callable[[int], None] = lambda _pid: None,
    variables: Mapping[str, str] = _NO_VARIABLES,
) -> HookResult:
    """Run a hook with a JSON document on standard input, as a user (None: as this one), in its own process group.

    `variables` are added to its environment. As root only a file is run that nobody else can change. The whole group
    is killed at the time limit; `started` is called with its pid, `alive` while it runs. Never raises for the hook's
    sake.
    """
    if user is None and os.geteuid() == 0 and (problem := distrust(path)):
        return HookResult(problem=f"not run: {problem}", output="", started=False)
    # In memory, because the hook may have to report a full disk, and readable for its user, who may open /dev/stdin.
    # Not a pipe: a hook that does not read must not block.
    with open(os.memfd_create("notification"), "w+b") as given:
        given.write(f"{json.dumps(redact_document(document))}\n".encode())
        given.seek(0)
        try:
            identity = {} if user is None else _identity(user)
            process = subprocess.Popen(
                [path],
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={**_ENVIRONMENT, **variables},
                start_new_session=True,
                **identity,  # type: ignore[call-overload] # one of two fixed sets of keywords
            )
        except (OSError, ValueError, LookupError) as error:
            return HookResult(problem=f"cannot be run: {error}", output="", started=False)
    with process:
        started(process.pid)
        return _result(process, limit_s, alive)


def _identity(user: str) -> dict[str, object]:
    """Return the arguments of Popen for a user. Raises KeyError if there is no such user."""
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _result(process: "subprocess.Popen[bytes]", limit_s: float, alive: Callable[[], None]) -> HookResult:
    deadline = time.monotonic() + limit_s
    output = b""
    while process.poll() is None and time.monotonic() < deadline:
        alive()
        output += _available(process, _POLL_S)[: max(_MAX_OUTPUT - len(output), 0)]
    late = process.poll() is None
    with contextlib.suppress(ProcessLookupError):  # what it left running in the background, too
        os.killpg(process.pid, signal.SIGKILL)
    code = process.wait()
    output += _available(process, 0)[: max(_MAX_OUTPUT - len(output), 0)]
    problem = f"killed after {limit_s:.0f} s" if late else ""
    if not late and code:
        problem = f"exit code {code}" if code > 0 else f"killed by signal {-code}"
    exit_code = code if code >= 0 and not late else None
    return HookResult(problem=problem, output=output.decode(errors="replace").strip(), exit_code=exit_code)


def _available(process: "subprocess.Popen[bytes]", timeout_s: float) -> bytes:
    """Return what can be read now; waits up to a timeout for the first byte."""
    stream = process.stdout
    if stream is None or not select.select([stream], [], [], timeout_s)[0]:
        return b""
    found = os.read(stream.fileno(), 65536)
    if not found:  # closed, and the hook goes on
        time.sleep(timeout_s)
    return found
