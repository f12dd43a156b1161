"""The plan of an upgrade of Docker or Weave (`maestro.engine-plan/1`), as frozen values. Durations are seconds."""

import hashlib
from datetime import datetime
from enum import Enum

from agent.core.frozen import frozen


class Component(Enum):
    """What is upgraded."""

    DOCKER = "docker"
    WEAVE = "weave"


class EngineWhy(Enum):
    """Why an engine may not be upgraded. A closed list, part of the interface (docs/documents.md)."""

    VERSION_UNAVAILABLE = "version-unavailable"
    NO_SOURCE = "no-source"
    """Weave: the configuration has no source or no checksum for the script of the version."""
    UNSUPPORTED_FLAVOUR = "unsupported-flavour"
    FLAVOUR_MISMATCH = "flavour-mismatch"
    PINNED = "pinned"
    """apt's preferences exclude every matching version: as asked for, the newest of them with its package."""
    HELD_BY_ADMIN = "held-by-admin"
    SNOOZED = "snoozed"
    WOULD_REMOVE = "would-remove"
    WOULD_CHANGE = "would-change"
    """Installed packages outside the container runtime would be changed: "libc6 2.36-9 -> 2.43-7"."""
    DOWNGRADE_REFUSED = "downgrade-refused"
    CONFIG_INVALID = "config-invalid"
    CONFIG_UNREADABLE = "config-unreadable"
    """daemon.json is there and cannot be read."""
    API_TOO_NEW = "api-too-new"
    SWARM = "swarm"
    NO_SPACE = "no-space"
    SLOW_STOP = "slow-stop"
    REMOVES_CONTAINERS = "removes-containers"
    HOOK_DEFERRED = "hook-deferred"
    HOOK_FAILED = "hook-failed"
    OUTSIDE_WINDOW = "outside-window"
    NOT_APPROVED = "not-approved"
    DPKG_UNFINISHED = "dpkg-unfinished"
    UNRESPONSIVE = "unresponsive"
    """The engine runs and does not answer: its containers are unknown."""
    BROKEN_DEPENDENCY = "broken-dependency"
    DOWNLOAD_FAILED = "download-failed"
    """An archive of before or after cannot be had, so that there would be no way forward or back."""
    FAILED_BEFORE = "failed-before"
    """An upgrade failed and needs attention: the id of its run."""
    DOCKER_STOPPED = "docker-stopped"
    """Weave cannot be upgraded, because no engine runs."""


class EngineWarning(Enum):
    """What an operator should know ahead of an upgrade that is not blocked by it."""

    END_OF_LIFE = "end-of-life"
    """Component; version; end of its support as a date, or empty."""
    ARCHIVED = "archived"
    """Vendor; date of the archive; newest version."""
    API_GAP = "api-gap"
    """Oldest API version that the wanted engine accepts: clients below it stop working."""
    RESTART_PENDING = "restart-pending"
    """Installed version; running version."""
    REVIVES_STOPPED = "revives-stopped"
    """Containers that the owner stopped, with policy `always`, or `on-failure` and an exit code: the engine starts
    them, the agent stops them again."""
    NEEDS_START = "needs-start"
    """Containers that the engine does not start again: the agent does."""
    REMOVES = "removes"
    """Containers with `--rm` that are removed."""
    SLOW_STOP = "slow-stop"
    """Containers that do not end by the stop signal, or whose stop timeout exceeds the unit's."""
    WEAVE_NETWORK = "weave-network"
    """Number of `--net=weave` containers: each delays the engine by 15 or 30 s, and none comes back by itself."""
    MAJOR_DOWNGRADE = "major-downgrade"
    LIVE_RESTORE_OFF = "live-restore-off"
    """live-restore would keep the containers running."""
    PUBLISHED_PORTS = "published-ports"
    """Containers that run on and whose published ports do not answer while the engine restarts."""
    UNIT_STOPPED = "unit-stopped"
    """The engine is stopped and stays stopped. The unit's state."""
    CONTAINERS_UNKNOWN = "containers-unknown"
    """Why."""
    MISMATCH = "mismatch"
    """Weave's script, image and running versions differ: the three."""
    CONNECTIONS_FAILED = "connections-failed"
    """The failed connections' reasons."""


class Fate(Enum):
    """What an upgrade does to a container (`will`)."""

    KEEPS_RUNNING = "keeps-running"
    RESTARTS = "restarts"
    """Stops, and the engine starts it again."""
    STOPS = "stops"
    """Ends, or stays ended: it was stopped by its owner, or is being stopped again."""
    IS_REMOVED = "is-removed"
    NEEDS_START = "needs-start"
    """Stops, and the agent has to start it again."""


