"""The steps that keep exactly one daily patcher, on a machine whose daily job is simulated, with the real record."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from agent.core.job_kinds import JobKind
from agent.core.model.facts import Unseen
from agent.core.policy.policy import DailyJobMode, Policy, UnattendedUpgradesPolicy
from agent.core.unattended_upgrades.model import Patcher, StandDown, TheirJob
from agent.errors import HostError, RecordError
from agent.report.explanation_text import explanation_lines
from agent.state.daily_job_view import DailyJobView, read_daily_job
from agent.state.json_reader import JsonReader
from agent.state.store import UNATTENDED_UPGRADES, Store
from agent.worker.daily_turn import stands_aside
from agent.worker.jobs.explain import run as explain
from agent.worker.protocol import JobRequest
from agent.worker.steps.daily_job import StandsAsideError, require_turn, settle_after_check, settle_daily_job
from tests.core import given
from tests.core.unattended_upgrades.test_patcher import NOW, OFF, ON, SETTINGS
from tests.support.simulated import Offer
from tests.worker.jobs.simulator import Agent

COEXIST, REPLACE, DELEGATE = DailyJobMode.COEXIST, DailyJobMode.REPLACE, DailyJobMode.DELEGATE
BLACKLIST = replace(ON, settings=replace(SETTINGS, blacklist=("nginx",)))
MASKED = next(job for gap, job in OFF.items() if gap.value == "timer-masked")


class SimulatedDailyJob:
    """The port DailyJobPort; stood down, its timer is masked."""

    def __init__(self, theirs: TheirJob | Unseen = ON, by: StandDown | None = None) -> None:
        self.theirs = theirs
        self.by = by
        self.error: Exception | None = None
        self.unreadable = False

    def look(self) -> TheirJob | Unseen:
        return self.theirs if self.by is None else MASKED

    def stood_down(self) -> StandDown | None:
        if self.error is not None and self.unreadable:
            raise self.error
        return self.by

    def stand_down(self, stand_down: StandDown, now: datetime) -> None:
        assert now == NOW
        if self.error is not None:
            raise self.error
        self.by = stand_down

    def put_back(self) -> None:
        self.by = None


def policy(mode: DailyJobMode, *, upgrade: bool = True) -> Policy:
    made = given.policy()
    return replace(
        made, agent=replace(made.agent, upgrade=upgrade), unattended_upgrades=UnattendedUpgradesPolicy(mode=mode)
    )


def recorded(store: Store) -> DailyJobView:
    found = read_daily_job(store)
    assert found is not None
    return found


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


@pytest.mark.parametrize(
    ("mode", "by", "after", "patcher"),
    [
        (COEXIST, None, None, Patcher.UNATTENDED_UPGRADES),
        (COEXIST, StandDown.MODE, None, Patcher.UNATTENDED_UPGRADES),
        (COEXIST, StandDown.COMMAND, StandDown.COMMAND, Patcher.AGENT),
        (REPLACE, None, StandDown.MODE, Patcher.AGENT),
        (REPLACE, StandDown.MODE, StandDown.MODE, Patcher.AGENT),
        (REPLACE, StandDown.COMMAND, StandDown.COMMAND, Patcher.AGENT),
        (DELEGATE, None, None, Patcher.UNATTENDED_UPGRADES),
        (DELEGATE, StandDown.MODE, None, Patcher.UNATTENDED_UPGRADES),
        (DELEGATE, StandDown.COMMAND, None, Patcher.UNATTENDED_UPGRADES),
    ],
)
def test_each_mode_switches_the_job_from_each_state(
    store: Store, mode: DailyJobMode, by: StandDown | None, after: StandDown | None, patcher: Patcher
) -> None:
    job = SimulatedDailyJob(by=by)

    decided = settle_daily_job(job, store, policy(mode), NOW)

    assert (decided.patcher, job.by) == (patcher, after)
    assert recorded(store).patcher == patcher.value
    assert stands_aside(policy(mode), store) is (patcher is not Patcher.AGENT)


@pytest.mark.parametrize(
    ("error", "unreadable"),
    [(HostError("no"), False), (HostError("no"), True), (RecordError("no"), True)],
    ids=["switch", "drop-in", "record"],
)
def test_a_switch_that_fails_is_on_record_and_the_job_is_not_joined(
    store: Store, error: Exception, *, unreadable: bool
) -> None:
    job = SimulatedDailyJob()
    job.error, job.unreadable = error, unreadable

    decided = settle_daily_job(job, store, policy(REPLACE), NOW)

    assert decided.patcher is Patcher.UNATTENDED_UPGRADES
    assert recorded(store).problem == "no"


@pytest.mark.parametrize(
    "damage",
    [
        lambda store: Path(store.path(UNATTENDED_UPGRADES)).write_text("{"),
        lambda store: Path(store.path(UNATTENDED_UPGRADES)).unlink(),
        lambda store: settle_daily_job(SimulatedDailyJob(), store, policy(DELEGATE), NOW),
    ],
    ids=["damaged", "missing", "of-another-mode"],
)
def test_a_record_that_says_nothing_of_now_stops_no_upgrade(store: Store, damage: Callable[[Store], object]) -> None:
    settle_daily_job(SimulatedDailyJob(), store, policy(COEXIST), NOW)
    damage(store)

    assert not stands_aside(policy(COEXIST), store)
    assert stands_aside(policy(DELEGATE), store)


def test_the_scheduled_upgrade_goes_by_the_machine_and_not_by_the_record(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    agent.policy, agent.machine.time = policy(COEXIST), NOW
    job = SimulatedDailyJob(theirs=MASKED)
    context = replace(agent.context, daily_job=job)
    settle_after_check(context, agent.check(), scheduled=True)
    require_turn(context)

    job.theirs = ON
    with pytest.raises(StandsAsideError):
        require_turn(context)

    assert stands_aside(agent.policy, agent.store)


def test_the_daemon_asks_no_more_after_a_change_of_the_mode(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    agent.policy, agent.machine.time = policy(COEXIST), NOW
    settle_daily_job(SimulatedDailyJob(), agent.store, policy(DELEGATE), NOW)

    with pytest.raises(StandsAsideError):
        require_turn(replace(agent.context, daily_job=SimulatedDailyJob()))

    assert stands_aside(agent.policy, agent.store)


def test_a_persons_check_records_and_switches_nothing(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    agent.policy, agent.machine.time = policy(REPLACE), NOW
    job = SimulatedDailyJob()

    settle_after_check(replace(agent.context, daily_job=job), agent.check(), scheduled=False)

    assert (job.by, recorded(agent.store).patcher) == (None, Patcher.UNATTENDED_UPGRADES.value)


@pytest.mark.parametrize(("held", "overdue"), [(False, True), (True, False)], ids=["pending", "held"])
def test_updates_that_their_job_leaves_pending_are_noticed(tmp_path: Path, *, held: bool, overdue: bool) -> None:
    agent = Agent(tmp_path)
    agent.machine.time = NOW
    agent.machine.put("a", 1)
    agent.machine.archive.append(Offer(package="a"))
    if held:
        agent.machine.on_hold.add("a")
    context = replace(agent.context, daily_job=SimulatedDailyJob(theirs=replace(ON, last_success=None)))
    settle_after_check(context, agent.check(), scheduled=True)
    soon = recorded(agent.store).overdue
    agent.machine.time = NOW + timedelta(days=3)
    settle_after_check(context, agent.check(), scheduled=True)

    assert (soon, bool(recorded(agent.store).overdue)) == (None, overdue)


@pytest.mark.parametrize(
    ("theirs", "blacklisted"),
    [(BLACKLIST, True), (ON, False), (MASKED, False), (Unseen(reason="?"), False)],
    ids=["on-it", "not-on-it", "off", "unknown"],
)
def test_an_explanation_knows_what_their_job_is_to_leave(
    tmp_path: Path, theirs: TheirJob | Unseen, *, blacklisted: bool
) -> None:
    agent = Agent(tmp_path)
    agent.machine.time = NOW
    agent.machine.put("nginx", 1)
    agent.machine.archive.append(Offer(package="nginx"))
    context = replace(agent.context, daily_job=SimulatedDailyJob(theirs=theirs))
    settle_after_check(context, agent.check(), scheduled=True)

    answer = explain(JobRequest(kind=JobKind.EXPLAIN, package="nginx", state_dir=str(tmp_path)), context)

    assert answer.document is not None
    assert answer.document["blacklisted"] is blacklisted
    assert ("Package-Blacklist" in explanation_lines(JsonReader(answer.document, "explain"))[0]) is blacklisted
