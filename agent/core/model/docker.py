"""Facts about Docker, as frozen values. A fact that could not be read is `Unseen`."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum

from agent.core.frozen import frozen
from agent.core.model.facts import Unseen


class Flavour(Enum):
    """How Docker was installed."""

    NONE = "none"
    DOCKER_IO = "docker-io"
    """The packages of Debian or Ubuntu: docker.io, containerd, runc."""
    DOCKER_CE = "docker-ce"
    """The packages of Docker Inc.: docker-ce, docker-ce-cli, containerd.io."""
    OTHER_PACKAGE = "other-package"
    """Any other package that has dockerd: docker-engine, moby-engine, docker-ee."""
    SNAP = "snap"
    PODMAN = "podman"
    """podman-docker: `docker` is a wrapper, there is no engine."""
    ROOTLESS = "rootless"
    STATIC = "static"
    """A dockerd that belongs to no package."""
    SEVERAL = "several"
    """More than one of these."""


SUPPORTED_FLAVOURS = frozenset({Flavour.DOCKER_IO, Flavour.DOCKER_CE})
"""Flavours that the agent can upgrade and restart."""


@frozen
class RuntimePackage:
    """An installed package of the container runtime."""

    package: str
    version: str
    on_hold: bool = False
    complete: bool = True
    """Whether dpkg's state is "installed", without error flag."""


def is_dockerd(arguments: Sequence[str]) -> bool:
    """Whether these are the arguments of an engine, its program first."""
    return bool(arguments) and arguments[0].rpartition("/")[2] == "dockerd"


@frozen
class EngineUnit:
    """docker.service as systemd shows it."""

    name: str
    load_state: str
    """systemd's LoadState: "loaded", "masked", "not-found"."""
    active_state: str
    """systemd's ActiveState: "active", "inactive", "failed", "activating"."""
    unit_file_state: str
    """systemd's UnitFileState: "enabled", "disabled", "masked"."""
    main_pid: int | None
    stop_timeout_s: float | None
    """TimeoutStopUSec; None: no limit."""
    restarts: int = 0
    """NRestarts: restarts by systemd itself."""
    arguments: tuple[str, ...] = ()
    """The words of ExecStart, the executable first; those with which the engine runs where they are the same."""
    socket_active: bool = False
    """Whether docker.socket is active: then any connect(2) starts the engine."""
    needs_reload: bool = False
    """NeedDaemonReload: unit files changed since systemd read them."""

    @property
    def starts_engine(self) -> bool:
        """Whether its program is dockerd, and no wrapper that gives dockerd arguments of its own."""
        return is_dockerd(self.arguments)

    @property
    def running(self) -> bool:
        """Whether the engine runs, so that connecting to its socket starts nothing."""
        return self.active_state in {"active", "reloading"} and self.main_pid is not None


class SwarmState(Enum):
    """Swarm.LocalNodeState of the engine."""

    INACTIVE = "inactive"
    PENDING = "pending"
    ACTIVE = "active"
    ERROR = "error"
    LOCKED = "locked"


@frozen
class RunningEngine:
    """The engine that runs, as its own API shows it."""

    version: str
    """As the engine shows it: "20.10.24+dfsg1"."""
    api_version: str
    min_api_version: str
    executable_replaced: bool | None
    """Whether its executable was deleted or replaced since it started; None if that could not be read."""
    live_restore: bool
    swarm: SwarmState
    swarm_manager: bool
    data_root: str
    storage_driver: str
    runc_version: str = ""
    """Read from the file at each use: a new runc is in force without a restart."""
    containerd_store: bool = False
    """Whether images are in containerd's image store, which older engines cannot read."""


@frozen
class DaemonConfig:
    """/etc/docker/daemon.json."""

    present: bool
    problem: str = ""
    """Why it cannot be parsed, or is not there although the unit names it; empty if it can."""
    live_restore: bool | None = None
    """None: not set."""
    min_api_version: str = ""
    keys: tuple[str, ...] = ()


