"""Credentials from files: a bearer token, certificates."""

import os

from agent.core.pattern import lazy_pattern
from agent.errors import ConfigError
from agent.host.enrolled_token import enrolled_token
from agent.state.safe_open import open_regular

_CREDENTIAL = "endpoint-token"
_CREDENTIALS = "/run/credentials/maestro-agent.service"
"""systemd's directory for the running daemon: a process that it did not start does not inherit the variable for it."""
_TOKEN_BYTES = 1 << 14
_TOKEN = lazy_pattern(r"[\x21-\x7e]{1,4096}")


def read_endpoint_token(path: str, *, url: str = "", enrolled_in: str = "") -> str:
    """Return the endpoint's token: of a file, or else the daemon's credential; empty if there is none.

    With a state directory in `enrolled_in` it is, where there is neither, the one that this machine got by enrolment.

    Raises:
        ConfigError: it cannot be read, or is not a token.
    """
    inherited = os.path.join(os.environ.get("CREDENTIALS_DIRECTORY") or _CREDENTIALS, _CREDENTIAL)
    own = read_token(path or (inherited if os.path.exists(inherited) else ""))
    return own if own or not enrolled_in else enrolled_token(enrolled_in, url)


def read_token(place: str) -> str:
    """Return the token in a file; empty if no file is named.

    Raises:
        ConfigError: it cannot be read, or is not a token.
    """
    if not place:
        return ""
    try:
        with open(place, encoding="ascii", opener=open_regular) as file:
            token = file.read(_TOKEN_BYTES).strip()
    except OSError as error:
        raise ConfigError(f"{place}: the token cannot be read: {error.strerror}") from error
    except ValueError:
        token = ""
    if not _TOKEN.fullmatch(token):
        raise ConfigError(f"{place}: holds no token: one line of ASCII without spaces")
    return token


def require_readable(*paths: str) -> None:
    """Check that files can be opened; an empty path is none.

    Raises:
        ConfigError: one cannot be read.
    """
    for path in filter(None, paths):
        try:
            os.close(open_regular(path, os.O_RDONLY))
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
