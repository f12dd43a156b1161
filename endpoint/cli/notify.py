"""`maestro-endpoint notify`: send a test notification, and list what was sent."""

import argparse
import uuid
from datetime import datetime, timezone

from endpoint import log
from endpoint.config.read import read_config
from endpoint.core.notify.model import Notification, NotificationKind, Subject, notification_document
from endpoint.core.text import table
from endpoint.core.timestamps import format_age
from endpoint.errors import EndpointError, UsageError
from endpoint.notify.channels import configured_channels
from endpoint.store.notify_queue import NotificationQueue, QueuedNotification
from endpoint.store.session import open_database

_MOST = 50
_HEAD = ("CREATED", "CHANNEL", "STATE", "SUMMARY")


def run(arguments: argparse.Namespace) -> None:
    """Run the action that `notify` was given."""
    {"test": _test, "list": _list}[arguments.action](arguments)


def _test(arguments: argparse.Namespace) -> None:
    """Send one notification on each channel, at once and once; it is not queued."""
    config = read_config(arguments.config)
    channels = configured_channels(config.notify)
    if not channels:
        raise UsageError("nobody is to be notified: set notify.webhook_url or notify.mail_to in the configuration")
    subject = Subject(id="test", name="maestro-endpoint", detail="sent by `maestro-endpoint notify test`")
    document = notification_document(
        Notification(
            id=str(uuid.uuid4()),
            kind=NotificationKind.TEST,
            at=datetime.now(timezone.utc).timestamp(),
            subjects=[subject],
            count=1,
        ),
        config.dashboard.url,
    )
    failures = []
    log.set_up()  # a channel logs what goes wrong
    with open_database(config):  # from here on as the database's owner: the service must be able to read the secrets
        for name, send in channels.items():
            failure = send(config.notify, document)
            print(f"{name}: {'sent' if failure is None else f'not sent: {failure.reason}'}")
            failures += [name] if failure is not None else []
    if failures:
        raise EndpointError(f"not sent: {', '.join(failures)}")


def _list(arguments: argparse.Namespace) -> None:
    now = datetime.now(timezone.utc)
    with open_database(read_config(arguments.config)) as database:
        found = NotificationQueue(database).recent(_MOST)
    if not found:
        print("no notifications so far")
        return
    print("\n".join(table([_HEAD, *(_row(one, now) for one in found)])))


def _row(one: QueuedNotification, now: datetime) -> tuple[str, str, str, str]:
    created = format_age(datetime.fromtimestamp(one.created_at, timezone.utc), now)
    if one.delivered:
        state = "sent"
    elif one.ended_at is not None:
        state = f"given up: {one.failure}"
    else:
        state = "waiting" if one.failure is None else f"retried after: {one.failure}"
    return f"{created} ago", one.channel, state, str(one.document["summary"])
