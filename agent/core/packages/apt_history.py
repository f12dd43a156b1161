"""Reads apt's history (/var/log/apt/history.log) as text: who changed packages before the agent. Pure.

apt writes one stanza for each transaction, with local times and no name of a program but its command line.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timezone, tzinfo

from agent.core.model.outcome import ForeignChange
from agent.core.model.package import PackageId
from agent.core.pattern import lazy_pattern

_PACKAGE = lazy_pattern(r"([a-z0-9][a-z0-9+.-]*:[a-z0-9-]+) \([^)]*\)")
_CLOUD_INIT = lazy_pattern(r"apt-get .*force-unsafe-io", re.IGNORECASE)
"""cloud-init calls apt-get with this option of dpkg, which nobody else has a reason to set (its `apt_get_command`)."""
_REMOVALS = ("Remove", "Purge")


def changes_by_cloud_init(history: str, zone: tzinfo, since: datetime | None) -> tuple[ForeignChange, ...]:
    """Return what cloud-init's upgrades and installations changed since a time, oldest first; None: ever."""
    found = []
    for stanza in _stanzas(history):
        at = _time(stanza.get("Start-Date", ""), zone, since)
        if at is None or not _CLOUD_INIT.search(stanza.get("Commandline", "")):
            continue
        found.append(
            ForeignChange(
                by="cloud-init",
                at=at,
                installed=len(_PACKAGE.findall(stanza.get("Install", ""))),
                upgraded=len(_PACKAGE.findall(stanza.get("Upgrade", ""))),
                removed=tuple(
                    PackageId.parse(name) for field in _REMOVALS for name in _PACKAGE.findall(stanza.get(field, ""))
                ),
            )
        )
    return tuple(found)


def _stanzas(history: str) -> Iterator[dict[str, str]]:
    for block in history.split("\n\n"):
        pairs = (line.partition(": ") for line in block.splitlines())
        yield {key: value for key, _, value in pairs}


def _time(text: str, zone: tzinfo, since: datetime | None) -> datetime | None:
    """Return a local time if it is not before `since`; in the hour that comes twice, the first that is not."""
    try:
        local = datetime.strptime(" ".join(text.split()), "%Y-%m-%d %H:%M:%S").replace(tzinfo=zone)
        both = [local.replace(fold=fold).astimezone(timezone.utc) for fold in (0, 1)]
    except (ValueError, OverflowError):
        return None
    return next((at for at in both if since is None or at >= since), None)
