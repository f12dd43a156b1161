"""The token that this machine got by enrolment: written by the exporter, which is unprivileged, and read by root, too.

It is bound to one host and goes to one endpoint only: that of a cloned disk, or after the URL was changed, is not sent.
"""

import json
import os
import stat

from agent.core.frozen import frozen
from agent.core.pattern import lazy_pattern
from agent.core.schemas import ENDPOINT_TOKEN_SCHEMA
from agent.errors import ConfigError, HostError
from agent.host.machine.identity import host_id
from agent.state.safe_open import open_new, sync_directory

OUTBOX = "outbox"
"""The directory below the state directory that the exporter's user owns."""
_FILE = "endpoint-token.json"
_MAX_BYTES = 1 << 14
_TOKEN = lazy_pattern(r"[\x21-\x7e]{1,4096}")


@frozen
class EnrolledToken:
    """A token, with what it is for."""

    url: str
    """Of the endpoint that issued it."""
    host_id: str
    """The only host that may use it."""
    token: str


def enrolled_token(state_directory: str, url: str) -> str:
    """Return this host's token for an endpoint; empty if there is none.

    Raises:
        ConfigError: the file cannot be read.
    """
    found = _read(os.path.join(state_directory, OUTBOX))
    return found.token if found is not None and (found.url, found.host_id) == (url, host_id()) else ""


def store_enrolled_token(state_directory: str, token: EnrolledToken) -> None:
    """Write the token, in place of an earlier one; it is durable once this returns.

    Raises:
        HostError: it cannot be written; an earlier one is unchanged.
    """
    directory = os.path.join(state_directory, OUTBOX)
    path = os.path.join(directory, _FILE)
    document = {
        "schema": ENDPOINT_TOKEN_SCHEMA,
        "url": token.url,
        "host_id": token.host_id,
        "token": token.token,
    }
    try:
        with open(f"{path}.new", "w", encoding="ascii", opener=_open_private) as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(f"{path}.new", path)
        sync_directory(directory)
    except OSError as error:
        raise HostError(f"{path}: the token of this host cannot be stored: {error.strerror}") from error


def is_token(text: object) -> bool:
    """Return whether a text can be a token: printable ASCII without spaces."""
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None


def _read(directory: str) -> EnrolledToken | None:
    """Return what is stored; None if there is nothing, or nothing that can be used."""
    path = os.path.join(directory, _FILE)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, encoding="ascii", errors="replace") as file:
            # Its owner can put a link to any file there, and root reads it, too: only a file of the directory's owner.
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.stat(directory).st_uid:
                raise ConfigError(f"{path}: is not a file of the owner of its directory")
            document = json.loads(file.read(_MAX_BYTES))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: the token cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError):
        return None  # damaged: the endpoint issues another one
    return _token(document)


def _token(document: object) -> EnrolledToken | None:
    if not isinstance(document, dict) or document.get("schema") != ENDPOINT_TOKEN_SCHEMA:
        return None
    url, host, token = (document.get(name) for name in ("url", "host_id", "token"))
    if not isinstance(url, str) or not isinstance(host, str) or not isinstance(token, str) or not is_token(token):
        return None
    return EnrolledToken(url=url, host_id=host, token=token)


def _open_private(path: str, flags: int) -> int:
    descriptor = open_new(path, flags)
    os.fchmod(descriptor, 0o600)
    return descriptor
