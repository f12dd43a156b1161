"""`maestro-endpoint token` with `--enrol`: enrolment keys beside the tokens."""

import argparse
from collections.abc import Iterator
from datetime import datetime, timedelta

from endpoint.core.text import clean
from endpoint.core.timestamps import format_utc
from endpoint.errors import UsageError
from endpoint.store.database import Database
from endpoint.store.enrolment_keys import EnrolmentKeys, StoredEnrolmentKey

_LIFETIME = timedelta(days=30)


def check_key_options(arguments: argparse.Namespace) -> None:
    """Check that options of enrolment keys and those of tokens do not stand together.

    Raises:
        UsageError: they do.
    """
    if arguments.enrol and (arguments.host or arguments.admin or arguments.role or arguments.may_reboot):
        raise UsageError("--enrol: only with --name, --tag, --uses, --until and --approve")
    if not arguments.enrol and (arguments.uses or arguments.until or arguments.approve):
        raise UsageError("--uses, --until and --approve: only with --enrol")


def add_key(arguments: argparse.Namespace, database: Database, now: datetime) -> str:
    """Create a key and return its text.

    Raises:
        UsageError: its end is not after now.
    """
    expires_at = arguments.until(now) if arguments.until is not None else now + _LIFETIME
    if expires_at is not None and expires_at <= now:
        raise UsageError("--until: this time is over")
    return EnrolmentKeys(database).add(
        name=arguments.name,
        tags=tuple(arguments.tag or ()),
        max_uses=arguments.uses,
        expires_at=expires_at,
        approve=arguments.approve,
        now=now,
    )


def key_lines(database: Database, now: datetime) -> Iterator[str]:
    """Yield one line for each key, as `token list` prints it."""
    for stored in EnrolmentKeys(database).all():
        key, created = stored.key, format_utc(stored.created_at)
        uses = f"{key.uses} of {key.max_uses} used" if key.max_uses is not None else f"{key.uses} used"
        tags = f"  tags {' '.join(key.tags)}" if key.tags else ""
        approve = "  with approval" if key.approve else ""
        state = _state(stored, now)
        yield f"{key.id}  enrol  {state}  {uses}{approve}{tags}  {created}  {clean(key.name)}".rstrip()


def _state(stored: StoredEnrolmentKey, now: datetime) -> str:
    end = stored.key.expires_at
    if stored.revoked_at is not None:
        return f"revoked {format_utc(stored.revoked_at)}"
    if end is not None and end <= now:
        return f"expired {format_utc(end)}"
    return f"valid until {format_utc(end)}" if end is not None else "valid"
