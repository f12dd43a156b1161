"""Looks each minute whether something is to be thrown away, in a thread of its own beside the requests'."""

from datetime import datetime, timezone
from threading import Event, Thread

from endpoint import log
from endpoint.config import Config
from endpoint.errors import StoreError
from endpoint.store.database import Database
from endpoint.store.retention import RetentionStore, RetentionTurn

_LOOK_S = 60.0
_PAUSE_S = 0.05
"""Between two steps, so that whoever wants to write to SQLite gets in between."""


class RetentionThread:
    """Keeps the database from growing for ever."""

    def __init__(self, config: Config, database: Database) -> None:
        self._config = config
        self._pruning = RetentionStore(database)
        self._ending = Event()

    def start(self) -> None:
        """Begin; the process ends without asking it, for each step is a transaction."""
        Thread(target=self._run, name="upkeep", daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                self.look(datetime.now(timezone.utc))
            except StoreError as error:
                log.event("store.failed", detail=str(error), during="upkeep")
            self._ending.wait(_LOOK_S)

    def look(self, now: datetime) -> None:
        """Throw away what is to go, if it is time.

        Raises:
            StoreError: the database does not answer; what was done stays done.
        """
        turn = self._pruning.turn(now)
        if turn is RetentionTurn.PUT_OFF:
            log.event("upkeep.put-off", detail="the clock is far ahead of when this was done last; again in a day")
        if turn is not RetentionTurn.NOW:
            return
        kept_for, silent_for = self._config.store.event_retention, self._config.fleet.expire_after
        events = states = 0
        for gone in self._pruning.events(now, kept_for) if kept_for is not None else ():
            events += gone
            self._ending.wait(_PAUSE_S)
        for gone in self._pruning.states(now, silent_for) if silent_for is not None else ():
            states += gone
            self._ending.wait(_PAUSE_S)
        if events or states:
            log.event("upkeep.done", events=events, states=states)
