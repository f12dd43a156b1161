"""The part of the configuration that is about metrics."""

import ipaddress
from dataclasses import dataclass

from endpoint.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsConfig:
    """Who reads `/metrics` without a token."""

    allow: tuple[str, ...] = ()
    """Addresses or networks of the clients; none behind a proxy, whose clients could claim any."""


def check_metrics(config: MetricsConfig, *, listens_on_socket: bool) -> None:
    """Check the addresses.

    Raises:
        ConfigError: one is invalid, or clients have no address of their own.
    """
    for text in config.allow:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            raise ConfigError(f"metrics.allow: {error}") from error
    if config.allow and listens_on_socket:
        raise ConfigError("metrics.allow: not on a unix socket: permit it in the proxy, or use a token")
