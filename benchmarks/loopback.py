"""A real endpoint over TLS on loopback, for agents on throwaway machines, which use the host's network."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.authority import Authority
from tests.support.endpoint_server import EndpointServer, free_port
from tests.support.fault_proxy import private_file
from tests.support.machine import Machine

DROP_IN = "/etc/maestro-agent/config.d/bench.toml"


@contextmanager
def endpoint(running: Machine, directory: Path, *, network: int | None = None) -> Iterator[EndpointServer]:
    """Serve an endpoint in the given directory, which is made, and give the machine its token and its CA.

    `network` is a process in whose network namespace it serves; None: the host's.
    """
    directory.mkdir()
    authority = Authority.make(directory / "ca")
    database = f"sqlite:///{directory}/endpoint.db"
    server = EndpointServer(
        directory=directory, authority=authority, database=database, port=free_port(), network=network
    )
    server.configure()
    server.start()
    try:
        token = private_file(directory / "token", f"{server.token('--name', 'bench')}\n")
        running.write("/etc/maestro-agent/token", token.read_text())
        running.write("/etc/maestro-agent/ca.pem", authority.file.read_text())
        yield server
    finally:
        server.stop()


def settings(port: int) -> str:
    """Return the configuration of an agent that sends to an endpoint of this port."""
    return (
        f'[endpoint]\nurl = "https://127.0.0.1:{port}"\ntoken_file = "/etc/maestro-agent/token"\n'
        'ca_file = "/etc/maestro-agent/ca.pem"\n'
    )
