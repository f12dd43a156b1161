"""Deletes old data in a background thread, and logs stale slots; checks every minute whether the next turn is due.

What waits for a channel of notifications that is no longer configured is given up here: nobody sends on it.
"""

from collections.abc import Iterable
from datetime import datetime, timezone
from threading import Event, Thread

from endpoint import log
from endpoint.config.model import Config
from endpoint.core.lock_report import locks_document
from endpoint.errors import StoreError
from endpoint.notify.channels import configured_channels
from endpoint.store.audit import Audit
from endpoint.store.database import Database
from endpoint.store.deployments import DeploymentStore
from endpoint.store.host_retention import HostRetention
from endpoint.store.lock_queries import LockQueries
from endpoint.store.notify_queue import NotificationQueue
from endpoint.store.people.sessions import Sessions
from endpoint.store.retention import RetentionStore, RetentionTurn

_CHECK_S = 60.0
_PAUSE_S = 0.05
"""Between two steps, so that other writers of SQLite get their turn."""


class RetentionThread:
    """Applies the configured retention."""

    def __init__(self, config: Config, database: Database) -> None:
        self._config = config
        self._retention = RetentionStore(database)
        people = config.people
        self._sessions = Sessions(database, lifetime=people.session_time, idle=people.idle_time)
        self._audit = Audit(database)
        self._locks = LockQueries(database)
        self._deployments = DeploymentStore(database)
        self._hosts = HostRetention(database)
        self._notifications = NotificationQueue(database)
        self._channels = tuple(configured_channels(config.notify))
        self._ending = Event()

    def start(self) -> None:
        """Start the thread; it is killed with the process, because each step is a transaction."""
        Thread(target=self._run, name="retention", daemon=True).start()

    def _run(self) -> None:
        while True:
            self.try_delete(datetime.now(timezone.utc))
            self._ending.wait(_CHECK_S)

    def try_delete(self, now: datetime) -> None:
        """Delete old data if a deletion is due; an error is logged, and the next call goes on."""
        try:
            self.delete_if_due(now)
        except StoreError as error:
            log.event("store.failed", detail=str(error), during="upkeep")
        except Exception as error:  # noqa: BLE001 - nobody else would notice that the thread has ended
            log.exception("upkeep.broken", error)

    def delete_if_due(self, now: datetime) -> None:
        """Delete old data if a deletion is due.

        Raises:
            StoreError: the database does not answer; completed steps stay done.
        """
        turn = self._retention.turn(now)
        if turn is RetentionTurn.PUT_OFF:
            log.event(
                "upkeep.put-off", detail="the clock is more than a week ahead of the last deletion; retrying in a day"
            )
        if turn is not RetentionTurn.NOW:
            return
        self._log_stale_slots(now)
        self._deployments.expire(now)
        self._hosts.record_exposure(now)
        event_retention, expire_after = self._config.store.event_retention, self._config.fleet.expire_after
        done = dict.fromkeys(("events", "states", "deployments", "hosts"), 0)
        done["given_up"] = self._notifications.give_up_others(self._channels, now.timestamp())
        done["notifications"] = self._notifications.forget(now.timestamp())
        done["fixes"] = self._each(self._hosts.fixes(now))
        done["sessions"] = self._sessions.delete_old(now)
        if event_retention is not None:
            done["events"] = self._each(self._retention.events(now, event_retention))
            done["deployments"] = self._each(self._retention.deployments(now, event_retention))
            done["audit"] = self._each(self._audit.delete_old(now - event_retention))
        if expire_after is not None:
            done["hosts"] = self._each(self._hosts.hosts(now, expire_after))
            done["states"] = self._each(self._retention.states(now, expire_after))
        if any(done.values()):
            log.event("upkeep.done", **done)

    def _each(self, steps: Iterable[int]) -> int:
        """Run the steps; return how many rows they deleted."""
        deleted = 0
        for number in steps:
            deleted += number
            self._ending.wait(_PAUSE_S)
        return deleted

    def _log_stale_slots(self, now: datetime) -> None:
        """Log each slot that is held for too long, once an hour: its host may have failed, and blocks its group."""
        document = locks_document(self._locks.locks(now), (), now, self._config.locks.settings)
        for group in document["groups"]:
            for holder in group["holders"]:
                if holder["stale"]:
                    log.event("lock.stale", group=group["name"], client=holder["client_id"], since=holder["since"])
