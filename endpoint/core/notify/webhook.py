"""A notification as the request of a webhook: signed JSON, or what ntfy, Slack and Matrix take. Pure."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

Document = Mapping[str, Any]
_MAX_TEXT = 3000
"""Characters; ntfy turns longer messages into attachments (4,096 bytes), Slack cuts them."""


class WebhookTemplate(Enum):
    """The form of the body."""

    GENERIC = "generic"
    """`maestro.fleet-notification/1`."""
    NTFY = "ntfy"
    """JSON publishing (https://docs.ntfy.sh/publish/#publish-as-json); the URL is that of the topic."""
    SLACK = "slack"
    """An incoming webhook, of Slack or Mattermost."""
    MATRIX = "matrix"
    """`PUT {url}/{id}`; the URL ends with `/rooms/ROOM/send/m.room.message` (client-server API, "Sending events")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One HTTP request."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookTarget:
    """Where it goes, and how it is authenticated; both secrets may be empty."""

    url: str
    template: WebhookTemplate
    secret: bytes = b""
    """For the signature."""
    token: str = ""
    """For `Authorization`, which ntfy and Matrix need."""


def outgoing(document: Document, target: WebhookTarget, now: int) -> Outgoing:
    """Return the request; `now` in Unix seconds goes into the signature, so that a receiver can refuse an old copy."""
    method, url, content = "POST", target.url, dict(document)
    if target.template is WebhookTemplate.NTFY:
        base, _, topic = url.rstrip("/").rpartition("/")
        url, content = f"{base}/", _ntfy(document, topic)
    elif target.template is WebhookTemplate.SLACK:
        content = {"text": _slack_escaped(_lines(document)), "mrkdwn": False, "link_names": 0}
    elif target.template is WebhookTemplate.MATRIX:
        method, url = "PUT", f"{url.rstrip('/')}/{document['id']}"
        # Without `m.mentions` a host named "@room" would notify everybody.
        content = {"msgtype": "m.notice", "body": _lines(document), "m.mentions": {}}
    body = json.dumps(content, separators=(",", ":")).encode("ascii")
    headers = {
        "Content-Type": "application/json",
        "Maestro-Notification": str(document["id"]),
        **({"Authorization": f"Bearer {target.token}"} if target.token else {}),
        **(_signature(target.secret, body, now) if target.secret else {}),
    }
    return Outgoing(method=method, url=url, headers=headers, body=body)


def sign(secret: bytes, body: bytes, timestamp: int) -> str:
    """Return the signature: HMAC-SHA256 over the timestamp, a dot and the body, in hexadecimal."""
    return hmac.new(secret, f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def _signature(secret: bytes, body: bytes, now: int) -> dict[str, str]:
    return {"Maestro-Timestamp": str(now), "Maestro-Signature": f"v1={sign(secret, body, now)}"}


def _lines(document: Document) -> str:
    link = f"\n{document['link']}" if document["link"] else ""
    return f"{document['summary']}\n{document['text'][:_MAX_TEXT]}{link}"


def _ntfy(document: Document, topic: str) -> dict[str, Any]:
    return {
        "topic": topic,
        "title": document["summary"],
        "message": document["text"][:_MAX_TEXT],
        "priority": 4 if document["severity"] == "high" else 3,
        "tags": [document["kind"]],
        **({"click": document["link"]} if document["link"] else {}),
    }


def _slack_escaped(text: str) -> str:
    """Escape what Slack reads as a mention or a link ("Formatting text for app surfaces").

    Mattermost reads `@all` of a plain text as a mention of everybody: an invisible character ends it.
    """
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("@", "@\u200b")
