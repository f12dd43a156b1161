"""The channels of notifications: which are configured, and how each one sends."""

from collections.abc import Callable, Mapping
from typing import Any

from endpoint.config.notify import NotifyConfig
from endpoint.notify.delivery import DeliveryFailure
from endpoint.notify.mail import send_mail
from endpoint.notify.post import post

Send = Callable[[NotifyConfig, Mapping[str, Any]], DeliveryFailure | None]
WEBHOOK, MAIL = "webhook", "mail"


def configured_channels(config: NotifyConfig) -> dict[str, Send]:
    """Return how to send on each configured channel, by name."""
    found: dict[str, Send] = {}
    if config.webhook_url:
        found[WEBHOOK] = post
    if config.mail_to:
        found[MAIL] = send_mail
    return found
