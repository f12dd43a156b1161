"""The daemon starts exporters in their slots, at once if something is new, and never two of one."""

import _thread
import errno
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from threading import Event

import pytest

from agent.core.exporters import ExporterName
from agent.core.policy.policy import Policy
from agent.core.schedule.exports import ExportState
from agent.daemon.export_supervisor import ExportSupervisor
from agent.daemon.in_daemon import Attempt, AttemptResult, InDaemonAttempts, IsAbandoned, run_at_once, run_beside
from agent.errors import ExitCode
from agent.host.process.spawn import AgentProcess
from agent.report.export_state import export_state_to_document
from agent.report.status.exporters import ExporterView, exporter_reasons
from agent.state.exporter_status import read_exporter_status, status_entry, write_exporter_status
from agent.state.job_status import record_job_end, record_job_start
from agent.state.json_reader import JsonReader
from agent.state.store import Store
from tests.core.given import policy

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)
LONG_AGO = NOON - timedelta(days=1)
THREE = (ExporterName.ENDPOINT, ExporterName.PROMETHEUS, ExporterName.OTLP)


class FakeChild(AgentProcess):
    """A process that ends when it is killed, or when a test sets its code."""

    def __init__(self, verb: str) -> None:
        self.verb = verb
        self.pid = -1
        self.code: int | None = None
        self.age = 0.0

    def exit_code(self) -> int | None:
        return self.code

    def age_s(self) -> float:
        return self.age

    def kill(self) -> None:
        self.code = -9


@dataclass
class World:
    """A daemon's supervisor and what it has started."""

    directory: Path
    started: list[FakeChild] = field(default_factory=list)
    arguments: Sequence[str] = ()
    url: str = "https://endpoint.example.org"
    textfile: str = ""
    otlp: str = ""

    def __post_init__(self) -> None:
        self.store = Store(str(self.directory / "state"))
        (self.directory / "run").mkdir()
        self.supervisor = ExportSupervisor(
            Path("/etc/c.toml"), self.store, str(self.directory / "run"), self.start, in_daemon=lambda *_: None
        )

    def start(self, arguments: Sequence[str]) -> AgentProcess:
        self.arguments = arguments
        self.started.append(FakeChild(next(word for word in arguments if word.startswith("export-"))))
        return self.started[-1]

    def tick(self, now: datetime, up_since: datetime = LONG_AGO) -> int:
        """Run one tick; return how many processes were started so far."""
        wanted = replace(
            policy(),
            endpoint=replace(policy().endpoint, url=self.url),
            metrics=replace(policy().metrics, textfile=self.textfile),
            otlp=replace(policy().otlp, url=self.otlp),
        )
        self.supervisor.tick(wanted, "machine", now, up_since)
        return len(self.started)

    def leaves_status(self, state: ExportState, exporter: ExporterName = ExporterName.ENDPOINT) -> None:
        """Let one exporter's processes end, and write its status file."""
        for one in self.started:
            one.code = 0 if one.verb == f"export-{exporter.value}" and one.code is None else one.code
        write_exporter_status(
            str(self.directory / "run"), exporter, {"export_state": export_state_to_document(state), "exporters": {}}
        )

    def count(self, exporter: ExporterName) -> int:
        """Return how many processes were started so far for one exporter."""
        return sum(one.verb == f"export-{exporter.value}" for one in self.started)

    def has_status(self, exporter: ExporterName) -> bool:
        """Return whether an exporter has a status file."""
        return read_exporter_status(str(self.directory / "run"), exporter) is not None


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_nothing_is_started_without_an_exporter(world: World) -> None:
    world.url = ""

    assert [world.tick(NOON + MINUTE * minute) for minute in range(60)] == [0] * 60


def test_exporter_is_started_every_five_minutes(world: World) -> None:
    for half in range(120):
        now = NOON + half * MINUTE / 2
        before = len(world.started)
        if world.tick(now) > before:
            world.leaves_status(ExportState(last=now))

    assert len(world.started) == 13  # the first at once, after a day without one
    assert list(world.arguments[:2]) == ["--config", "/etc/c.toml"]
    assert "export-endpoint" in world.arguments


