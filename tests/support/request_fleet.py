"""Hosts that carry out requests, as they see it themselves: each at most once, with an event repeated until it is
acknowledged, whatever responses are lost."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from tests.support.messages import Outbox, Raw
from tests.support.request_hosts import step_document

Send = Callable[[Raw], list[Raw] | None]
"""Sends a batch; returns the requests in the receipt, or None if there was no response."""


@dataclass(kw_only=True)
class Work:
    """What the hosts do, all together."""

    running: set["WorkingHost"] = field(default_factory=set)
    most: int = 0
    """How many were at work at the same time."""
    runs: Counter[str] = field(default_factory=Counter)
    """How often each request was carried out."""
    repaired: bool = False
    """From now on none fails."""
    mutex: Lock = field(default_factory=Lock)

    def begin(self, host: "WorkingHost") -> None:
        with self.mutex:
            self.running.add(host)
            self.most = max(self.most, len(self.running))

    def end(self, host: "WorkingHost", request: str) -> None:
        with self.mutex:
            self.running.remove(host)
            self.runs[request] += 1


@dataclass(kw_only=True, eq=False)
class WorkingHost:
    """One host, which gets one request."""

    work: Work
    fails: bool = False
    box: Outbox = field(default_factory=Outbox)
    pending: list[Raw] = field(default_factory=list)
    request: str | None = None
    ended: bool = False

    @property
    def is_busy(self) -> bool:
        """Return whether it is at work, or has something to report."""
        return bool(self.pending) or (self.request is not None and not self.ended)

    def contact(self, send: Send) -> None:
        """End what was begun and reported, then report all that is pending, and begin what is requested."""
        if self.request is not None and not self.ended and not self.pending:
            self.ended = True
            self.work.end(self, self.request)
            self._report("failed" if self.fails and not self.work.repaired else "done")
        requests = send(self.box.batch(*self.pending, self.box.heartbeat()))
        if requests is None:
            return
        self.pending = []
        for document in requests:
            assert document["host_id"] == self.box.host
            if self.request is None:
                self.request = str(document["id"])
                self.work.begin(self)
                self._report("received", "accepted", "running")

    def _report(self, *steps: str) -> None:
        assert self.request is not None
        self.pending += [self.box.event(f"request-{step}", step_document(self.request)) for step in steps]
