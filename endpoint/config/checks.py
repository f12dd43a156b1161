"""Checks of the configuration that concern several settings, or a setting's range."""

import ipaddress
import re
from datetime import timedelta
from pathlib import Path

from endpoint.config.metrics import check_metrics
from endpoint.config.model import FOREVER, UNIX, Certificates, Config, forever_or_duration
from endpoint.config.notify import check_notify
from endpoint.config.people import check_people
from endpoint.core.timestamps import parse_duration
from endpoint.errors import ConfigError

_LAST_PORT = 65535
_LEAST, _MOST = timedelta(days=1), timedelta(days=36500)


def checked(config: Config) -> Config:
    """Return the configuration.

    Raises:
        ConfigError: a setting is out of range, or contradicts another one.
    """
    server, tls = config.server, config.tls
    if not server.listen.startswith(UNIX) and not _is_loopback(server.listen) and not tls.certificate:
        raise ConfigError("server.listen: an address beyond loopback needs tls.certificate and tls.key")
    if bool(tls.certificate) != bool(tls.key):
        raise ConfigError("tls: certificate and key must be set together")
    _check_client_certificates(config)
    if server.connections <= server.threads:
        raise ConfigError("server.connections: must be more than server.threads")
    _check_times(config)
    check_metrics(config.metrics, listens_on_socket=server.listen.startswith(UNIX))
    check_notify(config.notify)
    check_people(config.people, behind_proxy=config.behind_proxy)
    if config.dashboard.url and not _is_base(config.dashboard.url):
        raise ConfigError("dashboard.url: must be https://HOST or https://HOST:PORT, without a path")
    for name, file in (("certificate", tls.certificate), ("key", tls.key), ("client_ca", tls.client_ca)):
        if file and not Path(file).is_file():
            raise ConfigError(f"tls.{name}: {file}: does not exist")
    return config


def _is_base(url: str) -> bool:
    return re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+", url) is not None


def _check_client_certificates(config: Config) -> None:
    tls = config.tls
    if config.behind_proxy:
        if tls.client_certificates is Certificates.REQUIRED:
            raise ConfigError("tls.client_certificates: behind a proxy none or optional; the proxy requires them")
    elif tls.client_certificates is not Certificates.NONE and not (tls.client_ca and tls.certificate):
        raise ConfigError("tls.client_certificates: needs client_ca and certificate")


def _check_times(config: Config) -> None:
    for name, text in (
        ("store.keep_events", config.store.keep_events),
        ("fleet.forget_after", config.fleet.forget_after),
    ):
        _check_duration(name, text)
    for name, text in (
        ("locks.stale_after", config.locks.stale_after),
        ("fleet.stale_lists_after", config.fleet.stale_lists_after),
    ):
        try:
            parse_duration(text)
        except ValueError as error:
            raise ConfigError(f'{name}: must be a duration, as "1h"') from error
    expire_after = config.fleet.expire_after
    if expire_after is not None and expire_after <= config.fleet.silent_after:
        raise ConfigError("fleet.forget_after: must be more than fleet.silent_after_s")


def _check_duration(place: str, text: str) -> None:
    try:
        found = forever_or_duration(text)
    except ValueError as error:
        raise ConfigError(f'{place}: must be a duration, as "400d", or "{FOREVER}"') from error
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
