"""The frozen policy that the configuration is parsed into. Holds no defaults: those are in agent.config."""

from dataclasses import dataclass
from datetime import time, timedelta
from enum import Enum

from agent.core.policy.origins import OriginPattern


class Conffiles(Enum):
    """What to do where dpkg would ask about a configuration file."""

    KEEP = "keep"
    """Install, keep the local file, and list it."""
    HOLD = "hold"
    """Hold the package back."""


class PrefetchMode(Enum):
    """Whose packages a check downloads, to have them at hand and to read in their changelogs what they fix."""

    OFF = "off"
    SECURITY = "security"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityPolicy:
    """Which updates count as security updates, and which packages are left alone."""

    origins: tuple[OriginPattern, ...]
    blocklist: tuple[str, ...]
    """Shell patterns for whole package names never to be touched."""
    allowlist: tuple[str, ...]
    """Shell patterns; where any is given, only matching packages and what they need are touched."""
    include_runtime: bool
    remove_old_kernels: bool
    conffiles: Conffiles


@dataclass(frozen=True, slots=True, kw_only=True)
class AptPolicy:
    """How long to wait for what while working with apt."""

    lock_timeout: timedelta
    refresh_timeout: timedelta
    max_list_age: timedelta
    stall_timeout: timedelta
    package_timeout: timedelta
    run_timeout: timedelta
    fetch_ahead: PrefetchMode


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPolicy:
    """What the daemon does on its own, and when."""

    check_interval: timedelta
    upgrade: bool
    upgrade_at: time
    """Local time of the machine."""
    splay: timedelta
    """How long after that the last machine of a fleet begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointPolicy:
    """The centre that is told, and how."""

    url: str
    """Empty where none is told."""
    token_file: str
    ca_file: str
    """Empty: the CAs that the system believes."""
    client_cert: str
    client_key: str
    proxy: str
    interval: timedelta
    timeout: timedelta
    max_bytes: int
    max_age: timedelta
    burst: int
    """Messages a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsPolicy:
    """What is told to Prometheus."""

    textfile: str
    """Where; empty for not at all."""
    compatible_names: bool
    """Whether under the names of apt_info.py, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpPolicy:
    """What is told to an OpenTelemetry collector."""

    url: str
    """Its address without /v1/logs; empty for not at all."""
    headers_file: str
    """Headers for each request; empty for none."""
    ca_file: str
    """Whose certificates are believed; empty for those of the machine."""
    timeout: timedelta
    """For one request in all."""
    logs: bool
    metrics: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All that decides what may be done on this machine."""

    agent: AgentPolicy

    security: SecurityPolicy
    apt: AptPolicy
    endpoint: EndpointPolicy
    metrics: MetricsPolicy
    otlp: OtlpPolicy
