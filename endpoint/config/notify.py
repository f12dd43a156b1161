"""The part of the configuration that is about notifications, and its checks."""

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from endpoint.core.notify.model import KINDS
from endpoint.core.notify.webhook import WebhookTemplate
from endpoint.core.timestamps import parse_duration
from endpoint.errors import ConfigError

_NEVER = "never"
_ADDRESS = re.compile(r"[A-Za-z0-9._%+=/!#$&'*?^`{|}~-]{1,64}(@[A-Za-z0-9.-]{1,253})?")
_URL = re.compile(r"https?://[!-\"$-.0->A-~]+(/[!-\"$-~]*)?")
_LAST_PORT = 65535
_LONGEST = timedelta(days=36500)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyConfig:
    """Notifications of an administrator: by webhook, by mail, or both."""

    webhook_url: str = ""
    template: WebhookTemplate = WebhookTemplate.GENERIC
    secret_file: str = ""
    """For the signature."""
    token_file: str = ""
    """For `Authorization: Bearer`."""
    mail_to: tuple[str, ...] = ()
    mail_from: str = ""
    smtp: str = "localhost:25"
    sendmail: str = ""
    """A program in place of SMTP."""
    events: tuple[str, ...] = KINDS
    """Values of `NotificationKind`."""
    overdue_after: str = "14d"

    @property
    def is_on(self) -> bool:
        """Return whether anybody is notified."""
        return bool(self.webhook_url or self.mail_to)

    @property
    def overdue(self) -> timedelta | None:
        """Return how long a fix may be pending; None: without limit."""
        return None if self.overdue_after == _NEVER else parse_duration(self.overdue_after)


def mail_server(text: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`.

    Raises:
        ValueError: it is neither.
    """
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isascii() and port.isdecimal() and 1 <= int(port) <= _LAST_PORT):
        raise ValueError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def check_notify(config: NotifyConfig) -> None:
    """Check what is not only a matter of types.

    Raises:
        ConfigError: a setting is invalid.
    """
    if config.webhook_url and not _URL.fullmatch(config.webhook_url):
        raise ConfigError("notify.webhook_url: must be https://HOST/PATH, without a user and a fragment")
    for name, file in (("secret_file", config.secret_file), ("token_file", config.token_file)):
        if file and not Path(file).is_file():
            raise ConfigError(f"notify.{name}: {file}: does not exist")
    unknown = sorted(set(config.events) - set(KINDS))
    if unknown:
        raise ConfigError(f"notify.events: {unknown[0]!a} is none of {', '.join(KINDS)}")
    try:
        overdue = config.overdue
    except ValueError as error:
        raise ConfigError(f"notify.overdue_after: {error}") from error
    if overdue is not None and overdue > _LONGEST:
        raise ConfigError(f'notify.overdue_after: must be at most {_LONGEST.days}d, or "{_NEVER}"')
    _check_mail(config)


def _check_mail(config: NotifyConfig) -> None:
    for address in (*config.mail_to, *([config.mail_from] if config.mail_from else [])):
        if not _ADDRESS.fullmatch(address):
            raise ConfigError(f"notify.mail_to, mail_from: {address!a} is not an address, as ops@example.org")
    try:
        mail_server(config.smtp)
    except ValueError as error:
        raise ConfigError(f"notify.smtp: {error}") from error