def test_it_says_when_an_exporter_is_due_next(world: World) -> None:
    now, steps = NOON, list[datetime]()
    for _ in range(12):
        if world.tick(now) > len(steps):
            world.leaves_status(ExportState(last=now))
            steps.append(now)
            world.tick(now)
        assert world.supervisor.due_at is not None
        assert now < world.supervisor.due_at <= now + 5 * MINUTE
        now = world.supervisor.due_at
    world.url = ""
    world.tick(now)

    assert len(steps) == 12  # each look found one due
    assert world.supervisor.due_at is None


def test_after_boot_it_waits_for_its_slot(world: World) -> None:
    found = [world.tick(NOON + second * timedelta(seconds=30), up_since=NOON) for second in range(11)]

    assert found[0] == 0
    assert found[-1] == 1


def test_finished_job_starts_it_at_once(world: World) -> None:
    now = NOON
    while not world.tick(now):
        now += MINUTE / 2
    world.leaves_status(ExportState(last=now))
    assert world.tick(now + MINUTE / 2) == 1
    record_job_start(world.store, "check", now, "schedule")
    record_job_end(world.store, "check", now, 0)

    assert world.tick(now + MINUTE) == 2


def test_after_a_failure_it_waits_for_the_backoff(world: World) -> None:
    now = NOON
    while not world.tick(now):
        now += MINUTE / 2
    world.leaves_status(ExportState(last=now, failures=7, not_before=now + 14 * MINUTE))

    assert world.tick(now + 13 * MINUTE) == 1
    assert world.tick(now + 14 * MINUTE) == 2


def test_one_process_at_a_time_and_a_hanging_one_is_killed(world: World) -> None:
    now = NOON
    while not world.tick(now):
        now += MINUTE / 2

    assert world.tick(now + 10 * MINUTE) == 1
    world.started[0].age = 121.0
    assert world.tick(now + 10 * MINUTE) == 1
    assert world.started[0].code == -9
    assert world.tick(now + 11 * MINUTE) == 2


def test_process_without_a_status_file_is_not_restarted_before_the_next_slot(world: World) -> None:
    for half in range(40):
        before = len(world.started)
        if world.tick(NOON + half * MINUTE / 2) > before:
            world.started[-1].code = 1

    assert len(world.started) == 5  # the first at once, then four slots


def exporter_reasons_at(world: World, now: datetime) -> list[str]:
    """Return what `status` says of the endpoint's exporter."""
    found = read_exporter_status(str(world.directory / "run"), ExporterName.ENDPOINT)
    entry = status_entry(found, ExporterName.ENDPOINT)
    return exporter_reasons({ExporterName.ENDPOINT: ExporterView(JsonReader(entry, "entry"))}, now) if entry else []


@pytest.mark.parametrize("first", [0, 1, -9])
@pytest.mark.parametrize(("code", "how"), [(1, "with exit code 1"), (-9, "by signal 9")])
def test_process_that_ends_without_a_status_is_recorded_as_failing(
    code: int, how: str, first: int, world: World
) -> None:
    world.tick(NOON)
    if first == 0:
        world.leaves_status(ExportState(last=NOON))
    world.started[-1].code = first
    for minute in range(5, 100, 5):
        world.tick(NOON + minute * MINUTE)
        world.started[-1].code = world.started[-1].code or code

    (reason,) = exporter_reasons_at(world, NOON + 100 * MINUTE)
    assert reason.endswith(f"UTC: its process ended {how} before it had a result")
    assert len(world.started) == 20  # in every slot
    world.leaves_status(ExportState(last=NOON + 100 * MINUTE))
    assert exporter_reasons_at(world, NOON + 100 * MINUTE) == []


@pytest.mark.parametrize("code", [0, 1, 5])
def test_result_that_a_process_has_recorded_stays(code: int, world: World) -> None:
    world.tick(NOON)
    world.leaves_status(ExportState(last=NOON, failures=3))
    world.started[-1].code = code
    world.tick(NOON + MINUTE / 2)

    assert exporter_reasons_at(world, NOON + timedelta(days=9)) == []


def test_busy_exporter_has_not_failed(world: World) -> None:
    world.tick(NOON)
    world.started[-1].code = ExitCode.BUSY
    world.tick(NOON + MINUTE)

    assert not world.has_status(ExporterName.ENDPOINT)


def test_process_that_cannot_be_started_is_recorded_as_failing(world: World) -> None:
    def refuse(_arguments: Sequence[str]) -> AgentProcess:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    world.supervisor = ExportSupervisor(
        None, world.store, str(world.directory / "run"), refuse, in_daemon=lambda *_: None
    )
    world.tick(NOON)

    (reason,) = exporter_reasons_at(world, NOON + 90 * MINUTE)
    assert reason.endswith("could not be started: [Errno 12] Cannot allocate memory")


