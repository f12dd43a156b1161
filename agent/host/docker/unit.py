"""docker.service and docker.socket, by one call of systemctl(1), which starts nothing."""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence

from agent.core.frozen import frozen
from agent.core.model.docker import EngineUnit, is_dockerd
from agent.core.model.facts import Unseen
from agent.core.pattern import lazy_pattern
from agent.host.process.run import ProgramResult, run_program
from agent.host.time_span import time_span

SERVICE = "docker.service"
_SOCKET_UNIT = "docker.socket"
_LIMIT_S = 5.0
_PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,UnitFileState,MainPID,TimeoutStopUSec,NRestarts,ExecStart,Environment,"
    "EnvironmentFiles,NeedDaemonReload,Listen"
)
_ARGUMENTS = lazy_pattern(r"argv\[\]=(.*?) ; ignore_errors=")
_FILE = lazy_pattern(r"(.+) \(ignore_errors=(?:yes|no)\)")
_LISTENS = lazy_pattern(r"(/\S+) \(Stream\)")
_BETWEEN_WORDS = lazy_pattern(r"[\s\"'\\]+")
"""What may differ between a command line in systemctl's text and the words themselves."""
_MOST_CHARACTERS = 1 << 20
_VARIABLE = lazy_pattern(r"\$\{(\w+)\}")

Systemctl = Callable[[Sequence[str]], ProgramResult]


@frozen
class SeenUnit:
    """docker.service, and what only the look at the engine needs of it."""

    unit: EngineUnit
    socket_path: str = ""
    """Where docker.socket listens; empty if nowhere."""


def call_systemctl(arguments: Sequence[str]) -> ProgramResult:
    """Run systemctl with its deadline."""
    return run_program(("systemctl", *arguments), limit_s=_LIMIT_S)


def read_unit(systemctl: Systemctl = call_systemctl) -> SeenUnit | Unseen | None:
    """Return docker.service; None if there is no such unit."""
    done = systemctl(("show", f"--property={_PROPERTIES}", SERVICE, _SOCKET_UNIT))
    if done.code != 0:
        return Unseen(reason=done.output.splitlines()[0] if done.output else f"systemctl: exit code {done.code}")
    blocks = {block.get("Id", ""): block for block in map(_values, done.output.split("\n\n"))}
    service, socket = blocks.get(SERVICE), blocks.get(_SOCKET_UNIT, {})
    if service is None:
        return Unseen(reason="systemctl does not show docker.service")
    if service.get("LoadState") == "not-found" and service.get("ActiveState") == "inactive":
        return None
    listens = _LISTENS.search(socket.get("Listen", ""))
    pid = _number(service.get("MainPID", "")) or None
    unit = EngineUnit(
        name=SERVICE,
        load_state=service.get("LoadState", ""),
        active_state=service.get("ActiveState", ""),
        unit_file_state=service.get("UnitFileState", ""),
        main_pid=pid,
        stop_timeout_s=time_span(service.get("TimeoutStopUSec", "infinity")),
        restarts=_number(service.get("NRestarts", "")),
        arguments=_exact(tuple(_arguments(service)), _process_arguments(pid) if pid else ()),
        socket_active=socket.get("ActiveState") == "active",
        needs_reload=service.get("NeedDaemonReload") == "yes",
    )
    return SeenUnit(unit=unit, socket_path=listens[1] if listens else "")


def _values(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else 0


def _arguments(service: Mapping[str, str]) -> Iterator[str]:
    """Yield the words of ExecStart with variables replaced as systemd.service(5) says: `$A` gives any number of words.

    systemctl writes the words unquoted: one that contains a space counts as several, see `_exact`.
    """
    match = _ARGUMENTS.search(service.get("ExecStart", ""))
    variables: dict[str, str] = {}
    for word in _split(service.get("Environment", "")):
        name, _, value = word.partition("=")
        variables[name] = value
    for entry in re.split(r"(?<=\)) ", service.get("EnvironmentFiles", "")):
        if file := _FILE.fullmatch(entry):
            variables |= _environment_file(file[1])
    for word in match[1].split() if match else ():
        if re.fullmatch(r"\$\w+", word):
            yield from _split(variables.get(word[1:], ""))
        else:
            yield _VARIABLE.sub(lambda found: variables.get(found[1], ""), word)


def _exact(words: tuple[str, ...], running: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words as the engine that runs has them: with their spaces, and without a wrapper such as env(1).

    Where the unit was changed since its start, the words of the unit count.
    """
    same = _BETWEEN_WORDS.sub("", "".join(words)) == _BETWEEN_WORDS.sub("", "".join(running))
    return running if is_dockerd(running) and (same or not is_dockerd(words)) else words


def _process_arguments(pid: int) -> tuple[str, ...]:
    """Return the arguments of a process, its program first (proc(5)); empty if they cannot be read."""
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
            return tuple(file.read(_MOST_CHARACTERS).split("\0")[:-1])
    except OSError:
        return ()


def _environment_file(path: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file if not line.lstrip().startswith(("#", ";"))]
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {name.strip(): " ".join(_split(value)) for name, _, value in pairs}


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # an open quote
        return text.split()


def engine_process(pid_file: str = "/run/docker.pid") -> int | None:
    """Return the process of an engine that runs outside of docker.service, by its process file; else None."""
    try:
        with open(pid_file, encoding="ascii") as file:
            pid = int(file.read(32))
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:  # any user may read it
            return pid if file.read().rstrip("\n") == "dockerd" else None
    except (OSError, ValueError):
        return None