class RestartPolicy(Enum):
    """HostConfig.RestartPolicy.Name."""

    NO = "no"
    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    UNLESS_STOPPED = "unless-stopped"


class WeaveAttachment(Enum):
    """How a container is attached to the Weave network (weave-behaviour.md, 2.1)."""

    NONE = "none"
    NETWORK = "network"
    """`--net=weave`: the legacy plugin."""
    ATTACHED = "attached"
    """`weave attach`: invisible to `docker inspect`."""
    PROXIED = "proxied"
    """Started through Weave's proxy: entrypoint /w/w."""
    UNKNOWN = "unknown"


NO_STOP_LIMIT_S = 86400
"""Stands for `--stop-timeout -1`: the engine waits for such a container without limit."""


@frozen
class Container:
    """One container."""

    id: str
    name: str
    """Without the leading slash."""
    state: str
    """State.Status: "running", "exited", "paused", "restarting", "created", "dead"."""
    policy: RestartPolicy
    auto_remove: bool
    """`--rm`."""
    stop_timeout_s: int
    """Config.StopTimeout, or the engine's default of 10 s; `NO_STOP_LIMIT_S` or more: none."""
    handles_stop: bool | None
    """Whether its first process handles the stop signal; else it is killed at the timeout. None: unknown."""
    stopped_by_owner: bool | None
    """HasBeenManuallyStopped in config.v2.json; None if that could not be read."""
    exit_code: int | None
    started_at: str
    """State.StartedAt as text."""
    pid: int | None
    networks: tuple[str, ...] = ()
    published: bool = False
    """Whether any port is published."""
    swarm_task: bool = False
    weave: WeaveAttachment = WeaveAttachment.NONE
    weave_address: str = ""
    """Address on Weave's network that `weave attach` gave it, "10.32.0.7/12"; empty: none, or unknown."""
    weave_paths: bool = False
    """Whether it binds paths of a `weavevolumes-*` container."""
    error: str = ""
    """State.Error."""

    @property
    def on_weave_network(self) -> bool:
        """Whether it was started with `--net=weave`."""
        return self.weave is WeaveAttachment.NETWORK

    @property
    def running(self) -> bool:
        """Whether its processes exist, paused ones included."""
        return self.state in {"running", "paused", "restarting"}


@frozen
class ContainerTimes:
    """When a container last ended and started; None: never, or unknown."""

    started_at: datetime | None
    finished_at: datetime | None
    running: bool
    exit_code: int | None
    restarts: int = 0
    """RestartCount: how often its policy has restarted it since the engine or a request started it."""


@frozen
class DockerFacts:
    """One observation of Docker. Nothing of it starts a stopped engine."""

    flavour: Flavour
    found: tuple[Flavour, ...] = ()
    """With `SEVERAL`: which ones."""
    packages: tuple[RuntimePackage, ...] = ()
    unit: EngineUnit | Unseen | None = None
    """None: there is no such unit."""
    engine: RunningEngine | Unseen | None = None
    """None: no engine runs."""
    containers: tuple[Container, ...] | Unseen | None = None
    """None: no engine runs."""
    config: DaemonConfig | Unseen = DaemonConfig(present=False)

    @property
    def keeps_containers(self) -> bool:
        """Whether a restart leaves the containers running: live-restore is on, and the engine that starts reads it.

        A reload leaves it on where daemon.json no longer has it; the next engine would stop what still runs.
        """
        arguments = self.unit.arguments if isinstance(self.unit, EngineUnit) else ()
        written = isinstance(self.config, DaemonConfig) and self.config.live_restore is True
        configured = written or bool({"--live-restore", "--live-restore=true"} & set(arguments))
        return isinstance(self.engine, RunningEngine) and self.engine.live_restore and configured

    def version_of(self, package: str) -> str | None:
        """Return the installed version of a package of the runtime."""
        return next((one.version for one in self.packages if one.package == package), None)


NO_DOCKER = DockerFacts(flavour=Flavour.NONE)
