"""An engine of values: its restart runs what is installed, and starts the containers that have a policy."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from agent.core.docker.snapshot import DockerSnapshot, KeptArchive, Phase
from agent.core.engine_ports import OutageMeter
from agent.core.job_control import JobControl
from agent.core.model.docker import (
    Container,
    ContainerTimes,
    DaemonConfig,
    DockerFacts,
    EngineUnit,
    RestartPolicy,
    RunningEngine,
    WeaveAttachment,
)
from agent.core.model.engine_plan import PackageChange
from agent.core.model.engine_state import EngineState
from agent.core.model.weave import NO_WEAVE, WeaveFacts
from agent.errors import BusyError, HostError, NoSpaceError
from agent.worker.steps.docker.change import EngineChange
from agent.worker.steps.docker.tools import Tools
from tests.core.docker.given_docker import ENGINE, LIVE_RESTORE, NEW, OLD, OLD_ENGINE, UNIT, container, docker, snapshot
from tests.core.given import BOOT

DEAD = replace(UNIT, active_state="failed", main_pid=None)
CONTAINERS = (
    container("always"),
    container("no", policy=RestartPolicy.NO),
    container("off", state="exited"),
    container("slow", handles_stop=False),
)
BEFORE = {one.name: one.state for one in CONTAINERS}
RUNS_OLD = docker(*CONTAINERS, engine=OLD_ENGINE)
KEPT = (
    KeptArchive(package="docker-cli", file=f"docker-cli={NEW}"),
    KeptArchive(package="docker.io", file=f"docker.io={NEW}"),
)


PENDING = "24.0.7+dfsg1-1"
"""Installed by a security update, and not running yet."""
CE_PACKAGES = ("docker-ce", "docker-ce-cli")
IN_ARCHIVE = "/kept/new-1/usr/bin/dockerd"


class Killed(BaseException):
    """The job was killed at this point: nothing after it happens."""


@dataclass
class Outage:
    """An outage that was measured."""

    down_s: float = 1.0


@dataclass
class FakeEngine:
    """A machine with one engine."""

    facts: DockerFacts
    packages: dict[str, tuple[str, bool]] = field(default_factory=lambda: {"docker.io": (OLD, True)})
    broken: set[str] = field(default_factory=set)
    """Versions whose engine does not start."""
    refused: set[str] = field(default_factory=set)
    """Versions whose package stays half-configured."""
    unable: set[str] = field(default_factory=set)
    """Names of containers that do not start."""
    problem: str | None = ""
    """Of the configuration."""
    ahead: bool = False
    """Whether the new engine can be run from its archive."""
    restarts_itself: bool = False
    """Whether the packages are those of Docker CE, whose postinst restarts the engine."""
    dpkg_busy: int = 0
    """How many of the next installations find dpkg's lock taken."""
    lost_archives: set[str] = field(default_factory=set)
    """Packages whose archive of before cannot be had."""
    held: set[str] = field(default_factory=set)
    """Packages on hold; dpkg forgets it when it installs one."""
    forgets_holds: bool = False
    reload_problem: str = ""
    """Why a reload does not switch live-restore on."""
    config_swapped: bool = False
    """Whether daemon.json has live-restore on, which is not the owner's."""
    boot_id: str = BOOT
    stop_reason: str = ""
    stopping: bool = False
    """Whether the machine is being shut down: no engine starts."""
    disk_full: bool = False
    no_room: bool = False
    """Whether dpkg cannot unpack anything."""
    dies_at: int | None = None
    """Which act, counted from 0, the job does not survive."""
    weaves: list[WeaveFacts] = field(default_factory=lambda: [NO_WEAVE])
    """What each look at Weave sees; the last one for ever."""
    unable_to_attach: set[str] = field(default_factory=set)
    keeps_addresses: bool = False
    """Whether a restart leaves what `weave attach` gave: live-restore."""
    waited: int = 0
    """How often it was looked at Weave."""
    forgotten: bool = False
    """Whether the kept archives were removed."""
    validated: list[str] = field(default_factory=list)
    """The programs that checked the configuration."""
    done: list[str] = field(default_factory=list)
    saved: list[DockerSnapshot] = field(default_factory=list)

    @property
    def phases(self) -> list[Phase]:
        """The phases that were recorded."""
        return [one.phase for one in self.saved]

    @property
    def main(self) -> str:
        """The engine's package."""
        return "docker-ce" if self.restarts_itself else "docker.io"

    @property
    def states(self) -> dict[str, str]:
        """The state of each container by name."""
        assert isinstance(self.facts.containers, tuple)
        return {one.name: one.state for one in self.facts.containers}

    @property
    def running(self) -> str:
        """The version that runs; empty if none does."""
        return self.facts.engine.version if isinstance(self.facts.engine, RunningEngine) else ""

    def act(self, name: str) -> None:
        """Note an act."""
        self.done.append(name)
        if self.dies_at == len(self.done) - 1:
            raise Killed

    def reboot(self) -> None:
        """Reboot the machine: the engine starts in the version that is installed."""
        self.boot_id, self.stopping = "another", False
        self._start(rebooted=True)

    def present(self) -> bool:
        return True

    def docker(self) -> DockerFacts:
        return self.facts

    def weave(self, docker: DockerFacts) -> WeaveFacts:
        del docker
        self.waited += 1
        return self.weaves.pop(0) if len(self.weaves) > 1 else self.weaves[0]

    def run_weave(self, script: str, words: Sequence[str], environment: Mapping[str, str]) -> str:
        images_of = {"DOCKERHUB_USER": "rajchaudhuri", "WEAVE_VERSION": "2.9.0"}
        assert script == "/usr/local/bin/weave"
        assert dict(environment) == {"WEAVE_HTTP_ADDR": "127.0.0.1:7784", **images_of}
        if words[-1] in self.unable_to_attach:
            return "no address is free"
        known = self.facts.containers
        assert isinstance(known, tuple)
        attached = [
            replace(one, weave=WeaveAttachment.ATTACHED, weave_address=words[1]) if one.name == words[-1] else one
            for one in known
        ]
        self.facts = replace(self.facts, containers=tuple(attached))
        self.act(" ".join(words))
        return ""

    def save(self, saved: DockerSnapshot) -> None:
        if self.disk_full:
            raise HostError("no space left on device")
        self.saved.append(saved)

    def keep(self, versions: Mapping[str, str]) -> Mapping[str, str]:
        if lost := self.lost_archives & versions.keys():
            raise HostError(f"{lost}: no source offers it")
        return {package: f"{package}={version}" for package, version in versions.items()}

    def hold(self, packages: Sequence[str]) -> Sequence[str]:
        self.held |= set() if self.forgets_holds else set(packages)
        return [name for name in packages if name not in self.held]

    def install(self, files: Sequence[str], remove: Sequence[str]) -> str:
        self._unpack(files, remove)
        self.act("install")
        if self.no_room:
            return "dpkg failed"
        self._configure()
        return self._dpkg_error()

    def unpack(self, files: Sequence[str], remove: Sequence[str]) -> str:
        self._unpack(files, remove)
        self.act("unpack")
        return ""

    def configure(self) -> str:
        self._raise_if_busy()
        self.act("configure")
        self._configure()
        return self._dpkg_error()

    def finish(self) -> None:
        self._configure()
        self.act("finish")

    def states_of_packages(self) -> Mapping[str, tuple[str, bool]]:
        return dict(self.packages)

    def settle(self, *, limit_s: float) -> EngineState:
        assert limit_s > 0
        return _state("active" if self.running else "failed")

    def restart(self, *, limit_s: float) -> EngineState:
        assert limit_s > 0
        self.facts = replace(self.facts, unit=DEAD, engine=None, containers=self.facts.containers)
        self.act("restart")
        self._start()
        return _state("active" if self.running else "failed")

    def stop(self, *, limit_s: float, with_socket: bool) -> EngineState:
        assert limit_s > 0
        self.act("stop with socket" if with_socket else "stop")
        self.facts = docker(unit=replace(UNIT, active_state="inactive", main_pid=None), engine=None, containers=None)
        return _state("inactive")

    def shutting_down(self) -> bool:
        return self.stopping

    def restarts_during(self, *, seconds: float) -> int:
        assert seconds > 0
        return 0 if self.running else 1

    def validate(self, unit: EngineUnit) -> str | None:
        assert unit.arguments[1:] == UNIT.arguments[1:]
        self.validated.append(unit.arguments[0])
        return self.problem

    def live_restore_on(self, unit: EngineUnit) -> str:
        assert unit.arguments == UNIT.arguments
        self.config_swapped = True
        self.act("live-restore on")
        if not self.reload_problem:
            self._set_live_restore(on=True)
        return self.reload_problem

    def live_restore_as_before(self, unit: EngineUnit) -> str:
        assert unit.arguments == UNIT.arguments
        self.config_swapped = False
        self._set_live_restore(on=False)
        self.act("live-restore as before")
        return ""

    def stop_containers(self, containers: Sequence[Container]) -> dict[str, str]:
        return self._set(containers, "exited", "stop")

    def start_containers(self, containers: Sequence[Container]) -> dict[str, str]:
        able = [one for one in containers if one.name not in self.unable]
        return self._set(able, "running", "start") | {
            one.name: "no such mount" for one in containers if one.name in self.unable
        }

    def pause_containers(self, containers: Sequence[Container]) -> dict[str, str]:
        return self._set(containers, "paused", "pause")

    def container_times(self, containers: Sequence[Container]) -> Mapping[str, ContainerTimes]:
        del containers
        return {}

    @contextmanager
    def measure(self) -> Iterator[OutageMeter]:
        yield Outage()

    def _set_live_restore(self, *, on: bool) -> None:
        if isinstance(self.facts.engine, RunningEngine):
            engine = replace(self.facts.engine, live_restore=on)
            self.facts = replace(self.facts, engine=engine, config=self._config())

    def _config(self) -> DaemonConfig:
        return LIVE_RESTORE if self.config_swapped else DaemonConfig(present=False)

    def _raise_if_busy(self) -> None:
        if self.dpkg_busy:
            self.dpkg_busy -= 1
            raise BusyError("dpkg is locked")

    def _unpack(self, files: Sequence[str], remove: Sequence[str]) -> None:
        self._raise_if_busy()
        for name in remove:
            self.packages.pop(name, None)
        for package, _, version in (name.partition("=") for name in files):
            self.packages[package] = (version, False)
            self.held.discard(package)

    def _dpkg_error(self) -> str:
        return "dpkg failed" if any(not complete for _, complete in self.packages.values()) else ""

    def _configure(self) -> None:
        left = {name for name, (_, complete) in self.packages.items() if not complete}
        self.packages = {name: (version, version not in self.refused) for name, (version, _) in self.packages.items()}
        if self.restarts_itself and any(self.packages[name][1] for name in left & {self.main}):
            self._start()

    def _start(self, *, rebooted: bool = False) -> None:
        version = self.packages[self.main][0]
        known = self.facts.containers if isinstance(self.facts.containers, tuple) else CONTAINERS
        if version in self.broken or self.stopping:
            exited = tuple(replace(one, state="exited") for one in known)
            self.facts = replace(self.facts, unit=DEAD, engine=None, containers=exited)
            return
        self.facts = docker(
            *(self._restarted(one, keeps=self.config_swapped and not rebooted) for one in known),
            unit=replace(UNIT, main_pid=101),
            engine=replace(ENGINE, version=version.partition("-")[0], live_restore=self.config_swapped),
            config=self._config(),
        )

    def _restarted(self, one: Container, *, keeps: bool) -> Container:
        if keeps and one.state == "running":
            return one
        ends = one.policy is RestartPolicy.NO or one.name in self.unable
        now = replace(one, state="exited" if ends else "running")
        loses = one.weave is WeaveAttachment.ATTACHED and not self.keeps_addresses
        return replace(now, weave=WeaveAttachment.NONE, weave_address="") if loses else now

    def _set(self, containers: Sequence[Container], state: str, verb: str) -> dict[str, str]:
        names = [one.name for one in containers]
        known = self.facts.containers
        assert isinstance(known, tuple)
        changed = tuple(replace(one, state=state) if one.name in names else one for one in known)
        self.facts = replace(self.facts, containers=changed)
        for name in names:
            self.act(f"{verb} {name}")
        return {}


