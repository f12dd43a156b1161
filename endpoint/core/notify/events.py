"""Reads what events say that an administrator is to be notified of. Pure.

The schema of events does not describe the members of these documents: any of them can be anything.
"""

from collections.abc import Mapping

from endpoint.core.messages import Message
from endpoint.core.notify.model import MAX_DETAIL, Subject
from endpoint.core.text import clean
from endpoint.core.timestamps import parse_utc

OLD_S = 2 * 86400.0
"""What happened longer before it was reported, or was not notified for that long, is no news."""
_TYPE, _WELL, _ILL = "reboot-outcome", "rebooted", "rebooted-with-problems"
_SHOWN = 3


def is_recent_reboot(event: Message, sent_at: str | None) -> bool:
    """Return whether the event reports a reboot that was no more than `OLD_S` before the batch was sent.

    A new outbox begins with the events of a month, and one that was cut off sends them later. Both times are of the
    host's clock, so it does not matter whether that is right.
    """
    return event.type == _TYPE and not _is_old(event, sent_at)


def _is_old(event: Message, sent_at: str | None) -> bool:
    if sent_at is None:
        return False
    try:
        return (parse_utc(sent_at) - parse_utc(str(event.body["at"]))).total_seconds() > OLD_S
    except ValueError:  # the schema takes a 31st of February
        return False


def is_well_after_reboot(event: Message) -> bool:
    """Return whether the event reports a reboot that left no problems."""
    return event.type == _TYPE and event.document.get("result") == _WELL


def reboot_problems(host_id: str, event: Message) -> Subject | None:
    """Return the host, if the event reports that it is up again after a reboot and not well; None otherwise."""
    if event.type != _TYPE or event.document.get("result") != _ILL:
        return None
    listed = event.document.get("problems")
    problems = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    shown = [f"{one.get('code')}: {one.get('detail')}" for one in problems[:_SHOWN]]
    more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return Subject(id=host_id, name=host_id, detail=clean("; ".join(shown) + more, MAX_DETAIL))
