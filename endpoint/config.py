"""The configuration: parses and validates one TOML file into frozen values."""

import ipaddress
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import timedelta
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Any

from endpoint.core.lock_report import LockSettings
from endpoint.core.locks import is_group
from endpoint.core.timestamps import parse_duration
from endpoint.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:  # Ubuntu 22.04
    import tomli as tomllib

_LAST_PORT = 65535
_KINDS = {int: "a whole number", str: "text", bool: "true or false"}
_FOREVER, _UNIX = "forever", "unix:"
_LEAST, _MOST = timedelta(days=1), timedelta(days=36500)
DEFAULT_PATH = Path("/etc/maestro-endpoint/config.toml")


class Certificates(Enum):
    """Whether agents present client certificates."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Listening address, processes and threads."""

    listen: str = "127.0.0.1:8443"
    workers: int = 1
    """Processes: one per processor, for thousands of hosts."""
    threads: int = 8
    """Per process: requests answered at the same time."""
    connections: int = 1000
    """Per process: connections."""
    request_timeout_s: int = 30
    """Time for an agent to send one request and read the response; unused behind a proxy, which has its own."""
    keep_alive_s: int = 75


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """The server's certificate, and the CA of client certificates."""

    certificate: str = ""
    key: str = ""
    client_ca: str = ""
    client_certificates: Certificates = Certificates.NONE
    """Behind a proxy `OPTIONAL`: it verifies them, and names their host in a header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfig:
    """The database."""

    url: str = "sqlite:////var/lib/maestro-endpoint/endpoint.db"
    url_file: str = ""
    """A file with the URL, for a URL with a password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long events are kept."""

    keep_events: str = "400d"

    @property
    def event_retention(self) -> timedelta | None:
        """Return how long events are kept; None: without limit."""
        return _duration(self.keep_events)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Rate limit of one host."""

    requests_per_minute: int = 120
    burst: int = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """When a host counts as silent, and when it is no longer shown."""

    silent_after_s: int = 900
    forget_after: str = "400d"

    @property
    def silent_after(self) -> timedelta:
        """Return after how long without contact a host counts as silent."""
        return timedelta(seconds=self.silent_after_s)

    @property
    def expire_after(self) -> timedelta | None:
        """Return after how long without contact an outbox is no longer shown and its state deleted; None: never."""
        return _duration(self.forget_after)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockConfig:
    """Reboot slots of the FleetLock protocol."""

    groups: Mapping[str, int] = field(default_factory=lambda: {"default": 1})
    """How many hosts of each group may reboot at the same time; 0: none."""
    without_token: bool = False
    """Whether clients need neither a token nor a certificate, on these paths only."""
    stale_after: str = "1h"

    @property
    def settings(self) -> LockSettings:
        """Return the slots, and after how long a holder counts as stale."""
        return LockSettings(slots=self.groups, stale_after=parse_duration(self.stale_after))


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestConfig:
    """Requests to hosts: whether a new one waits for a signature before it is delivered."""

    signed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole configuration, with its defaults."""

    server: Server = field(default_factory=Server)
    tls: Tls = field(default_factory=Tls)
    database: StoreConfig = field(default_factory=StoreConfig)
    store: Retention = field(default_factory=Retention)
    limits: Limits = field(default_factory=Limits)
    fleet: Fleet = field(default_factory=Fleet)
    locks: LockConfig = field(default_factory=LockConfig)
    requests: RequestConfig = field(default_factory=RequestConfig)

    @property
    def behind_proxy(self) -> bool:
        """Return whether a proxy on this machine does TLS and forwards requests to a unix socket."""
        return self.server.listen.startswith(_UNIX) and not self.tls.certificate

    @property
    def proxy_verifies(self) -> bool:
        """Return whether that proxy verifies client certificates, and replaces the header that names their host.

        Off by default: a proxy that does not know the header would pass on what a client writes there.
        """
        return self.behind_proxy and self.tls.client_certificates is not Certificates.NONE


def read_config(path: Path | None) -> Config:
    """Read a file; None: the default file, which may be missing.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or has an invalid setting.
    """
    file = path or DEFAULT_PATH
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if path is not None:
            raise ConfigError(f"{file}: does not exist") from error
        tables = {}
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: is not valid TOML: {error}") from error
    try:
        config: Config = _table(Config, tables, "")
        return _checked(config)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error


def _table(kind: Any, raw: object, place: str) -> Any:
    if not isinstance(raw, dict):
        raise ConfigError(f"{place.rstrip('.')}: must be a table")
    known = {part.name: part for part in fields(kind)}
    for name in raw:
        if name not in known:
            near = get_close_matches(name, known, 1)
            raise ConfigError(f"{place}{name}: no such setting{f'; did you mean {near[0]}?' if near else ''}")
    defaults = kind()
    return kind(**{name: _value(getattr(defaults, name), raw[name], f"{place}{name}") for name in raw})


def _value(default: Any, raw: object, place: str) -> object:
    if is_dataclass(default):
        return _table(type(default), raw, f"{place}.")
    if isinstance(default, Enum):
        choices = [choice.value for choice in type(default)]
        if raw not in choices:
            raise ConfigError(f"{place}: must be one of {', '.join(choices)}")
        return type(default)(raw)
    if isinstance(default, Mapping):
        return _groups(raw, place)
    if type(raw) is not type(default):
        raise ConfigError(f"{place}: must be {_KINDS[type(default)]}")
    if type(raw) is int and not 1 <= raw <= 1_000_000:  # noqa: PLR2004 - larger numbers are typing errors
        raise ConfigError(f"{place}: must be between 1 and 1000000")
    return raw


def _groups(raw: object, place: str) -> dict[str, int]:
    if not isinstance(raw, dict):
        raise ConfigError(f"{place}: must be a table, as {{ default = 1 }}")
    for name, slots in raw.items():
        if not is_group(name):
            raise ConfigError(f"{place}: {name!r} is not a group: letters, digits, dots and hyphens, at most 64")
        if type(slots) is not int or not 0 <= slots <= 1_000_000:  # noqa: PLR2004 - larger numbers are typing errors
            raise ConfigError(f"{place}.{name}: must be a whole number between 0 and 1000000")
    return raw


def _checked(config: Config) -> Config:
    server, tls = config.server, config.tls
    if not server.listen.startswith(_UNIX) and not _is_loopback(server.listen) and not tls.certificate:
        raise ConfigError("server.listen: an address beyond loopback needs tls.certificate and tls.key")
    if bool(tls.certificate) != bool(tls.key):
        raise ConfigError("tls: certificate and key must be set together")
    _check_client_certificates(config)
    if server.connections <= server.threads:
        raise ConfigError("server.connections: must be more than server.threads")
    _check_times(config)
    for name, file in (("certificate", tls.certificate), ("key", tls.key), ("client_ca", tls.client_ca)):
        if file and not Path(file).is_file():
            raise ConfigError(f"tls.{name}: {file}: does not exist")
    return config


def _check_client_certificates(config: Config) -> None:
    tls = config.tls
    if config.behind_proxy:
        if tls.client_certificates is Certificates.REQUIRED:
            raise ConfigError("tls.client_certificates: behind a proxy none or optional; the proxy requires them")
    elif tls.client_certificates is not Certificates.NONE and not (tls.client_ca and tls.certificate):
        raise ConfigError("tls.client_certificates: needs client_ca and certificate")


def _duration(text: str) -> timedelta | None:
    return None if text == _FOREVER else parse_duration(text)


def _check_times(config: Config) -> None:
    for name, text in (
        ("store.keep_events", config.store.keep_events),
        ("fleet.forget_after", config.fleet.forget_after),
    ):
        _check_duration(name, text)
    try:
        parse_duration(config.locks.stale_after)
    except ValueError as error:
        raise ConfigError('locks.stale_after: must be a duration, as "1h"') from error
    expire_after = config.fleet.expire_after
    if expire_after is not None and expire_after <= config.fleet.silent_after:
        raise ConfigError("fleet.forget_after: must be more than fleet.silent_after_s")


def _check_duration(place: str, text: str) -> None:
    try:
        found = _duration(text)
    except ValueError as error:
        raise ConfigError(f'{place}: must be a duration, as "400d", or "{_FOREVER}"') from error
    if found is not None and not _LEAST <= found <= _MOST:
        raise ConfigError(f"{place}: must be between 1d and {_MOST.days}d")


def _is_loopback(listen: str) -> bool:
    host, colon, port = listen.rpartition(":")
    if not colon or not (port.isascii() and port.isdecimal() and 1 <= int(port) <= _LAST_PORT):
        raise ConfigError("server.listen: must be ADDRESS:PORT or unix:PATH")
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def database_url(config: Config) -> str:
    """Return the database's URL.

    Raises:
        ConfigError: `database.url_file` cannot be read.
    """
    if not config.database.url_file:
        return config.database.url
    try:
        return Path(config.database.url_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"database.url_file: {config.database.url_file}: {error}") from error