@pytest.fixture
def three(world: World) -> World:
    """Return a world where all three are on."""
    world.textfile, world.otlp = "/srv/maestro.prom", "https://collector.example.org"
    return world


def test_each_exporter_has_its_own_process_and_slots(three: World) -> None:
    moments: dict[ExporterName, list[int]] = {exporter: [] for exporter in THREE}
    for half in range(1, 121):
        before = {exporter: three.count(exporter) for exporter in THREE}
        three.tick(NOON + half * MINUTE / 2, up_since=NOON)
        for exporter in THREE:
            if three.count(exporter) > before[exporter]:
                moments[exporter].append(half)
                three.leaves_status(ExportState(last=NOON + half * MINUTE / 2), exporter)

    assert {len(found) for found in moments.values()} <= {12, 13}
    assert moments[ExporterName.PROMETHEUS][0] == 1  # the file of an earlier boot still exists, and is wrong
    assert not set(moments[ExporterName.ENDPOINT]) & set(moments[ExporterName.OTLP])
    assert set(moments[ExporterName.ENDPOINT]) <= set(moments[ExporterName.PROMETHEUS])  # one wake-up for both


def test_hanging_and_failing_exporters_do_not_delay_others(three: World) -> None:
    now = NOON
    three.tick(now)
    three.leaves_status(ExportState(last=now, failures=5, not_before=now + 14 * MINUTE), ExporterName.OTLP)
    three.leaves_status(ExportState(last=now), ExporterName.PROMETHEUS)
    record_job_start(three.store, "check", now, "schedule")
    record_job_end(three.store, "check", now, 0)

    three.tick(now + MINUTE)

    assert [three.count(name) for name in THREE] == [1, 2, 1]
    assert [one.code for one in three.started if one.verb == "export-endpoint"] == [None]


def test_disabled_exporter_is_killed_and_its_status_file_removed(three: World) -> None:
    three.tick(NOON)
    for exporter in THREE:
        three.leaves_status(ExportState(last=NOON), exporter)
    three.tick(NOON + 5 * MINUTE)
    three.otlp = ""

    three.tick(NOON + 6 * MINUTE)

    ended = {one.verb: one.code for one in three.started}
    assert ended == {"export-endpoint": None, "export-prometheus": None, "export-otlp": -9}
    assert [three.has_status(exporter) for exporter in THREE] == [True, True, False]


def test_prometheus_alone_starts_no_other_exporter(three: World) -> None:
    three.url = three.otlp = ""

    three.tick(NOON)

    assert [one.verb for one in three.started] == ["export-prometheus"]


def test_new_configuration_ignores_earlier_failures(three: World) -> None:
    now = NOON
    three.tick(now)
    for exporter in THREE:
        three.leaves_status(ExportState(last=now, failures=9, not_before=now + 60 * MINUTE), exporter)
    assert three.tick(now + 6 * MINUTE) == 3
    three.url, three.textfile, three.otlp = "https://other.example.org", "/srv/b.prom", "https://b.example.org"

    three.tick(now + 6.5 * MINUTE)
    at_once = three.count(ExporterName.PROMETHEUS)
    three.tick(now + 11 * MINUTE)

    assert at_once == 2
    assert [three.count(ExporterName.ENDPOINT), three.count(ExporterName.OTLP)] == [2, 2]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": "maestro.exporter/1", "export_state": 7}', "\x00" * 99])
def test_unreadable_status_file_is_ignored(text: str, world: World) -> None:
    (world.directory / "run/exporter-endpoint.json").write_text(text)

    assert world.tick(NOON) == 1


def test_export_state_survives_its_document() -> None:
    state = ExportState(last=NOON, failures=3, not_before=NOON + MINUTE)

    assert json.loads(json.dumps(export_state_to_document(state))) == export_state_to_document(state)


@pytest.mark.parametrize("hours", [0.5, 9, 24 * 365])
def test_clock_set_back_stops_no_exporter(world: World, hours: float) -> None:
    now = NOON
    while not world.tick(now):
        now += MINUTE / 2
    world.leaves_status(ExportState(last=now))
    now -= hours * 60 * MINUTE

    found = [world.tick(now + half * MINUTE / 2, up_since=now - MINUTE) for half in range(12)]

    assert (found[0], found[-1]) == (1, 2)  # at its slot: a whole fleet's clocks may have been set


