"""The daemon in simulated time: by sleeping it starts what it would start if it looked each second, and no later.

Jobs and exporters are simulated: they write what the real ones write, and end after some seconds.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import pytest

from agent.core.exporters import ExporterName
from agent.core.policy.policy import Policy
from agent.core.schedule.exports import ExportState
from agent.core.schedule.wake import LONGEST_SLEEP
from agent.daemon.agenda import Agenda
from agent.daemon.export_supervisor import ExportSupervisor
from agent.daemon.job_dispatcher import JobDispatcher
from agent.daemon.look import Found, Look
from agent.host.process.spawn import AgentProcess
from agent.report.export_state import export_state_to_document
from agent.state.exporter_status import write_exporter_status
from agent.state.job_status import REQUESTED_BY_SCHEDULE, record_job_end, record_job_start
from agent.state.store import Store
from tests.core import given
from tests.support import bases

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
START = datetime(2030, 6, 3, 12, 0, 0, 250_000, tzinfo=timezone.utc)
"""After this machine's boot, and after any change of its packages."""
AT_WORST = timedelta(seconds=30)
"""How late a daemon is that looks twice a minute."""


class SimulatedProcess(AgentProcess):
    """An exporter that ends when the simulation lets it."""

    def __init__(self) -> None:
        self.code: int | None = None

    def exit_code(self) -> int | None:
        return self.code

    def age_s(self) -> float:
        return 0.0

    def kill(self) -> None:
        self.code = -9


@dataclass
class Simulation:
    """A machine with a daemon; `asleep`: it sleeps, otherwise it looks each second."""

    directory: Path
    policy: Policy
    asleep: bool
    now: datetime = START
    looks: int = 0
    started: "defaultdict[str, list[datetime]]" = field(default_factory=lambda: defaultdict(list))
    ahead: list[tuple[datetime, int, Callable[[], None]]] = field(default_factory=list)
    """What happens to the machine, each of which wakes the daemon: when, its number, and what."""

    def __post_init__(self) -> None:
        self.store = Store(str(self.directory / "state"))
        (self.directory / "run").mkdir(parents=True)
        (self.directory / "root").mkdir()
        self.dispatcher = JobDispatcher(self.store)
        self.look = Look(
            self.store,
            "machine",
            agenda=Agenda(self.store, "machine", str(self.directory / "root")),
            dispatcher=self.dispatcher,
            supervisor=ExportSupervisor(
                None, self.store, str(self.directory / "run"), self._start_exporter, in_daemon=lambda *_: None
            ),
            run=self._run_job,
        )

    def at(self, when: datetime, happens: Callable[[], None]) -> None:
        self.ahead.append((when, len(self.ahead) + self.looks, happens))

    def run_until(self, end: datetime) -> None:
        """Simulate the daemon until then."""
        while self.now < end:
            self.looks += 1
            found = self.look.take(self.policy, self.now, START, watched=True)
            self._sleep(found)

    def person_checks(self) -> None:
        """Run a check by hand, which takes no time."""
        record_job_start(self.store, "check", self.now, "root")
        record_job_end(self.store, "check", self.now, 0)

    def _sleep(self, found: Found) -> None:
        """Let time pass until the daemon looks again; what happens wakes it within a second."""
        assert found.next_at > self.now
        until = found.next_at if self.asleep else self.now + SECOND
        while happens := sorted(one for one in self.ahead if one[0] < until)[:1]:
            self.ahead.remove(happens[0])
            self.now = happens[0][0]
            happens[0][2]()
            until = min(until, self.now + SECOND)
        self.now = until

    def _run_job(self) -> None:
        job = self.dispatcher.job
        assert job is not None
        self.started[job.value].append(self.now)
        record_job_start(self.store, job.value, self.now, REQUESTED_BY_SCHEDULE)

        def end() -> None:
            record_job_end(self.store, job.value, self.now, 0)
            self.dispatcher.job = None

        self.at(self.now + 40 * SECOND, end)

    def _start_exporter(self, arguments: Sequence[str]) -> AgentProcess:
        exporter = next(one for one in ExporterName if f"export-{one.value}" in arguments)
        self.started[exporter.value].append(self.now)
        process = SimulatedProcess()

        def end() -> None:
            state = export_state_to_document(ExportState(last=self.now))
            write_exporter_status(str(self.directory / "run"), exporter, {"export_state": state, "exporters": {}})
            process.code = 0

        self.at(self.now + 0.4 * SECOND, end)
        return process


def reporting_policy() -> Policy:
    """Return a check every six hours, a daily upgrade, an endpoint and a textfile."""
    usual = given.policy()
    return replace(
        usual,
        endpoint=replace(usual.endpoint, url="https://endpoint.example.org"),
        metrics=replace(usual.metrics, textfile="/metrics/maestro.prom"),
    )


def gaps(times: Sequence[datetime]) -> list[timedelta]:
    return [later - earlier for earlier, later in pairwise(times)]


def test_an_idle_week_has_every_heartbeat_file_check_and_upgrade(tmp_path: Path) -> None:
    days = 7 if bases.thorough() else 2
    simulation = Simulation(tmp_path, reporting_policy(), asleep=True)

    simulation.run_until(START + days * DAY)

    started = simulation.started
    assert len(started["upgrade"]) == days
    assert 4 * days - days <= len(started["check"]) <= 4 * days + 1  # an upgrade counts as a check
    jobs = sorted([*started["check"], *started["upgrade"]])
    assert max(gaps(jobs)) <= timedelta(hours=6) + AT_WORST
    for exporter in ("endpoint", "prometheus"):
        slots = days * 288
        assert slots <= len(started[exporter]) <= slots + 2 * len(jobs) + 1  # and soon after each job
        assert max(gaps(started[exporter])) <= timedelta(minutes=5) + SECOND
        assert all(any(job < at <= job + 60 * SECOND for at in started[exporter]) for job in jobs[:-1])
    # One look for each start and each end, and few in between.
    assert simulation.looks <= 2 * sum(map(len, started.values())) + days * DAY / LONGEST_SLEEP


@pytest.mark.parametrize("seed", range(8 if bases.thorough() else 3))
def test_sleeping_starts_what_looking_each_second_starts(tmp_path: Path, seed: int) -> None:
    found = {}
    for asleep in (True, False):
        chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
        usual = reporting_policy()
        agent = replace(
            usual.agent,
            check_interval=timedelta(minutes=chance.randint(60, 80)),
            upgrade_at=(START + timedelta(minutes=chance.randint(5, 60))).time().replace(second=0, microsecond=0),
            splay=timedelta(minutes=chance.randint(0, 20)),
        )
        simulation = Simulation(tmp_path / str(asleep), replace(usual, agent=agent), asleep=asleep)
        for _ in range(3):
            simulation.at(START + timedelta(seconds=chance.randint(0, 4800)), simulation.person_checks)
        simulation.run_until(START + timedelta(minutes=80))
        found[asleep] = simulation.started

    assert found[True].keys() == found[False].keys()
    for name, times in found[False].items():
        late = [mine - other for mine, other in zip(found[True][name], times, strict=True)]
        assert max(map(abs, late)) <= 3 * SECOND, (name, late)
