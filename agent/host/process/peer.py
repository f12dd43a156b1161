"""Credentials of the peer of a Unix socket, from the kernel (unix(7), SO_PEERCRED)."""

import pwd
import socket
import struct

from agent.core.frozen import frozen

_UCRED = struct.Struct("iII")


@frozen
class PeerCredentials:
    """The process that connected, with its IDs at connect time."""

    pid: int
    uid: int
    gid: int


def peer_credentials(connection: socket.socket) -> PeerCredentials:
    """Return the peer of a connected AF_UNIX socket.

    Raises:
        OSError: it is not a connected AF_UNIX socket.
    """
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, gid = _UCRED.unpack(raw)
    return PeerCredentials(pid=pid, uid=uid, gid=gid)


def uid_of(user: str) -> int | None:
    """Return a user's ID; None if there is no such user."""
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return None
