"""Keeps the answers of slow queries for as long as they are worth: at most 5 s, and 20 times what they took."""

import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")
_MOST_S = 5.0
_WORTH = 20.0
_MAX_ENTRIES = 200


class TimedCache(Generic[Value]):
    """Answers by key, each made by one thread at a time; `now_s` is the time of the query."""

    def __init__(self) -> None:
        self._mutex = Lock()
        self._made: dict[Hashable, tuple[float, float, Value]] = {}
        self._locks: dict[Hashable, Lock] = {}

    def get(self, key: Hashable, now_s: float, make: Callable[[], Value]) -> tuple[Value, float]:
        """Return the answer and as of when it is; a made one if it is young enough.

        Raises:
            StoreError: the database does not answer.
        """
        with self._mutex:
            lock = self._locks.setdefault(key, Lock())
        with lock:
            kept = self._made.get(key)
            if kept is not None and kept[0] <= now_s < kept[1]:
                return kept[2], kept[0]
            started = time.monotonic()
            value = make()
            keep_s = min(_MOST_S, (time.monotonic() - started) * _WORTH)
        with self._mutex:
            if len(self._made) >= _MAX_ENTRIES:
                self._made.clear()
                self._locks.clear()
            self._made[key] = (now_s, now_s + keep_s, value)
        return value, now_s
