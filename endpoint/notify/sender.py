"""Sends queued notifications in a background thread; of all processes of the endpoint only one does."""

import random
from collections.abc import Callable
from datetime import datetime, timezone
from threading import Event, Thread

from endpoint import log
from endpoint.config.model import Config
from endpoint.core.notify.retry import retry_delay_s
from endpoint.errors import StoreError
from endpoint.notify.channels import configured_channels
from endpoint.notify.watcher import Watcher
from endpoint.store.database import Database
from endpoint.store.notify_queue import NotificationQueue, QueuedNotification
from endpoint.store.notify_turn import SenderTurn

_POLL_S = 5.0
_LOOK_S = 60.0


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class NotificationSender:
    """Looks for what is new, and sends what is due."""

    def __init__(self, config: Config, database: Database, clock: Callable[[], datetime] = _utc_now) -> None:
        self._clock = clock
        self._config = config
        self._channels = configured_channels(config.notify)
        self._turn = SenderTurn(database)
        self._queue = NotificationQueue(database)
        self._watcher = Watcher(config, database, tuple(self._channels))
        self._looked_at: float | None = None
        self._ending = Event()

    def start(self) -> None:
        """Start the thread, if anybody is to be notified; it is killed with the process: the queue is durable."""
        if self._channels:
            Thread(target=self._run, name="notifications", daemon=True).start()

    def _run(self) -> None:
        while not self._ending.wait(_POLL_S):
            self.try_work()

    def try_work(self) -> None:
        """Do what is due; an error is logged, and the next call goes on."""
        try:
            self.work()
        except StoreError as error:
            log.event("store.failed", detail=str(error), during="notifications")
        except Exception as error:  # noqa: BLE001 - nobody else would notice that the thread has ended
            log.exception("notification.broken", error)

    def work(self) -> None:
        """Do what is due, if this process is the sender.

        Raises:
            StoreError: the database does not answer.
        """
        now = self._clock()
        moment = now.timestamp()
        if not self._turn.is_mine(moment):
            return
        if self._looked_at is None or not 0.0 <= moment - self._looked_at < _LOOK_S:
            self._looked_at = moment
            self._watcher.look(now, self._turn.watch(moment))
        for channel in self._channels:
            self._send_due(channel, moment)

    def _send_due(self, channel: str, moment: float) -> None:
        """Send on one channel until all is sent, or one has failed for a reason that holds for the others as well."""
        for one in self._queue.due(channel, moment):
            if not self._turn.is_mine(self._clock().timestamp()) or not self._send(one):
                return

    def _send(self, one: QueuedNotification) -> bool:
        """Send one; return whether the next one may be sent."""
        self._queue.attempt(one)
        failure = self._channels[one.channel](self._config.notify, one.document)
        now = self._clock().timestamp()
        if failure is None:
            self._queue.delivered(one, now)
            log.event("notification.sent", id=one.id, channel=one.channel)
            return True
        delay_s = retry_delay_s(one.attempts + 1, random.random(), failure.retry_after_s)  # noqa: S311 - no secret
        given_up = self._queue.failed(one, failure.reason, now, delay_s, alone=failure.of_this_one)
        name = "notification.given-up" if given_up else "notification.failed"
        log.event(name, id=one.id, channel=one.channel, detail=failure.reason, retry_s=round(delay_s))
        return failure.of_this_one
