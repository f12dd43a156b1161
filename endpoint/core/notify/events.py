"""Reads what events say that an administrator is to be notified of. Pure; their text is a host's own."""

from endpoint.core.messages import Message
from endpoint.core.notify.model import MAX_DETAIL, Subject
from endpoint.core.text import clean

_TYPE, _RESULTS = "reboot-outcome", frozenset({"rebooted-with-problems"})
_SHOWN = 3


def reboot_problems(host_id: str, event: Message) -> Subject | None:
    """Return the host, if the event reports that it is up again after a reboot and not well; None otherwise."""
    if event.type != _TYPE or event.document.get("result") not in _RESULTS:
        return None
    problems = [f"{one.get('code')}: {one.get('detail')}" for one in event.document.get("problems") or ()]
    more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return Subject(id=host_id, name=host_id, detail=clean("; ".join(problems[:_SHOWN]) + more, MAX_DETAIL))
