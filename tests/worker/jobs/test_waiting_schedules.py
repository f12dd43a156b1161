"""Random weeks of uploads, stale lists, kills and snoozes: nothing is installed early, lost, or held for ever.

Nor is anything lost or held for ever by a clock that is wrong for some of these weeks.
"""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from agent.core.model.plan import Plan
from agent.core.policy.policy import SoakPolicy
from agent.state.waiting_record import WaitingRecord
from tests.core import given
from tests.support.bases import thorough
from tests.support.simulated import Killed, Offer
from tests.worker.jobs.simulator import Agent, failing, raising

DAY = timedelta(days=1)
PACKAGES = ("app", "lib", "tool")
SOAK = SoakPolicy(security=3 * DAY, rollout=2 * DAY, cohort="50")
DUE = 4 * DAY
STEPS = 40
SEEDS = range(300) if thorough() else range(8)


WRONG = [sign * days * DAY for sign in (-1, 1) for days in (0.1, 1, 5, 400, 9000)]
"""How far a clock that is wrong is ahead."""
CHECK_INTERVAL = timedelta(hours=6)


class Weeks:
    """One machine over some weeks, with what this test knows of it independently of the agent."""

    def __init__(self, agent: Agent, seed: int) -> None:
        self.agent = agent
        self.random = random.Random(seed)  # noqa: S311 - a schedule, no secret
        self.seen: dict[tuple[str, str], datetime] = {}
        """When each version was first in the lists while a job ran to its end."""
        self.snoozed: dict[str, datetime] = {}
        self.newest = dict.fromkeys(PACKAGES, 2)

    def pass_time(self, time: timedelta) -> None:
        self.agent.machine.time += time

    def publish(self) -> None:
        package = self.random.choice(PACKAGES)
        self.newest[package] += 1
        self.agent.machine.publish(self.offer(package))

    def offer(self, package: str) -> Offer:
        """Return the newest version; the application needs the library where that has its version by now."""
        needed = package == "app" and self.newest["lib"] >= self.newest["app"]
        return Offer(package=package, version=self.newest[package], needs=("lib",) if needed else ())

    def snooze(self) -> None:
        package, now = self.random.choice(PACKAGES), self.agent.machine.now()
        made = given.snooze(package, until=now + self.random.randint(1, 5) * DAY, at=now)
        WaitingRecord(self.agent.store).update_snoozes(lambda before: (*before, made), now)
        self.snoozed[package] = max(made.until, self.snoozed.get(package, now))

    def lose_source(self) -> None:
        self.agent.machine.refresh_errors = (failing("security", security=True),)

    def regain_source(self) -> None:
        self.agent.machine.refresh_errors = ()

    def check(self) -> None:
        before = self.agent.machine.now()
        self.tells_all(self.agent.check())
        self.note_seen(before)

    def upgrade(self, *, killed: bool = False) -> None:
        machine = self.agent.machine
        before, installed = machine.now(), machine.versions()
        if killed:
            machine.before_install.append(raising(Killed()))
        try:
            self.agent.upgrade()
        except Killed:
            pass
        finally:
            machine.before_install.clear()
        for package, version in machine.versions().items():
            if version != installed[package]:
                self.was_allowed(package, str(version), machine.now())
        self.note_seen(before)

    def note_seen(self, at: datetime) -> None:
        for offer in self.agent.machine.lists:
            self.seen.setdefault((offer.package, str(offer.version)), at)

    def was_allowed(self, package: str, version: str, now: datetime) -> None:
        assert now - self.seen[package, version] >= DUE, f"{package} {version} was installed early"
        assert now >= self.snoozed.get(package, now), f"{package} was installed although it is snoozed"

    def tells_all(self, plan: Plan) -> None:
        versions = self.agent.machine.versions()
        pending = {one.package for one in self.agent.machine.lists if str(one.version) != versions[one.package]}
        assert {item.package for item in (*plan.install, *plan.held)} == pending


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_an_update_waits_as_long_as_it_has_to_and_no_longer(tmp_path: Path, seed: int) -> None:
    agent = Agent(tmp_path)
    agent.policy = given.policy(soak=SOAK)
    weeks = Weeks(agent, seed)
    agent.machine.offer(*(weeks.offer(package) for package in PACKAGES))
    acts: list[Callable[[], None]] = [
        *(weeks.publish, weeks.snooze, weeks.lose_source, weeks.regain_source),
        *(weeks.check, weeks.check, weeks.upgrade, weeks.upgrade, lambda: weeks.upgrade(killed=True)),
    ]

    for _ in range(STEPS):
        weeks.pass_time(weeks.random.randint(1, 30) * timedelta(hours=1))
        weeks.random.choice(acts)()
    weeks.regain_source()
    weeks.check()
    weeks.pass_time(6 * DAY)
    weeks.upgrade()

    assert agent.machine.versions() == {package: str(version) for package, version in weeks.newest.items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_the_clock_did_an_update_is_told_and_released_in_time_once_the_clock_is_right(
    tmp_path: Path, seed: int
) -> None:
    agent = Agent(tmp_path)
    agent.policy = given.policy(soak=SOAK)
    weeks, ahead = Weeks(agent, seed), timedelta()
    agent.machine.offer(*(weeks.offer(package) for package in PACKAGES))
    acts: list[Callable[[], object]] = [
        *(weeks.publish, weeks.lose_source, weeks.regain_source, agent.upgrade),
        *(lambda: weeks.tells_all(agent.check()) for _ in range(3)),
    ]

    for _ in range(STEPS // 2):
        weeks.pass_time(weeks.random.randint(1, 30) * timedelta(hours=1) - ahead)
        ahead = weeks.random.choice([ahead, ahead, timedelta(), weeks.random.choice(WRONG)])
        weeks.pass_time(ahead)
        weeks.random.choice(acts)()
    weeks.pass_time(-ahead)
    weeks.regain_source()
    for _ in range(DUE // CHECK_INTERVAL + 1):
        weeks.tells_all(agent.check())
        weeks.pass_time(CHECK_INTERVAL)
    agent.upgrade()

    assert agent.machine.versions() == {package: str(version) for package, version in weeks.newest.items()}
