"""A file of HTTP headers, one `Name: value` per line: for example a token for a collector. Its content is secret."""

from agent.core.pattern import lazy_pattern
from agent.errors import ConfigError
from agent.state.safe_open import open_regular

_MOST_BYTES = 65536
_NAME = lazy_pattern(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_VALUE = lazy_pattern(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?")
_OURS = frozenset(
    {
        "accept-encoding",  # compressed responses are not read
        "content-type",
        "content-encoding",
        "content-length",
        "transfer-encoding",
        "host",
        "connection",
    }
)


def read_headers(path: str) -> tuple[tuple[str, str], ...]:
    """Read the file, without empty lines and comments (#). No path: no headers.

    Raises:
        ConfigError: it cannot be read, or a line is not a header; the message does not contain the line.
    """
    if not path:
        return ()
    found: dict[str, tuple[str, str]] = {}
    for number, line in enumerate(_read(path).split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, value = (part.strip() for part in line.partition(":"))
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ConfigError(f"{path}: line {number} is not a header: accepted: Name: value, in ASCII")
        if name.lower() in _OURS:
            raise ConfigError(f"{path}: line {number}: the header {name} is set by the agent itself")
        if name.lower() in found:
            raise ConfigError(f"{path}: line {number}: the header {name} is there twice")
        found[name.lower()] = (name, value)
    return tuple(found.values())


def _read(path: str) -> str:
    try:
        with open(path, "rb", opener=open_regular) as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise ConfigError(f"{path}: is longer than {_MOST_BYTES} bytes")
    return content.decode("latin-1")
