"""Reads what events say that an administrator is to be notified of. Pure.

The schema of events does not describe the members of these documents: any of them can be anything.
"""

from collections.abc import Mapping

from endpoint.core.messages import Message
from endpoint.core.notify.model import MAX_DETAIL, Subject
from endpoint.core.text import clean

_TYPE, _RESULT = "reboot-outcome", "rebooted-with-problems"
_SHOWN = 3


def reboot_problems(host_id: str, event: Message) -> Subject | None:
    """Return the host, if the event reports that it is up again after a reboot and not well; None otherwise."""
    if event.type != _TYPE or event.document.get("result") != _RESULT:
        return None
    listed = event.document.get("problems")
    problems = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    shown = [f"{one.get('code')}: {one.get('detail')}" for one in problems[:_SHOWN]]
    more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return Subject(id=host_id, name=host_id, detail=clean("; ".join(shown) + more, MAX_DETAIL))