@dataclass(frozen=True)
class Archives:
    """The packages of that machine: their port has a method with the name of a property."""

    engine: FakeEngine

    def keep(self, versions: Mapping[str, str]) -> Mapping[str, str]:
        return self.engine.keep(versions)

    def install(self, files: Sequence[str], remove: Sequence[str]) -> str:
        return self.engine.install(files, remove)

    def unpack(self, files: Sequence[str], remove: Sequence[str]) -> str:
        return self.engine.unpack(files, remove)

    def configure(self) -> str:
        return self.engine.configure()

    @contextmanager
    def program(self, file: str, name: str) -> Iterator[str]:
        assert (file.partition("=")[0], name) == (self.engine.main, "dockerd")
        yield IN_ARCHIVE if self.engine.ahead else ""

    def require_room(self) -> None:
        if self.engine.no_room:
            raise NoSpaceError("not enough space for /usr", ())

    def forget(self) -> None:
        self.engine.forgotten = True

    def hold(self, packages: Sequence[str]) -> Sequence[str]:
        return self.engine.hold(packages)

    def finish(self) -> None:
        self.engine.finish()

    def states(self) -> Mapping[str, tuple[str, bool]]:
        return self.engine.states_of_packages()


def docker_ce(**fields: Any) -> FakeEngine:
    """Return a machine with Docker CE's packages; the new engine can be run from its archive."""
    packages = dict.fromkeys(CE_PACKAGES, (OLD, True))
    return FakeEngine(RUNS_OLD, **{"packages": packages, "restarts_itself": True, "ahead": True, **fields})


