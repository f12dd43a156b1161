"""Has the centre told: knows when it is time, and starts the process that does it. The daemon itself sends nothing.

Level-triggered as the rest of the daemon: it compares the record with what it last had told, and reads when the sender
wants to go next. What is sent, and whether it arrived, is the sender's business (`agent.courier`).
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from agent import log
from agent.core.beat import Pulse, due
from agent.core.policy import EndpointPolicy
from agent.core.schedule import Every, share_of
from agent.errors import RecordError
from agent.host.child import Child
from agent.host.rebootflag import read_flag
from agent.jobrecord import JOBS
from agent.store import Store
from agent.telling.pulse import pulse_of
from agent.tellingfile import read_telling

_GRACE_S = 60.0
"""What a sender may take beyond twice the time for one request."""
_SECOND = timedelta(seconds=1)
"""Moments are kept to the second."""
Start = Callable[[Sequence[str]], Child]


class Messenger:
    """One sender at a time."""

    def __init__(self, config: Path | None, store: Store, run_dir: str, start: Start = Child) -> None:
        """Take what the sender is to go by; starts nothing yet."""
        options = ["--config", str(config)] if config is not None else []
        self._arguments = [*options, "--state-dir", store.directory, "report", "--send", "--run-dir", run_dir]
        self._store = store
        self._run_dir = run_dir
        self._start = start
        self._child: Child | None = None
        self._told: object = None
        self._last: datetime | None = None
        """When the sender was started last: one that says nothing of it is not started again before the next slot."""

    def look(self, policy: EndpointPolicy, machine: str, now: datetime, up_since: datetime) -> None:
        """Start the sender where it is time, and end one that takes too long."""
        if self._at_work(policy) or not policy.url:
            return
        slots = Every(interval=policy.interval, share=share_of(machine, "report"))
        seen = self._seen()
        changed = self._told is not None and seen is not None and seen != self._told
        if due(slots, self._pulse(now), now=now, up_since=up_since, changed=changed) > now:
            self._told = self._told or seen
            return
        self._told, self._last = seen or self._told, now
        try:
            self._child = self._start(self._arguments)
        except OSError as error:
            log.event("sender.failed", error=str(error))

    def _at_work(self, policy: EndpointPolicy) -> bool:
        if self._child is None:
            return False
        code = self._child.ended()
        if code is None:
            if self._child.age_s() > 2 * policy.timeout.total_seconds() + _GRACE_S:
                log.event("sender.killed", seconds=round(self._child.age_s()))
                self._child.kill()
            return True
        self._child = None
        return False

    def _pulse(self, now: datetime) -> Pulse:
        try:
            telling = read_telling(self._run_dir)
        except RecordError:
            telling = None
        pulse = pulse_of(telling.raw.get("pulse")) if telling else Pulse()
        if self._last is not None and self._last <= now and (pulse.last is None or pulse.last < self._last - _SECOND):
            pulse = replace(pulse, last=self._last)
        return pulse

    def _seen(self) -> object:
        """Return something that differs once there is something new to tell; None while a job writes the record."""
        if self._store.worker_pid() is not None:
            return None
        with suppress(OSError, RecordError):
            jobs = os.stat(self._store.path(JOBS)).st_mtime_ns if os.path.exists(self._store.path(JOBS)) else 0
            return (jobs, next(iter(self._store.run_ids()), ""), read_flag() is not None)
        return None