@dataclass
class FakeInDaemon:
    """What the daemon can do itself, as a test sets it."""

    process_arguments: Sequence[str] = ("--own",)
    answer: AttemptResult | None = AttemptResult.DONE
    hangs: bool = False
    runs: Event = field(default_factory=Event)
    ends: Event = field(default_factory=Event)
    applied: list[bool] = field(default_factory=list)
    abandoned: list[bool] = field(default_factory=list)

    def applies(self, _policy: Policy, *, unchanged: bool) -> bool:
        self.applied.append(unchanged)
        return unchanged

    def run(self, _policy: Policy, is_abandoned: IsAbandoned) -> AttemptResult:
        self.runs.set()
        if self.hangs:
            self.ends.wait(60)
        self.abandoned.append(is_abandoned())
        if self.answer is None:
            raise ValueError
        return self.answer


def until_over(attempts: Sequence[Attempt]) -> None:
    deadline = time.monotonic() + 60
    while not all(one.over for one in attempts):
        assert time.monotonic() < deadline
        time.sleep(0.002)


@dataclass
class InDaemonWorld(World):
    """A world where the daemon can do an exporter's work itself."""

    own: FakeInDaemon = field(default_factory=FakeInDaemon)
    woken: Event = field(default_factory=Event)
    attempts: list[Attempt] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.supervisor = ExportSupervisor(
            None, self.store, str(self.directory / "run"), self.start,
            in_daemon=lambda name, *_: self.own if name is ExporterName.ENDPOINT else None, wake=self.woken.set,
            begin=self.begin,
        )  # fmt: skip
        record_job_start(self.store, "check", LONG_AGO, "schedule")

    def begin(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)
        run_at_once(attempt)

    def has_sent(self) -> datetime:
        """Let the first process send everything; return the time after it."""
        self.tick(NOON)
        self.leaves_status(ExportState(last=NOON))
        return NOON + 6 * MINUTE

    def settles(self, now: datetime) -> int:
        """Wait until the attempt has ended, and run one more tick."""
        until_over(self.attempts)
        return self.tick(now)


@pytest.fixture
def own(tmp_path: Path) -> InDaemonWorld:
    return InDaemonWorld(tmp_path)


def test_what_needs_no_process_is_done_without_one(own: InDaemonWorld) -> None:
    now = own.has_sent()

    found = [own.tick(now), own.settles(now), own.settles(now + 5 * MINUTE)]
    until_over(own.attempts)

    assert found == [1, 1, 1]
    assert own.own.applied == [False, True, True]
    assert own.own.abandoned == [False, False]
    assert own.arguments[-1] == "--own"
    assert not own.woken.is_set()


@pytest.mark.parametrize("answer", [AttemptResult.PROCESS_NEEDED, None])
def test_attempt_that_fails_brings_the_process_at_once(own: InDaemonWorld, answer: AttemptResult | None) -> None:
    own.own.answer = answer
    now = own.has_sent()
    own.tick(now)

    assert own.woken.wait(60)
    assert own.settles(now) == 2


def test_failed_attempt_is_repeated_when_its_status_file_says(own: InDaemonWorld) -> None:
    own.own.answer = AttemptResult.FAILED
    now = own.has_sent()
    own.tick(now)
    own.leaves_status(ExportState(last=now, failures=1, not_before=now + MINUTE))

    assert own.woken.wait(60)
    assert [own.settles(now), own.settles(now + MINUTE)] == [1, 1]
    until_over(own.attempts)
    assert len(own.own.abandoned) == 2


def test_recorded_change_goes_to_a_process(own: InDaemonWorld) -> None:
    now = own.has_sent()
    record_job_end(own.store, "check", now, 0)

    assert own.tick(now) == 2
    assert own.own.abandoned == []


@pytest.mark.parametrize("code", [-9, 1])
def test_process_that_failed_has_processed_nothing(code: int, own: InDaemonWorld) -> None:
    now = own.has_sent()
    record_job_end(own.store, "check", now, 0)
    own.tick(now)
    own.started[-1].code = code  # before it queued the job's event

    assert own.tick(now + 6 * MINUTE) == 3
    assert own.own.abandoned == []


