"""The record of requests, requests.json. Root writes it, and fsyncs it before anything is done for a request.

signed-requests.json, for root alone, has what credentials are left out of there: a signature holds for the whole.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from agent.core.requests.book import new_book
from agent.core.requests.model import RequestBook
from agent.core.schemas import REQUESTS_SCHEMA, SIGNED_REQUESTS_SCHEMA
from agent.errors import BusyError, HostError, RecordError
from agent.state.documents.requests import (
    book_from_document,
    book_to_document,
    forms_from_document,
    forms_to_document,
    signed_forms,
)
from agent.state.file_lock import exclusive, holder_pid, try_lock
from agent.state.store import REQUESTS, SIGNED_REQUESTS, Store
from agent.state.timestamps import format_exact

_LOCK_LIMIT_S = 10.0
_LOCK_POLL_S = 0.05


@contextmanager
def request_lock(store: Store) -> Iterator[None]:
    """Keep other processes from carrying out requests, and from ending one as interrupted, for the length of the block.

    The job lock does not: it is free between a job and the one that follows it, while hooks are notified.

    Raises:
        BusyError: another process carries one out. HostError: the lock file cannot be opened.
    """
    path = os.path.join(store.directory, "run-request.lock")
    with exclusive(path, busy="another process (pid {pid}) carries out a request of the endpoint"):
        yield


class RequestsRecord:
    """The document requests.json in a store."""

    def __init__(
        self,
        store: Store,
        warn: Callable[[str], None] = lambda _message: None,
        changed: Callable[[RequestBook, RequestBook], None] = lambda _before, _after: None,
    ) -> None:
        """Take the store, what is called with a message where the document is damaged, and after each change."""
        self.store = store
        self._warn = warn
        self._changed = changed

    def exists(self) -> bool:
        """Return whether any request was ever recorded; cheap."""
        return self.store.has(REQUESTS)

    def load(self) -> RequestBook | None:
        """Return the record; None: there is none yet.

        Raises:
            RecordError: it is damaged. It stays.
        """
        reader = self.store.read(REQUESTS, REQUESTS_SCHEMA, keep=True)
        return book_from_document(reader, self._load_forms()) if reader else None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from changing the record for the length of the block.

        Raises:
            BusyError: another process holds it for too long. HostError: the lock file cannot be opened.
        """
        descriptor = self._wait_for_lock(os.path.join(self.store.directory, "requests.lock"))
        try:
            yield
        finally:
            os.close(descriptor)

    def _wait_for_lock(self, path: str) -> int:
        end = time.monotonic() + _LOCK_LIMIT_S
        while time.monotonic() < end:
            try:
                descriptor = try_lock(path, 0o600)
            except OSError as error:
                raise HostError(f"{path}: cannot be opened: {error.strerror}") from error
            if descriptor is not None:
                return descriptor
            time.sleep(_LOCK_POLL_S)
        raise BusyError(f"{path}: another process (pid {holder_pid(path)}) is changing the record of requests")

    def change(self, change: Callable[[RequestBook], RequestBook], now: datetime) -> RequestBook:
        """Apply a change to the record and write it; return the new one.

        A damaged record is set aside. The new one refuses all requests that the old one may have had.

        Raises:
            BusyError: another process holds it for too long. HostError: it cannot be written; nothing has changed.
        """
        with self.locked():
            before = self._load_or_begin(now)
            after = change(before)
            old, new = signed_forms(before), signed_forms(after)
            if new - old:  # before the record refers to them; the old ones, as it may never come to do so
                self._save_forms(old | new, now)
            if after != before:
                self.store.write(REQUESTS, book_to_document(after, now))
            if old - new or not new:
                with suppress(HostError):  # a later change does it
                    self._save_forms(new, now)
        if after != before:
            self._changed(before, after)
        return after

    def _load_or_begin(self, now: datetime) -> RequestBook:
        """Return the record, or a new one: not on disk before its first change, so that a lost one may be behind it."""
        try:
            found = self.load()
        except RecordError as error:
            self._warn(str(error))
            self.store.set_aside(REQUESTS)
            return new_book(format_exact(now), lost_at=now)
        lost = found is None and self.store.was_set_aside(REQUESTS)
        return found or new_book(format_exact(now), lost_at=now if lost else None)

    def _load_forms(self) -> tuple[bytes, ...]:
        """Return the canonical forms of requests, read after the record; none if they are lost, or not for us."""
        try:
            reader = self.store.read(SIGNED_REQUESTS, SIGNED_REQUESTS_SCHEMA, keep=True)
            return forms_from_document(reader) if reader else ()
        except RecordError as error:
            self._warn(str(error))
            return ()

    def _save_forms(self, forms: frozenset[bytes], now: datetime) -> None:
        if forms:
            self.store.write(SIGNED_REQUESTS, forms_to_document(forms, now), mode=0o600)
        else:
            self.store.remove(SIGNED_REQUESTS)
