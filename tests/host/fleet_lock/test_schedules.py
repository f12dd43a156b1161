"""Random schedules of a fleet: hosts, servers, faults, kills and late requests, with the real client and real sockets.

Never do more hosts reboot than there are slots, no host reboots without a slot, and in the end no slot is lost to the
fleet but those of the hosts that came back ill.
"""

import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from agent.core.fleet_lock.transitions import ACQUIRE_SETTLES, RELEASE_SETTLES
from tests.support.lock_hosts import GROUP, PATIENT, Clock, KilledError, LockHost
from tests.support.lock_servers import ACQUIRE, ANSWERED, DIALECTS, Backend, LockServer, lock_server

HOSTS = 3
SCHEDULES = settings(stateful_step_count=30, max_examples=settings().max_examples // 3)
"""For each of the four servers: a thorough run has more than 1,000 schedules."""
_AT_ONCE = ("reset-before", "half-line", "half-body", "lost-answer", *ANSWERED)
_FAULT = st.one_of(st.just("late"), st.just(""), st.sampled_from(_AT_ONCE))
FAULTS = st.one_of(st.just([]), st.lists(_FAULT, min_size=1, max_size=3))
KILL = st.one_of(st.none(), st.none(), st.integers(0, 2))


class Host:
    """A host and what it is doing."""

    def __init__(self, lock_host: LockHost) -> None:
        self.agent = lock_host
        self.reboots = False
        """Whether it was granted a slot and is not back yet."""
        self.ill = False

    def __repr__(self) -> str:
        return self.agent.name

    @property
    def needs_slot(self) -> bool:
        return self.reboots or self.ill


class Fleet(RuleBasedStateMachine):  # type: ignore[misc] # hypothesis has no types here
    """Some hosts at one server."""

    backend: Callable[[int], Backend]
    most_slots: int
    served: LockServer

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="fleet-"))
        self.clock = Clock()
        self.due: list[datetime] = []
        """When each of the server's late requests is carried out at the latest."""

    @initialize(slots=st.integers(1, 2))
    def start(self, slots: int) -> None:
        self.slots = min(slots, self.most_slots)
        self.served.backend = type(self).backend(self.slots)
        self.served.faults, self.served.delayed = [], []
        self.hosts = [
            Host(
                LockHost(
                    name=f"host-{number}",
                    directory=self.directory / str(number),
                    url=self.served.url,
                    clock=self.clock,
                    timeouts=PATIENT,
                )
            )
            for number in range(HOSTS)
        ]

    @precondition(lambda self: self.some(lambda host: not host.reboots))
    @rule(data=st.data(), faults=FAULTS, before=KILL, after=KILL)
    def take_a_slot(self, data: st.DataObject, faults: list[str], before: int | None, after: int | None) -> None:
        host = data.draw(st.sampled_from(self.some(lambda host: not host.reboots)))
        self._with(faults)
        with suppress(KilledError):
            host.reboots = host.agent.lock(kill_before=before, kill_after=after).acquire("kernel").granted
        self._calls_ended(host)

    @precondition(lambda self: self.some(lambda host: host.reboots))
    @rule(data=st.data(), faults=FAULTS, before=KILL, after=KILL)
    def come_back(self, data: st.DataObject, faults: list[str], before: int | None, after: int | None) -> None:
        host = data.draw(st.sampled_from(self.some(lambda host: host.reboots)))
        host.agent.boots += 1
        host.reboots = False
        self._with(faults)
        with suppress(KilledError):
            host.agent.lock(kill_before=before, kill_after=after).release()
        self._calls_ended(host)

    @precondition(lambda self: self.some(lambda host: host.reboots))
    @rule(data=st.data())
    def come_back_ill(self, data: st.DataObject) -> None:
        host = data.draw(st.sampled_from(self.some(lambda host: host.reboots)))
        host.agent.boots += 1
        host.agent.lock().keep("cron.service failed")
        host.reboots, host.ill = False, True

    @precondition(lambda self: self.some(lambda host: host.reboots))
    @rule(data=st.data(), boots=st.booleans())
    def die_before_the_reboot(self, data: st.DataObject, *, boots: bool) -> None:
        host = data.draw(st.sampled_from(self.some(lambda host: host.reboots)))
        host.agent.boots += boots
        host.reboots = False

    @rule(data=st.data(), faults=FAULTS, before=KILL, after=KILL)
    def start_the_next_job(self, data: st.DataObject, faults: list[str], before: int | None, after: int | None) -> None:
        host = data.draw(st.sampled_from(self.hosts))
        self._with(faults)
        with suppress(KilledError):
            host.agent.lock(kill_before=before, kill_after=after).release_leftover(reboot_pending=host.reboots)
        self._calls_ended(host)

    @precondition(lambda self: self.some(lambda host: host.ill and not host.reboots))
    @rule(data=st.data(), faults=FAULTS, before=KILL, after=KILL)
    def have_a_person_release(
        self, data: st.DataObject, faults: list[str], before: int | None, after: int | None
    ) -> None:
        # The job refuses while the machine goes down.
        host = data.draw(st.sampled_from(self.some(lambda host: host.ill and not host.reboots)))
        self._with(faults)
        with suppress(KilledError):
            host.agent.lock(kill_before=before, kill_after=after).release()
        self._calls_ended(host)

    @rule(minutes=st.integers(1, 40))
    def let_time_pass(self, minutes: int) -> None:
        self._pass_by(timedelta(minutes=minutes))

    @precondition(lambda self: bool(self.due))
    @rule()
    def carry_out_what_is_late(self) -> None:
        self.served.deliver()
        self.due = []

    @invariant()
    def no_more_hosts_reboot_than_there_are_slots(self) -> None:
        hosts = getattr(self, "hosts", [])
        assert sum(host.needs_slot for host in hosts) <= getattr(self, "slots", 0)

    @invariant()
    def no_host_reboots_without_a_slot(self) -> None:
        needed = {(GROUP, host.agent.name) for host in getattr(self, "hosts", []) if host.needs_slot}
        assert not needed or needed <= self.served.backend.holders()

    def teardown(self) -> None:
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, self.directory)
            if not hasattr(self, "hosts"):
                return
            self.served.faults = []
            for host in self.hosts:
                host.reboots = False
            self._pass_by(2 * ACQUIRE_SETTLES)
            for _ in range(2):
                for host in self.hosts:
                    host.agent.lock().release_leftover(reboot_pending=False)
                self._pass_by(2 * ACQUIRE_SETTLES)
            ill = {(GROUP, host.agent.name) for host in self.hosts if host.ill}
            assert self.served.backend.holders() == ill
            for host in self.hosts:
                assert host.agent.lock().release().granted
                assert host.agent.record.load().lock is None
            assert not self.served.backend.holders()

    def some(self, which: Callable[[Host], bool]) -> list[Host]:
        return [host for host in getattr(self, "hosts", ()) if which(host)]

    def _with(self, faults: list[str]) -> None:
        self.served.faults = list(faults)

    def _calls_ended(self, host: Host) -> None:
        self.served.faults = []
        lock = host.agent.record.load().lock
        host.ill = lock is not None and lock.kept != ""
        for path, _ in self.served.delayed[len(self.due) :]:
            self.due.append(self.clock.now + (ACQUIRE_SETTLES if path == ACQUIRE else RELEASE_SETTLES))

    def _pass_by(self, time: timedelta) -> None:
        """Let time pass, and before that the server end what it would have ended by then."""
        until = self.clock.now + time
        late = list(zip(self.due, self.served.delayed, strict=True))
        self.due = [due for due, _ in late if due > until]
        self.served.delayed = [request for due, request in late if due > until]
        for due, request in late:
            if due <= until:
                self.served.backend.answer(*request)
        self.clock.now = until


@pytest.mark.parametrize("dialect", list(DIALECTS))
def test_no_schedule_breaks_the_lock(dialect: str) -> None:
    class Dialect(Fleet):
        backend = staticmethod(lambda slots: DIALECTS[dialect]({GROUP: slots}))
        most_slots = 1 if dialect == "poseidon" else 2

    with lock_server(DIALECTS[dialect]({GROUP: 1})) as served:
        Dialect.served = served
        run_state_machine_as_test(Dialect, settings=SCHEDULES)