def test_process_that_could_not_send_has_processed_what_was_new(own: InDaemonWorld) -> None:
    own.tick(NOON)
    own.leaves_status(ExportState(last=NOON, failures=1))
    own.started[-1].code = 1

    assert own.tick(NOON + 6 * MINUTE) == 1
    assert own.own.applied == [False, True]


def test_hanging_attempt_is_abandoned_and_no_other_is_started(
    own: InDaemonWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.own.hangs = True
    now = own.has_sent()
    assert [own.tick(now), own.tick(now), own.supervisor.idle] == [1, 1, False]
    clock = time.monotonic
    assert own.own.runs.wait(60)
    monkeypatch.setattr(time, "monotonic", lambda: clock() + 3600)

    taken_over = own.tick(now)
    own.leaves_status(ExportState(last=now))
    later = own.tick(now + 6 * MINUTE)
    own.own.ends.set()

    assert (taken_over, later) == (2, 3)
    assert own.settles(now + 6 * MINUTE) == 3
    assert own.own.abandoned == [True]


def test_disabled_exporter_abandons_its_attempt(own: InDaemonWorld) -> None:
    own.own.hangs = True
    now = own.has_sent()
    own.tick(now)
    assert own.own.runs.wait(60)
    own.url = ""
    own.tick(now)
    own.own.ends.set()

    assert own.settles(now) == 1
    assert own.own.abandoned == [True]


def test_attempts_of_one_tick_run_one_after_the_other() -> None:
    first, second, begun = FakeInDaemon(hangs=True), FakeInDaemon(), list[Attempt]()
    for one in (first, second):
        InDaemonAttempts(one, lambda: None, begun.append).start(policy(), 60, unchanged=True)

    run_beside(begun)
    meanwhile = [one.over for one in begun]
    first.ends.set()
    until_over(begun)

    assert meanwhile == [False, False]
    assert [one.abandoned for one in (first, second)] == [[False], [False]]
    assert [one.result for one in begun] == [AttemptResult.DONE, AttemptResult.DONE]


def test_attempt_behind_one_that_hangs_is_given_up_and_its_exporter_has_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second, begun = FakeInDaemon(hangs=True), FakeInDaemon(), list[Attempt]()
    both = [InDaemonAttempts(one, lambda: None, begun.append) for one in (first, second)]
    for one in both:
        one.start(policy(), 60, unchanged=True)
    run_beside(begun)
    assert first.runs.wait(60)
    clock = time.monotonic
    found = []
    for later_s in (61, 121):
        with monkeypatch.context() as later:
            later.setattr(time, "monotonic", lambda later_s=later_s: clock() + later_s)
            found.append([(one.overdue, one.take_result()) for one in both])
    again = [one.start(policy(), 60, unchanged=True) for one in both]
    run_beside(begun[2:])
    until_over(begun[2:])
    sent_meanwhile = len(second.abandoned)
    first.ends.set()
    until_over(begun)

    given_up = (True, AttemptResult.PROCESS_NEEDED)
    assert found == [[given_up, (False, None)], [(False, None), given_up]]
    assert again == [False, True], "what hangs has no second thread"
    assert (sent_meanwhile, second.abandoned, first.abandoned) == (1, [False], [True]), "what was given up never runs"
    assert both[0].start(policy(), 60, unchanged=True)


def test_limit_of_an_attempt_counts_from_its_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    own, begun = FakeInDaemon(), list[Attempt]()
    attempts = InDaemonAttempts(own, lambda: None, begun.append)
    attempts.start(policy(), 60, unchanged=True)
    overdue = []

    def run(_policy: Policy, _is_abandoned: IsAbandoned) -> AttemptResult:
        nonlocal now_s
        for passed_s in (59, 60):
            now_s = 1100.0 + passed_s
            overdue.append(attempts.overdue)
        return AttemptResult.DONE

    monkeypatch.setattr(own, "run", run)
    now_s = 1100.0  # behind a slow one
    begun[0].run()

    assert overdue == [False, True]
    assert attempts.take_result() is AttemptResult.DONE


def test_without_a_thread_the_process_does_it(own: InDaemonWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    now = own.has_sent()

    def refuse(*_: object) -> int:
        raise RuntimeError

    with monkeypatch.context() as without:
        without.setattr(_thread, "start_new_thread", refuse)
        own.tick(now)

    assert own.woken.is_set()
    assert own.settles(now) == 2
