"""The configuration as frozen values, with its defaults."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from endpoint.config.metrics import MetricsConfig
from endpoint.config.notify import NotifyConfig
from endpoint.config.people import PeopleConfig
from endpoint.core.host_states import FleetSettings
from endpoint.core.lock_report import LockSettings
from endpoint.core.timestamps import parse_duration

FOREVER = "forever"
UNIX = "unix:"


def forever_or_duration(text: str) -> timedelta | None:
    """Return a duration; None: "forever".

    Raises:
        ValueError: it is neither.
    """
    return None if text == FOREVER else parse_duration(text)


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
        return forever_or_duration(self.keep_events)


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
    stale_lists_after: str = "2d"
    """The age of a host's package lists from which on it is not up to date, whatever it called them."""

    @property
    def settings(self) -> FleetSettings:
        """Return what decides the states of hosts."""
        return FleetSettings(
            silent_after=self.silent_after,
            stale_lists_after=parse_duration(self.stale_lists_after),
            forget_after=self.expire_after,
        )

    @property
    def silent_after(self) -> timedelta:
        """Return after how long without contact a host counts as silent."""
        return timedelta(seconds=self.silent_after_s)

    @property
    def expire_after(self) -> timedelta | None:
        """Return after how long without contact an outbox is no longer shown and its state deleted; None: never."""
        return forever_or_duration(self.forget_after)


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
class Dashboard:
    """The pages for people; without them only `/v1` answers."""

    enabled: bool = True
    url: str = ""
    """Where people reach them, as "https://maestro.example.org": for links."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvisoryConfig:
    """Files that `advisories load` reads; an administrator mirrors them, the endpoint fetches nothing."""

    kev_file: str = ""
    """CISA's known exploited vulnerabilities, as JSON."""
    osv_directory: str = ""
    """OSV records of the distributions, as .json files or .zip archives."""


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
    dashboard: Dashboard = field(default_factory=Dashboard)
    advisories: AdvisoryConfig = field(default_factory=AdvisoryConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    notify: NotifyConfig = field(default_factory=NotifyConfig)
    people: PeopleConfig = field(default_factory=PeopleConfig)

    @property
    def behind_proxy(self) -> bool:
        """Return whether a proxy on this machine does TLS and forwards requests to a unix socket."""
        return self.server.listen.startswith(UNIX) and not self.tls.certificate

    @property
    def proxy_verifies(self) -> bool:
        """Return whether that proxy verifies client certificates, and replaces the header that names their host.

        Off by default: a proxy that does not know the header would pass on what a client writes there.
        """
        return self.behind_proxy and self.tls.client_certificates is not Certificates.NONE
