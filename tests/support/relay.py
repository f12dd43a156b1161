"""A unix socket whose connections are passed on to a port of this machine: a way out of a machine without a network."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def relay(file: Path, port: int) -> Iterator[None]:
    """Pass connections to the socket on to the port until the block ends."""
    entrance = socket.socket(socket.AF_UNIX)
    entrance.bind(str(file))
    file.chmod(0o777)
    entrance.listen(32)
    thread = threading.Thread(target=_accept, args=(entrance, port), daemon=True)
    thread.start()
    try:
        yield
    finally:
        entrance.shutdown(socket.SHUT_RDWR)  # otherwise accept() goes on
        entrance.close()
        thread.join(5)


def _accept(entrance: socket.socket, port: int) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = entrance.accept()
            threading.Thread(target=_pass_on, args=(connection, port), daemon=True).start()


def _pass_on(connection: socket.socket, port: int) -> None:
    with connection, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as server:
        back = threading.Thread(target=_copy, args=(server, connection), daemon=True)
        back.start()
        _copy(connection, server)
        back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
