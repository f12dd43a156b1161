"""When the daemon has a request of the endpoint carried out, from the record that only root writes."""

import os
from datetime import datetime, timedelta, tzinfo

from agent.core.clock import is_future
from agent.core.frozen import replace
from agent.core.policy.policy import Policy
from agent.core.requests.begin import next_at
from agent.core.requests.book import open_entries
from agent.core.requests.model import RequestBook, RequestState
from agent.core.schedule.slots import JobAttempts
from agent.errors import RecordError
from agent.host import log
from agent.state.reboot_record import RebootRecord
from agent.state.requests_record import RequestsRecord
from agent.state.store import REQUESTS, Store
from agent.worker.request_rules import request_rules

_PAUSE = timedelta(minutes=1)
"""Between two jobs that have nothing to do but to wait for the end of a reboot, or that failed."""


class RequestsWatch:
    """Reads the record of requests again only after a change: the daemon asks at each look."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: tuple[int, ...] | None = None
        self._open = RequestBook(id="")

    def next_at(self, policy: Policy, last: JobAttempts, now: datetime, local: tzinfo) -> datetime | None:
        """Return when a job has something to do; None: never, or not before a reboot that began is verified.

        `last` are the attempts of that job. A damaged record is logged, and nothing is started: the next request that
        arrives sets it aside.
        """
        book = self._load()
        if not book.entries or RebootRecord(self._store).is_under_way():
            return None
        at = next_at(book, request_rules(policy, self._store, local), now)
        waits = all(entry.state is RequestState.RUNNING for entry in book.entries)
        if at is None or last.last is None or is_future(last.last, now) or not (waits or last.failures):
            return at
        return max(at, last.last + _PAUSE)

    def _load(self) -> RequestBook:
        try:
            found = os.stat(self._store.path(REQUESTS))
        except OSError:
            return RequestBook(id="")
        seen = (found.st_ino, found.st_size, found.st_mtime_ns)
        if seen != self._seen:
            self._seen = seen
            self._open = self._read()
        return self._open

    def _read(self) -> RequestBook:
        try:
            book = RequestsRecord(self._store).load()
        except RecordError as error:
            log.event(log.LogEvent.RECORD_DAMAGED, error=str(error))
            book = None
        return replace(book, entries=open_entries(book)) if book is not None else RequestBook(id="")