class EngineStep(Enum):
    """One step of an upgrade, in the order in which `order` lists them."""

    UPGRADE_WEAVE_FIRST = "upgrade-weave-first"
    SAVE = "save"
    """Keep the present packages or script, and the state of every container."""
    DOWNLOAD = "download"
    INSTALL = "install"
    VALIDATE = "validate"
    """The new engine checks its configuration."""
    LIVE_RESTORE = "live-restore"
    STOP_SLOW = "stop-slow"
    """Stop the slow containers first."""
    RESTART = "restart"
    START = "start"
    """Start the containers that do not come back by themselves."""
    LAUNCH = "launch"
    VERIFY = "verify"


@frozen
class PackageChange:
    """One package that changes; `before` None: newly installed; `after` None: removed."""

    package: str
    before: str | None
    after: str | None


@frozen
class Block:
    """One reason why the upgrade may not happen now."""

    why: EngineWhy
    values: tuple[str, ...] = ()
    """Parameters of its sentence (`agent.report.engine_reasons`)."""


@frozen
class Notice:
    """One warning with its parameters."""

    code: EngineWarning
    values: tuple[str, ...] = ()


@frozen
class Downtime:
    """A forecast: at least `low` and at most `high`."""

    low_s: float
    high_s: float
    basis: tuple[str, ...]
    """What it was computed from, one code each with its numbers: "slow-containers 3", "live-restore"."""


@frozen
class ContainerForecast:
    """What happens to one container."""

    id: str
    name: str
    state: str
    policy: str
    will: Fate
    low_s: float = 0.0
    """Its own downtime."""
    high_s: float = 0.0


class FixRoute(Enum):
    """What installs a fix of the container runtime that `upgrade` holds back."""

    DOCKER_UPGRADE = "docker-upgrade"
    """`docker upgrade` as planned."""
    MANIFEST = "manifest"
    """`docker upgrade`, once the manifest has the version."""
    UPGRADE = "upgrade"
    """`upgrade`, once the configuration includes the runtime."""


@frozen
class HeldFix:
    """A fix of the container runtime that `upgrade` holds back."""

    package: str
    version: str
    """The candidate, as a package version."""
    since: datetime
    """When a check first held a fix of this package."""
    route: FixRoute
    downtime: Downtime | None = None
    """Of the engine; None: unknown."""


@frozen
class EngineWindow:
    """The maintenance window in which the daemon carries the plan out by itself."""

    text: str
    opens_at: datetime | None
    """Start of the present or the next opening that is long enough; None: no opening is."""
    closes_at: datetime | None


@frozen
class LostContainers:
    """Containers that the last upgrade lost, without those whose removal it had announced."""

    run: str
    """Id of the upgrade's run."""
    names: tuple[str, ...]
    """Those that no check has seen to run, or to be removed, since."""


@frozen
class EnginePlan:
    """What an explicit upgrade would do now. Component not installed and not wanted: `flavour` is "none"."""

    component: Component
    seen_at: datetime
    flavour: str
    installed: str | None
    """Upstream version, without epoch and revision; None: not installed."""
    running: str | None
    """None: not running, or unknown."""
    running_known: bool = True
    """Whether `running` None means that nothing runs."""
    wanted: str | None = None
    """As the manifest has it; None: the manifest does not mention it, nothing is changed."""
    candidate: str | None = None
    """The version that `wanted` stands for on this machine; None: none."""
    packages: tuple[PackageChange, ...] = ()
    restart_needed: bool = False
    """Whether an upgrade restarts the engine: a new version, or a newer one that is installed than the running one."""
    restart_pending: bool = False
    """Whether the installed version is not the running one."""
    downtime: Downtime | None = None
    """None: unknown, or nothing stops."""
    containers: tuple[ContainerForecast, ...] = ()
    blocked: tuple[Block, ...] = ()
    warnings: tuple[Notice, ...] = ()
    order: tuple[EngineStep, ...] = ()
    restart: Downtime | None = None
    """Forecast of a restart of the running engine, whether one is needed or not; documents do not hold it."""
    held_fixes: tuple[HeldFix, ...] = ()
    window: EngineWindow | None = None
    """None: no window is configured; requests by a person need none."""
    lost: LostContainers | None = None
    """None: the last upgrade lost none, or there was none."""

    @property
    def id(self) -> str:
        """An id that stays the same while the work does: the packages, the restart and the containers it removes."""
        removed = sorted(one.name for one in self.containers if one.will is Fate.IS_REMOVED)
        changes = [f"{one.package} {one.before} {one.after}" for one in self.packages]
        lines = [self.component.value, f"{self.running} {self.candidate} {self.restart_needed}", *changes, *removed]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]

    @property
    def nothing_to_do(self) -> bool:
        """Whether an upgrade would change nothing."""
        return not self.packages and not self.restart_needed and not self.blocked
