"""A Weave of values that behaves as weave-behaviour.md has it: the network goes with a stop, Ready proves nothing."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from agent.core.job_control import JobControl
from agent.core.model.docker import DockerFacts
from agent.core.model.weave import RouterReport, WeaveFacts, WeaveScript
from agent.core.weave.ports import WeaveActs
from agent.core.weave.snapshot import AttachedContainer, SavedScript, WeaveNetwork, WeavePhase, WeaveSnapshot
from agent.errors import HostError
from agent.worker.steps.weave.tools import WeaveTools
from tests.core.docker.given_docker import docker
from tests.core.weave.given_weave import NEW, NEW_SCRIPT, OLD, OLD_SCRIPT, PEER, REPORT, weave

PASSWORD = "pw-0123456789"  # noqa: S105 - of no machine
SCRIPTS = {"old": OLD_SCRIPT, "new": NEW_SCRIPT}


class KilledError(Exception):
    """The job was killed."""


@dataclass
class FakeWeave:
    """Script, router, network and containers; `done` lists the acts in order."""

    containers: dict[str, AttachedContainer] = field(default_factory=dict)
    script: str = "old"
    """SHA-256 of the installed script; empty: none."""
    kept: str = "old"
    state: str = "running"
    version: str = OLD
    network_id: str = "n1"
    encrypted: bool = True
    targets: tuple[str, ...] = REPORT.targets
    names: tuple[str, ...] = ("192.168.77.2", "late")
    """Peers whose name resolves."""
    known_password: str = PASSWORD
    broken: set[str] = field(default_factory=set)
    """Versions whose router dies at once."""
    waits: set[str] = field(default_factory=set)
    """Versions whose router is never ready."""
    silent_stop: bool = False
    """Whether `stop` of the script does nothing and succeeds (W6)."""
    report_fields: dict[str, object] = field(default_factory=dict)
    """What the router of the new version shows otherwise."""
    done: list[str] = field(default_factory=list)
    variables: list[Mapping[str, str]] = field(default_factory=list)
    phases: list[WeavePhase] = field(default_factory=list)
    saved: WeaveSnapshot | None = None
    absent_images: dict[str, str] = field(default_factory=dict)
    """Images that the engine does not have, with the problem of a pull, empty: none."""
    source_problem: str = ""
    staged: str = ""
    """SHA-256 of the fetched script that is not installed."""
    kill_at: int = -1
    """Number of the act at which the job is killed, before it is done; negative: never."""
    late: dict[str, object] = field(default_factory=dict)
    """What the router of the new version shows only after 5 s, instead of `report_fields`."""
    network_at: float = 0.0
    """When a launched router has made its network, in seconds."""
    now: float = 0.0
    takes_s: dict[str, float] = field(default_factory=dict)
    """How long an act takes, by its first word; others take no time."""

    def act(self, what: str) -> None:
        if len(self.done) == self.kill_at:
            self.kill_at = -1
            raise KilledError(what)
        self.done.append(what)
        self.now += self.takes_s.get(what.partition(" ")[0], 0.0)

    # EngineObserver

    def present(self) -> bool:
        return True

    def docker(self) -> DockerFacts:
        return docker()

    def weave(self, docker: DockerFacts) -> WeaveFacts:
        del docker
        script: WeaveScript | None = SCRIPTS.get(self.script)
        report = self._report() if self.state == "running" else None
        return weave(script=script, container_state=self.state, image=f"user/weave:{self.version}", report=report)

    def _report(self) -> RouterReport:
        encrypted = self.known_password == PASSWORD if self.encrypted else True
        shown = replace(
            REPORT,
            version=self.version,
            ready=self.version not in self.waits,
            targets=self.targets,
            established=(PEER,) if self.targets and encrypted else (),
            failed=() if encrypted else ("Unable to decrypt TCP msg",),
        )
        return replace(shown, **self.report_fields) if self.version == NEW else shown  # type: ignore[arg-type]

    # RouterOperator

    def network(self, docker: DockerFacts, also: Collection[str] = ()) -> WeaveNetwork:
        del docker, also
        known = "" if "install" in self.done and self.now < self.network_at else self.network_id
        return WeaveNetwork(id=known, containers=tuple(self.containers.values()))

    def password(self) -> str:
        return self.known_password

    def missing_images(self, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in names if name in self.absent_images)

    def pull(self, name: str) -> str:
        self.act(f"pull {name}")
        return self.absent_images[name]

    def unresolved(self, peers: Sequence[str]) -> tuple[str, ...]:
        return tuple(peer for peer in peers if peer not in self.names)

    def unit_active(self, unit: str) -> bool:
        return bool(unit)

    def change_unit(self, verb: str, unit: str) -> str:
        self.act(f"{verb} {unit}")
        if verb == "restart":
            self._stop()
            return self._launch()
        return self._stop()

    def run_script(self, script: str, words: Sequence[str], environment: Mapping[str, str]) -> str:
        assert script == "/usr/local/bin/weave"
        self.act(" ".join(words))
        self.variables.append(environment)
        if words[0] == "launch":
            self.targets = tuple(word for word in words[1:] if word in {*self.targets, *self.names})
            self.known_password = environment.get("WEAVE_PASSWORD", "")
            return self._launch(environment["WEAVE_VERSION"])
        if words[0] == "connect":
            unknown = [word for word in words[1:] if word not in self.names]
            self.targets = (*self.targets, *(word for word in words[1:] if word in self.names))
            return f"lookup {unknown[0]}" if unknown else ""
        assert words[0] == "stop", words
        return "" if self.silent_stop else self._stop()

    def _launch(self, version: str | None = None) -> str:
        if self.state in {"running", "restarting", "created", "paused"}:
            return "there is a router"
        if not self.script:
            return "there is no script"
        self.version = version or SCRIPTS[self.script].version
        self.network_id = self.network_id or f"n-{len(self.done)}"
        self.state = "restarting" if self.version in self.broken else "running"
        return "The weave container has died." if self.version in self.broken else ""

    def _stop(self) -> str:
        self.state = "exited"
        if not any(one.running for one in self.containers.values()):
            self.network_id = ""
        return ""

    def log_end(self) -> str:
        return f"FATA: no such thing as {PASSWORD}"

    def stop_router(self) -> str:
        self.act("stop container")
        self.state = "exited"
        return ""

    def remove_router(self) -> str:
        self.act("remove container")
        self.state = ""
        return ""

    def remove_part(self, name: str) -> str:
        self.act(f"remove {name}")
        return ""

    def start(self, container: AttachedContainer) -> str:
        self.act(f"start {container.name}")
        if self.containers[container.name].network_id != self.network_id:
            return f"network {container.network_id} not found"
        self.containers[container.name] = replace(container, running=True, address="10.2.0.99")
        return ""

    def reconnect(self, container: AttachedContainer) -> str:
        self.act(f"reconnect {container.name}")
        self.containers[container.name] = replace(container, network_id=self.network_id)
        return ""

    # WeaveFiles

    def install(self, script: SavedScript, sha256: str) -> None:
        assert script.path
        self.act("install")
        self.script, self.staged = sha256, ""

    def restore(self, script: SavedScript) -> None:
        self.act("restore")
        self.script = script.sha256

    # WeaveTools

    def save(self, snapshot: WeaveSnapshot) -> None:
        self.phases.append(snapshot.phase)
        self.saved = snapshot

    def pause(self, seconds: float) -> None:
        self.now += seconds
        if self.late and self.now >= 5:
            self.report_fields = self.late


class FakeFiles:
    """The files of a fake Weave."""

    def __init__(self, fake: FakeWeave, password: str = PASSWORD) -> None:
        self.fake = fake
        self.install: Callable[[SavedScript, str], None] = fake.install
        self.restore: Callable[[SavedScript], None] = fake.restore
        self.kept_password = password

    def keep(self, script: SavedScript, password: str) -> SavedScript:
        self.kept_password = password
        return script

    def password(self) -> str:
        return self.kept_password

    def fetch(self, version: str, script: SavedScript) -> str:
        assert script.path
        if self.fake.source_problem:
            raise HostError(self.fake.source_problem)
        self.fake.staged = {NEW: "new"}[version]
        return self.fake.staged

    def forget(self, script: SavedScript) -> None:
        assert script.path
        self.fake.staged = ""
        self.kept_password = ""


def tools(fake: FakeWeave, password: str = PASSWORD) -> WeaveTools:
    """Return the tools of a change on a fake Weave."""
    return WeaveTools(
        observer=fake,
        acts=WeaveActs(router=fake, files=FakeFiles(fake, password)),
        save=fake.save,
        control=JobControl(progress=lambda _message: None),
        pause=fake.pause,
        clock=lambda: fake.now,
    )
