"""Looks for what there is to notify of, and queues it."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from endpoint import log
from endpoint.config.model import Config
from endpoint.core.notify.conditions import Watch, may_judge_silence, silence_hint
from endpoint.core.notify.model import NotificationKind, Subject
from endpoint.store.database import Database
from endpoint.store.notify_conditions import ConditionStore
from endpoint.store.notify_sources import NotifySources

_PERIODS_S = {NotificationKind.KNOWN_EXPLOITED: 300.0, NotificationKind.OVERDUE: 3600.0}
"""Of those that read many rows; the others are looked for in each pass."""
_MARGIN_S = 30.0
PAGES = {
    NotificationKind.KNOWN_EXPLOITED: "/fixes",
    NotificationKind.OVERDUE: "/fixes",
    NotificationKind.SILENT: "/hosts?state=silent",
    NotificationKind.REBOOT_PROBLEMS: "/hosts?state=attention",
    NotificationKind.DEPLOYMENT_STOPPED: "/deployments",
}


class Watcher:
    """One pass a minute, in the one process that is the sender."""

    def __init__(self, config: Config, database: Database, channels: Sequence[str]) -> None:
        self._config = config
        self._sources = NotifySources(database)
        self._conditions = ConditionStore(database, channels)
        self._next: dict[NotificationKind, float] = {}

    def look(self, now: datetime, watch: Watch) -> None:
        """Queue notifications of what is new.

        Raises:
            StoreError: the database does not answer; the next pass goes on.
        """
        passes: dict[NotificationKind, Callable[[datetime, Watch], int]] = {
            NotificationKind.SILENT: self._silent,
            NotificationKind.DEPLOYMENT_STOPPED: partial(self._events, NotificationKind.DEPLOYMENT_STOPPED),
            NotificationKind.REBOOT_PROBLEMS: partial(self._events, NotificationKind.REBOOT_PROBLEMS),
            NotificationKind.KNOWN_EXPLOITED: self._known_exploited,
            NotificationKind.OVERDUE: self._overdue,
        }
        for kind, look in passes.items():
            if kind.value not in self._config.notify.events or not self._is_due(kind, now.timestamp()):
                continue
            count = look(now, watch)
            if count:
                log.event("notification.queued", kind=kind.value, subjects=count)

    def _is_due(self, kind: NotificationKind, now: float) -> bool:
        period = _PERIODS_S.get(kind)
        if period is None:
            return True
        if 0.0 < self._next.get(kind, 0.0) - now <= period:
            return False
        self._next[kind] = now + period
        return True

    def _silent(self, now: datetime, watch: Watch) -> int:
        fleet = self._config.fleet
        if not may_judge_silence(watch, fleet.silent_after.total_seconds() + _MARGIN_S):
            return 0
        since = now - fleet.expire_after if fleet.expire_after is not None else None
        found, silent, hosts = self._sources.silent(now - fleet.silent_after, since)
        return self._settle(NotificationKind.SILENT, found, now, hint=silence_hint(silent, hosts, len(found)))

    def _events(self, kind: NotificationKind, now: datetime, _watch: Watch) -> int:
        return self._conditions.settle_events(kind, now.timestamp(), link=self._link(kind))

    def _known_exploited(self, now: datetime, _watch: Watch) -> int:
        return self._settle(NotificationKind.KNOWN_EXPLOITED, self._sources.known_exploited(), now)

    def _overdue(self, now: datetime, _watch: Watch) -> int:
        longest: timedelta | None = self._config.notify.overdue
        if longest is None:
            return 0
        return self._settle(NotificationKind.OVERDUE, self._sources.overdue(now - longest), now)

    def _settle(self, kind: NotificationKind, found: Sequence[Subject], now: datetime, hint: str = "") -> int:
        return self._conditions.settle(kind, found, now.timestamp(), hint=hint, link=self._link(kind))

    def _link(self, kind: NotificationKind) -> str:
        base = self._config.dashboard.url
        return f"{base}{PAGES[kind]}" if base and self._config.dashboard.enabled else ""
