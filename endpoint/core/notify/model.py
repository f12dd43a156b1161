"""What the endpoint notifies an administrator of. Pure; times in Unix seconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from endpoint.core.text import clean
from endpoint.core.timestamps import format_utc

SCHEMA = "maestro.fleet-notification/1"
MOST_SUBJECTS = 20
_IN_SUMMARY = 3
_MAX_ID, MAX_NAME, MAX_DETAIL = 64, 256, 300


class NotificationKind(Enum):
    """What a notification is about; the values are those of `notify.events`."""

    KNOWN_EXPLOITED = "known-exploited"
    """A pending fix of a vulnerability that is in the KEV catalogue."""
    OVERDUE = "overdue"
    """A fix that has been pending for longer than `notify.overdue_after`."""
    SILENT = "silent"
    REBOOT_PROBLEMS = "reboot-problems"
    """A host that is up again after a reboot, with failed services or the old kernel."""
    DEPLOYMENT_STOPPED = "deployment-stopped"
    TEST = "test"


KINDS = tuple(kind.value for kind in NotificationKind if kind is not NotificationKind.TEST)
SEVERE = frozenset({NotificationKind.KNOWN_EXPLOITED, NotificationKind.REBOOT_PROBLEMS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A host, a fix or a deployment that a notification is about. Its texts may come from a host."""

    id: str
    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """Several subjects of one kind, so that 500 silent hosts are one message."""

    id: str
    """A UUID; the same each time it is sent, so that a receiver can recognize a repetition."""
    kind: NotificationKind
    at: float
    subjects: Sequence[Subject]
    """The first ones."""
    count: int
    hint: str = ""
    """A further sentence."""


def notification_document(notification: Notification, link: str = "") -> dict[str, Any]:
    """Return `maestro.fleet-notification/1`; control characters of hosts' texts are replaced."""
    subjects = [
        {"id": clean(one.id, _MAX_ID), "name": clean(one.name, MAX_NAME), "detail": clean(one.detail, MAX_DETAIL)}
        for one in notification.subjects[:MOST_SUBJECTS]
    ]
    return {
        "schema": SCHEMA,
        "id": notification.id,
        "kind": notification.kind.value,
        "severity": "high" if notification.kind in SEVERE else "normal",
        "created_at": format_utc(datetime.fromtimestamp(notification.at, timezone.utc)),
        "summary": _summary(notification, subjects),
        "text": _text(notification, subjects),
        "count": notification.count,
        "subjects": subjects,
        "link": link or None,
    }


_ONE = {
    NotificationKind.KNOWN_EXPLOITED: "known exploited vulnerability, fix pending",
    NotificationKind.OVERDUE: "security fix overdue",
    NotificationKind.SILENT: "host silent",
    NotificationKind.REBOOT_PROBLEMS: "problems after a reboot",
    NotificationKind.DEPLOYMENT_STOPPED: "deployment stopped",
    NotificationKind.TEST: "test",
}
_MANY = {
    NotificationKind.KNOWN_EXPLOITED: "known exploited vulnerabilities, fixes pending",
    NotificationKind.OVERDUE: "security fixes overdue",
    NotificationKind.SILENT: "hosts silent",
    NotificationKind.REBOOT_PROBLEMS: "hosts with problems after a reboot",
    NotificationKind.DEPLOYMENT_STOPPED: "deployments stopped",
    NotificationKind.TEST: "tests",
}


def _summary(notification: Notification, subjects: Sequence[Mapping[str, str]]) -> str:
    shown = [clean(one["name"]) for one in subjects[:_IN_SUMMARY]]
    if notification.count == 1:
        return f"{_ONE[notification.kind]}: {shown[0]}"
    more = f" and {notification.count - len(shown)} more" if notification.count > len(shown) else ""
    return f"{notification.count} {_MANY[notification.kind]}: {', '.join(shown)}{more}"


def _text(notification: Notification, subjects: Sequence[Mapping[str, str]]) -> str:
    lines = [f"{one['name']}: {one['detail']}" if one["detail"] else one["name"] for one in subjects]
    if notification.count > len(subjects):
        lines.append(f"and {notification.count - len(subjects)} more")
    return "\n".join([*lines, *([notification.hint] if notification.hint else [])])
