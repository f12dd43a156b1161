"""Where the engine of docker.service listens."""

from agent.host.docker.api import SOCKET
from agent.host.docker.daemon_config import read_config, socket_of
from agent.host.docker.unit import SeenUnit, Systemctl, call_systemctl, read_unit


def engine_socket(systemctl: Systemctl = call_systemctl) -> str:
    """Return the engine's Unix socket, the usual one where it cannot be read; DOCKER_HOST is not used."""
    seen = read_unit(systemctl)
    arguments, unit_socket = (seen.unit.arguments, seen.socket_path) if isinstance(seen, SeenUnit) else ((), "")
    return socket_of(arguments, read_config(arguments)[1], unit_socket) or SOCKET