def docker_ce_snapshot(**fields: Any) -> DockerSnapshot:
    """Return the snapshot of that machine."""
    saved = replace(snapshot().packages[0], package="docker-ce", file=f"docker-ce={OLD}")
    return given_snapshot(
        packages=(saved,),
        changes=tuple(PackageChange(package=name, before=OLD, after=NEW) for name in CE_PACKAGES),
        archives=tuple(KeptArchive(package=name, file=f"{name}={NEW}") for name in CE_PACKAGES),
        **fields,
    )


def given_snapshot(**fields: Any) -> DockerSnapshot:
    """Return the snapshot of that machine, with the archives of before and after."""
    saved = replace(snapshot().packages[0], file=f"docker.io={OLD}")
    return replace(snapshot(*CONTAINERS, packages=(saved,), archives=KEPT), **fields)


def pending_snapshot(**fields: Any) -> DockerSnapshot:
    """Return the snapshot of that machine where a newer version than the running one was installed already."""
    saved = replace(snapshot().packages[0], version=PENDING, file=f"docker.io={PENDING}")
    changes = tuple(replace(one, before=one.before and PENDING) for one in snapshot().changes)
    return given_snapshot(packages=(saved,), changes=changes, **fields)


def change_of(engine: FakeEngine, before: DockerSnapshot | None = None, unit: EngineUnit = UNIT) -> EngineChange:
    """Return a change of that machine."""
    tools = Tools(
        observer=engine,
        operator=engine,
        archives=Archives(engine),
        save=engine.save,
        control=JobControl(progress=lambda _message: None, stop=lambda: engine.stop_reason),
        run_weave=engine.run_weave,
        boot_id=engine.boot_id,
    )
    return EngineChange(tools, before or given_snapshot(), unit)


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
