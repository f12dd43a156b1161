"""Reads daemon.json, and where the engine listens."""

import json
from collections.abc import Sequence

from agent.core.model.docker import DaemonConfig
from agent.core.model.facts import Unseen
from agent.core.redact import redact
from agent.errors import HostError
from agent.host.docker.api import SOCKET
from agent.host.docker.fields import Fields

DEFAULT_CONFIG = "/etc/docker/daemon.json"
_MOST_BYTES = 1 << 20


def read_config(
    arguments: Sequence[str] = (), default: str = DEFAULT_CONFIG
) -> tuple[DaemonConfig | Unseen, tuple[str, ...]]:
    """Return the engine's configuration file and the `hosts` in it; `arguments` may name another file."""
    named = option(arguments, "--config-file")
    path = next(iter(named), default)
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError) as error:  # dockerd needs a file that an option names
        return DaemonConfig(present=False, problem=f"{path}: {error.strerror}" if named else ""), ()
    except OSError as error:
        return Unseen(reason=f"{path}: {error.strerror}"), ()
    return _parse(data)


def _parse(data: bytes) -> tuple[DaemonConfig, tuple[str, ...]]:
    try:
        text = data.decode("utf-8-sig").strip()  # dockerd accepts a byte order mark, and an empty file
        fields = Fields(json.loads(text) if text else {}, "daemon.json")
        hosts = tuple(host for host in fields.items("hosts") if isinstance(host, str))
        config = DaemonConfig(
            present=True,
            live_restore=fields.flag("live-restore"),
            min_api_version=fields.text("min-api-version"),
            keys=tuple(fields.keys()),
        )
    except json.JSONDecodeError as error:
        return _faulty(f"line {error.lineno}, column {error.colno}: {error.msg}")
    except UnicodeDecodeError as error:
        return _faulty(f"byte {error.start}: not UTF-8")
    except (HostError, RecursionError) as error:
        return _faulty(str(error))
    return config, hosts


def _faulty(problem: str) -> tuple[DaemonConfig, tuple[str, ...]]:
    return DaemonConfig(present=True, problem=redact(problem)), ()


def option(arguments: Sequence[str], *names: str) -> list[str]:
    """Return the values of an option among a program's arguments: `--name value`, `--name=value`."""
    found = []
    for at, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        if name in names:
            found += [value] if equals else list(arguments[at + 1 : at + 2])
    return found


def socket_of(arguments: Sequence[str], hosts: Sequence[str], unit_socket: str = "") -> str | None:
    """Return the Unix socket on which an engine listens; None if on none. DOCKER_HOST is for clients and not used."""
    listens = [*option(arguments, "-H", "--host"), *hosts]
    if not listens:
        return SOCKET
    for place in listens:
        if place.startswith("unix://"):
            return place.removeprefix("unix://") or SOCKET
        if place.startswith("fd://"):
            return unit_socket or SOCKET
    return None
