"""The order and the ways back of a change of Docker, on an engine of values; real ones are in tests/machines."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest

from agent.core.docker.snapshot import DockerSnapshot, Phase
from agent.core.docker.verify import FaultCode
from agent.core.engine_ports import OutageMeter
from agent.core.job_control import JobControl
from agent.core.model.docker import Container, ContainerTimes, DockerFacts, EngineUnit, RestartPolicy
from agent.core.model.engine_outcome import EngineResult
from agent.core.model.engine_state import EngineState
from agent.core.model.weave import NO_WEAVE, WeaveFacts
from agent.worker.steps.docker.change import Ended, EngineChange, Tools
from tests.core.docker.given_docker import ENGINE, NEW, OLD, UNIT, container, docker, snapshot

FILES = {"docker.io": f"docker.io={NEW}", "docker-cli": f"docker-cli={NEW}"}
SAVED = f"docker.io={OLD}"
DEAD = replace(UNIT, active_state="failed", main_pid=None)


@dataclass
class Outage:
    """An outage that was measured."""

    down_s: float = 1.0


@dataclass
class FakeEngine:
    """An engine whose restart runs what is installed, and starts the containers that have a policy."""

    facts: DockerFacts
    packages: dict[str, tuple[str, bool]] = field(default_factory=lambda: {"docker.io": (OLD, True)})
    broken: set[str] = field(default_factory=set)
    """Versions whose engine does not start."""
    refused: set[str] = field(default_factory=set)
    """Versions whose package stays half-configured."""
    problem: str | None = ""
    """Of the configuration."""
    done: list[str] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)

    def docker(self) -> DockerFacts:
        return self.facts

    def weave(self, docker: DockerFacts) -> WeaveFacts:
        del docker
        return NO_WEAVE

    def save(self, saved: DockerSnapshot) -> None:
        self.phases.append(saved.phase)

    def keep(self, versions: Mapping[str, str]) -> Mapping[str, str]:
        return {package: f"{package}={version}" for package, version in versions.items()}

    def install(self, files: Sequence[str], remove: Sequence[str]) -> str:
        self.done.append("install")
        for name in remove:
            self.packages.pop(name, None)
        for package, _, version in (name.partition("=") for name in files):
            self.packages[package] = (version, version not in self.refused)
        return "dpkg failed" if any(not complete for _, complete in self.packages.values()) else ""

    def states(self) -> Mapping[str, tuple[str, bool]]:
        return self.packages

    def restart(self, *, limit_s: float) -> EngineState:
        assert limit_s > 0
        self.done.append("restart")
        version = self.packages["docker.io"][0]
        if version in self.broken:
            self.facts = replace(self.facts, unit=DEAD, engine=None, containers=None)
            return _state("failed")
        before = self.facts.containers if isinstance(self.facts.containers, tuple) else CONTAINERS
        self.facts = docker(
            *(_restarted(one) for one in before),
            unit=replace(UNIT, main_pid=101),
            engine=replace(ENGINE, version=version.partition("-")[0]),
        )
        return _state("active")

    def stop(self, *, limit_s: float) -> EngineState:
        assert limit_s > 0
        self.done.append("stop")
        self.facts = docker(unit=replace(UNIT, active_state="inactive", main_pid=None), engine=None, containers=None)
        return _state("inactive")

    def restarts_during(self, *, seconds: float) -> int:
        assert seconds > 0
        return 0 if self.facts.engine is not None else 1

    def validate(self, unit: EngineUnit) -> str | None:
        assert unit == UNIT
        return self.problem

    def stop_containers(self, containers: Sequence[Container]) -> dict[str, str]:
        return self._set(containers, "exited", "stop")

    def start_containers(self, containers: Sequence[Container]) -> dict[str, str]:
        return self._set(containers, "running", "start")

    def pause_containers(self, containers: Sequence[Container]) -> dict[str, str]:
        return self._set(containers, "paused", "pause")

    def container_times(self, containers: Sequence[Container]) -> Mapping[str, ContainerTimes]:
        del containers
        return {}

    @contextmanager
    def measure(self) -> Iterator[OutageMeter]:
        yield Outage()

    def _set(self, containers: Sequence[Container], state: str, verb: str) -> dict[str, str]:
        names = [one.name for one in containers]
        self.done += [f"{verb} {name}" for name in names]
        known = self.facts.containers
        assert isinstance(known, tuple)
        changed = tuple(replace(one, state=state) if one.name in names else one for one in known)
        self.facts = replace(self.facts, containers=changed)
        return {}


def _state(active_state: str) -> EngineState:
    return EngineState(
        active_state=active_state,
        sub_state="",
        result="success",
        main_pid=None,
        restarts=0,
        invocation_id="",
        job="",
    )


def _restarted(one: Container) -> Container:
    return replace(one, state="exited" if one.policy is RestartPolicy.NO else "running")


CONTAINERS = (
    container("always"),
    container("no", policy=RestartPolicy.NO),
    container("off", state="exited"),
    container("slow", handles_stop=False),
)
RUNS_OLD = docker(*CONTAINERS, engine=replace(ENGINE, version="20.10.24+dfsg1"))


def carry_out(engine: FakeEngine, before: DockerSnapshot | None = None, *, resume: bool = False) -> Ended:
    """Change that engine."""
    saved = replace(snapshot().packages[0], file=SAVED)
    before = before or snapshot(*CONTAINERS, packages=(saved,))
    tools = Tools(
        observer=engine,
        operator=engine,
        archives=engine,
        save=engine.save,
        control=JobControl(progress=lambda _message: None),
    )
    change = EngineChange(tools, before, UNIT, FILES)
    return change.resume() if resume else change.carry_out()


def states(engine: FakeEngine) -> dict[str, str]:
    """Return the state of each container."""
    assert isinstance(engine.facts.containers, tuple)
    return {one.name: one.state for one in engine.facts.containers}


BEFORE = {one.name: one.state for one in CONTAINERS}


def test_packages_first_then_the_slow_containers_then_the_engine_then_the_rest() -> None:
    engine = FakeEngine(RUNS_OLD)

    ended = carry_out(engine)

    assert (ended.result, ended.faults) == (EngineResult.UPGRADED, ())
    assert engine.done == ["install", "stop slow", "restart", "start no", "stop off"]
    assert engine.phases == [Phase.PACKAGES, Phase.RESTARTING, Phase.RESTORING]
    assert states(engine) == BEFORE


def test_with_live_restore_nothing_is_stopped_ahead() -> None:
    engine = FakeEngine(RUNS_OLD)

    carry_out(engine, snapshot(*CONTAINERS, live_restore=True))

    assert "stop slow" not in engine.done


def test_an_engine_that_its_package_has_restarted_is_not_restarted_again() -> None:
    engine = FakeEngine(docker(*CONTAINERS))

    assert carry_out(engine).result is EngineResult.UPGRADED
    assert engine.done == ["install"]


def test_only_a_restart_where_only_the_running_engine_is_behind() -> None:
    engine = FakeEngine(RUNS_OLD, packages={"docker.io": (NEW, True)})

    ended = carry_out(engine, snapshot(*CONTAINERS, changes=()))

    assert ended.result is EngineResult.RESTARTED
    assert "install" not in engine.done
    assert states(engine) == BEFORE


def test_a_restart_alone_that_fails_has_no_way_back() -> None:
    engine = FakeEngine(RUNS_OLD, packages={"docker.io": (NEW, True)}, broken={NEW})

    ended = carry_out(engine, snapshot(*CONTAINERS, changes=()))

    assert (ended.result, ended.rollback) == (EngineResult.FAILED_NEEDS_ATTENTION, None)
    assert engine.phases[-1] is Phase.FAILED


@pytest.mark.parametrize(
    ("refused", "problem"), [({NEW}, ""), (set[str](), "no such option")], ids=["dpkg", "configuration"]
)
def test_what_fails_ahead_of_the_restart_is_rolled_back_without_one(refused: set[str], problem: str) -> None:
    engine = FakeEngine(RUNS_OLD, refused=refused, problem=problem)

    ended = carry_out(engine)

    assert ended.result is EngineResult.ROLLED_BACK
    assert engine.done == ["install", "install"]
    assert engine.packages == {"docker.io": (OLD, True)}


def test_an_engine_that_does_not_start_is_rolled_back_with_its_containers() -> None:
    engine = FakeEngine(RUNS_OLD, broken={NEW})

    ended = carry_out(engine)

    assert ended.result is EngineResult.ROLLED_BACK
    assert ended.rollback is not None
    assert ended.rollback.done
    assert engine.packages == {"docker.io": (OLD, True)}
    assert states(engine) == BEFORE


def test_where_the_older_engine_does_not_start_either_the_newer_one_is_installed_again_and_that_is_all() -> None:
    engine = FakeEngine(RUNS_OLD, broken={NEW, OLD})

    ended = carry_out(engine)

    assert ended.result is EngineResult.FAILED_NEEDS_ATTENTION
    assert ended.rollback is not None
    assert not ended.rollback.done
    assert engine.done.count("restart") == 3
    assert engine.packages["docker.io"] == (NEW, True)
    assert engine.phases[-1] is Phase.FAILED


def test_a_rollback_without_a_saved_archive_is_not_tried() -> None:
    engine = FakeEngine(RUNS_OLD, refused={NEW})

    ended = carry_out(engine, snapshot(*CONTAINERS, packages=()))

    assert ended.result is EngineResult.FAILED_NEEDS_ATTENTION
    assert engine.done == ["install"]


def test_an_engine_that_was_stopped_is_stopped_again_after_its_package_started_it() -> None:
    engine = FakeEngine(docker())

    ended = carry_out(engine, snapshot(unit_active=False, containers=None, engine_version=None))

    assert (ended.result, ended.faults) == (EngineResult.UPGRADED, ())
    assert engine.done == ["install", "stop"]


def test_a_lost_container_is_no_reason_to_roll_back() -> None:
    engine = FakeEngine(RUNS_OLD)
    before = snapshot(*CONTAINERS, container("lost"))

    ended = carry_out(engine, before)

    assert ended.result is EngineResult.UPGRADED
    assert [fault.code for fault in ended.faults] == [FaultCode.CONTAINERS_GONE]


def test_a_run_that_was_interrupted_after_its_packages_goes_on() -> None:
    engine = FakeEngine(RUNS_OLD, packages={"docker.io": (NEW, True), "docker-cli": (NEW, True)})

    assert carry_out(engine, resume=True).result is EngineResult.UPGRADED
    assert states(engine) == BEFORE


def test_a_run_that_was_interrupted_among_its_packages_goes_back() -> None:
    engine = FakeEngine(RUNS_OLD, packages={"docker.io": (NEW, False)})

    assert carry_out(engine, resume=True).result is EngineResult.ROLLED_BACK
    assert engine.packages == {"docker.io": (OLD, True)}
