"""Measures how long the engine does not answer."""

import threading
import time
from types import TracebackType

from agent.host.docker.api import SOCKET, EngineApi, EngineApiError

_INTERVAL_S = 0.05
_PATIENCE_S = 0.25
"""An answer that takes longer counts as an outage since the last one. systemd holds the socket during a restart, so
that a connection is not refused: it waits for the new engine."""
_LIMIT_S = 30.0
"""For one answer, and so the longest wait for the thread at the end."""


class DowntimeMeter:
    """Polls `/_ping` in a thread while the block runs. Only for an engine that runs: a connection starts a stopped one.

    One connection at a time, which waits for the answer: many of them would fill the socket's queue.
    """

    def __init__(self, path: str = SOCKET) -> None:
        self._api = EngineApi(path, call_s=_LIMIT_S, all_s=None)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="downtime", daemon=True)
        self._down_s = 0.0
        self._answered_at = time.monotonic()
        self._asked_at: float | None = None
        """When the request that waits for its answer was made."""
        self._failed = False

    def __enter__(self) -> "DowntimeMeter":
        """Start to measure."""
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Stop to measure. A thread that still waits for an answer is left behind; it ends with it."""
        self._end.set()
        self._thread.join(_INTERVAL_S + _PATIENCE_S)

    @property
    def down_s(self) -> float:
        """Seconds without an answer so far, the present outage included."""
        now, asked_at = time.monotonic(), self._asked_at
        down = self._failed or (asked_at is not None and now - asked_at > _PATIENCE_S)
        return round(self._down_s + (now - self._answered_at if down else 0.0), 3)

    def _poll(self) -> None:
        while not self._end.is_set():
            asked_at = self._asked_at = time.monotonic()
            answered = self._answers()
            now = time.monotonic()
            if answered:
                if self._failed or now - asked_at > _PATIENCE_S:
                    self._down_s += now - self._answered_at
                self._answered_at = now
            self._failed = not answered
            self._asked_at = None
            self._end.wait(_INTERVAL_S)

    def _answers(self) -> bool:
        try:
            self._api.ping()
        except EngineApiError:
            return False
        return True
