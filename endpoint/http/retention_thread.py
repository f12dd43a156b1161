"""Deletes old data in a background thread; checks every minute whether a deletion is due."""

from datetime import datetime, timezone
from threading import Event, Thread

from endpoint import log
from endpoint.config import Config
from endpoint.errors import StoreError
from endpoint.store.database import Database
from endpoint.store.retention import RetentionStore, RetentionTurn

_CHECK_S = 60.0
_PAUSE_S = 0.05
"""Between two steps, so that other writers of SQLite get their turn."""


class RetentionThread:
    """Applies the configured retention."""

    def __init__(self, config: Config, database: Database) -> None:
        self._config = config
        self._retention = RetentionStore(database)
        self._ending = Event()

    def start(self) -> None:
        """Start the thread; it is killed with the process, because each step is a transaction."""
        Thread(target=self._run, name="retention", daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                self.delete_if_due(datetime.now(timezone.utc))
            except StoreError as error:
                log.event("store.failed", detail=str(error), during="upkeep")
            self._ending.wait(_CHECK_S)

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
        event_retention, expire_after = self._config.store.event_retention, self._config.fleet.expire_after
        events = states = 0
        for deleted in self._retention.events(now, event_retention) if event_retention is not None else ():
            events += deleted
            self._ending.wait(_PAUSE_S)
        for deleted in self._retention.states(now, expire_after) if expire_after is not None else ():
            states += deleted
            self._ending.wait(_PAUSE_S)
        if events or states:
            log.event("upkeep.done", events=events, states=states)
