"""The policy that the configuration is parsed into, as frozen values. Defaults are in `agent.config`."""

from datetime import time, timedelta
from enum import Enum

from agent.core.frozen import frozen
from agent.core.policy.origins import OriginPattern


class Conffiles(Enum):
    """What to do if dpkg would prompt about a conffile."""

    KEEP = "keep"
    """Install, keep the local file, and list it."""
    HOLD = "hold"
    """Hold the package back."""


class RemoveUnused(Enum):
    """Which packages an upgrade removes because nothing needs them."""

    NEVER = "never"
    NEW = "new"
    """Those that became unneeded by the run itself."""


class PrefetchMode(Enum):
    """Which packages a check downloads in advance, to install them later and to read their changelogs."""

    OFF = "off"
    SECURITY = "security"
    ALL = "all"


class RebootMode(Enum):
    """When the daemon reboots the machine by itself, if a reboot is required."""

    NEVER = "never"
    WINDOW = "window"


class SessionsMode(Enum):
    """What a reboot does while users are logged in."""

    WAIT = "wait"
    """It sends them a message, waits for the time of grace, and then goes ahead."""
    NEVER = "never"
    """It does not happen."""


class DailyJobMode(Enum):
    """How the agent shares the machine with the distribution's daily job, unattended-upgrades."""

    COEXIST = "coexist"
    """While that job is on, it installs the updates and the daemon upgrades nothing; else the daemon does."""
    REPLACE = "replace"
    """The job is stood down, and the daemon upgrades."""
    DELEGATE = "delegate"
    """The job installs the updates; the daemon never does."""


@frozen
class SecurityPolicy:
    """Which updates count as security updates, and which packages are not touched."""

    origins: tuple[OriginPattern, ...]
    blocklist: tuple[str, ...]
    """Shell patterns of package names that are never touched."""
    allowlist: tuple[str, ...]
    """Shell patterns; if there are any, only matching packages and their dependencies are touched."""
    include_runtime: bool
    remove_old_kernels: bool
    conffiles: Conffiles
    remove_unused: RemoveUnused = RemoveUnused.NEVER


@frozen
class AptPolicy:
    """Timeouts and limits while working with apt, and the prefetch mode."""

    lock_timeout: timedelta
    refresh_timeout: timedelta
    max_list_age: timedelta
    stall_timeout: timedelta
    package_timeout: timedelta
    run_timeout: timedelta
    fetch_ahead: PrefetchMode


@frozen
class AgentPolicy:
    """What the daemon does without a request, and when."""

    check_interval: timedelta
    upgrade: bool
    upgrade_at: time
    """In the machine's local time."""
    splay: timedelta
    """How long after that the last machine of a fleet starts."""
    upgrade_window: str = ""
    """The only window in which the daily upgrade starts, as its text; empty: at any time."""
    tags: tuple[str, ...] = ()
    """Words that group this machine with others; reports carry them."""


@frozen
class DockerPolicy:
    """Where the wanted versions of Docker and Weave are read from, and when Docker is upgraded."""

    manifest: str
    """Path of the manifest; empty: none."""
    environment: str
    """Which environment of a manifest that has several."""
    window: str
    """When the daemon upgrades Docker by itself, as the text of a window; empty: never."""
    live_restore: bool = False
    """Whether live-restore is switched on for the restart of an upgrade, so that containers run on."""


@frozen
class ScriptDigests:
    """SHA-256 of Weave's script by version, both as text: no vendor publishes checksums or signatures."""

    by_version: tuple[tuple[str, str], ...] = ()

    def of(self, version: str) -> str:
        """Return the checksum of a version's script; empty if there is none."""
        return dict(self.by_version).get(version, "")


@frozen
class WeavePolicy:
    """Which Weave the machine is to have."""

    vendor: str
    """Publisher of the images, as the values of `Vendor`; empty: the one that is installed."""
    source: str
    """Where a version's script is fetched from: a URL or a path with {version}, or a directory; empty: nowhere."""
    sha256: ScriptDigests
    """Only a version with a checksum here can be installed."""
    window: str
    """When the daemon upgrades Weave by itself, as the text of a window; empty: never."""


@frozen
class RebootPolicy:
    """When a required reboot is taken, what has to be clear before, and the fleet lock."""

    policy: RebootMode = RebootMode.NEVER
    window: str = ""
    """The window of `RebootMode.WINDOW`, as its text."""
    not_before: str = ""
    """The hold-off: no reboot in a window before that date or time; empty: none."""
    expected: timedelta = timedelta(minutes=10)
    """How long hooks and the reboot itself take together, so that they end within the window."""
    sessions: SessionsMode = SessionsMode.WAIT
    grace: timedelta = timedelta(minutes=10)
    """How long a reboot waits for users to log out."""
    warning: timedelta = timedelta(minutes=1)
    """How long before the reboot the last message is sent, if users are logged in."""
    hook_timeout: timedelta = timedelta(minutes=5)
    """For one hook."""
    fleetlock_url: str = ""
    """Base URL of the FleetLock server; "endpoint": that of `EndpointPolicy`, with its credentials; empty: no lock."""
    fleetlock_group: str = "default"
    fleetlock_id: str = "app"
    """Id of this machine: "app" or "zincati" for one that is derived from the machine id, or the id itself."""
    fleetlock_ca_file: str = ""
    """Empty: the system's CAs."""
    fleetlock_token_file: str = ""
    fleetlock_client_cert: str = ""
    fleetlock_client_key: str = ""


@frozen
class ProvisionPolicy:
    """Whether a new server gets every package at its latest."""

    first_boot: bool = False
    """Whether the daemon provisions a server that booted for the first time a few days ago at most."""


@frozen
class ServicesPolicy:
    """Which services `restart-services` leaves alone, beside those of its own list."""

    never_restart: tuple[str, ...] = ()
    """Shell patterns of unit names."""


@frozen
class SoakPolicy:
    """How long an update waits after this machine has first seen it, by class, and the staged rollout of a fleet."""

    security: timedelta = timedelta(0)
    """For an update from a security origin."""
    other: timedelta = timedelta(0)
    """For any other update."""
    rollout: timedelta = timedelta(0)
    """How long after the soak the last machine of a fleet installs it."""
    cohort: str = "auto"
    """This machine's part of the rollout, "0" to "99"; "auto": derived from the machine id."""
    override: tuple[str, ...] = ()
    """What does not wait: shell patterns of package names, and CVE ids."""


@frozen
class EndpointPolicy:
    """The endpoint that reports are sent to."""

    url: str
    """Empty: no endpoint."""
    token_file: str
    ca_file: str
    """Empty: the system's CAs."""
    client_cert: str
    client_key: str
    proxy: str
    interval: timedelta
    timeout: timedelta
    max_bytes: int
    max_age: timedelta
    burst: int
    """Messages per minute."""
    enrolment_key_file: str = ""
    """The key that is exchanged for a token of this host; empty: none."""


@frozen
class RequestsPolicy:
    """Which requests of the endpoint this machine carries out."""

    allow: tuple[str, ...] = ()
    """Values of `agent.core.requests.model.Verb`; empty: none."""
    signers: str = ""
    """Path of an allowed-signers file (ssh-keygen(1)): only requests signed by them run; empty: unsigned ones, too."""


@frozen
class MetricsPolicy:
    """Metrics for Prometheus' node exporter."""

    textfile: str
    """Path of the textfile; empty: none is written."""
    compatible_names: bool
    """Whether the metrics also have the names of apt_info.py."""


@frozen
class OtlpPolicy:
    """Logs and metrics for an OpenTelemetry collector."""

    url: str
    """The collector's URL without /v1/logs; empty: nothing is sent."""
    headers_file: str
    """Path of a file with headers for each request; empty: none."""
    ca_file: str
    """Path of the CA file; empty: the system's CAs."""
    timeout: timedelta
    """For one whole request."""
    logs: bool
    metrics: bool


@frozen
class UnattendedUpgradesPolicy:
    """Who installs the updates where the distribution has a daily job, too."""

    mode: DailyJobMode = DailyJobMode.COEXIST


@frozen
class Policy:
    """The whole policy of this machine."""

    agent: AgentPolicy
    security: SecurityPolicy
    apt: AptPolicy
    docker: DockerPolicy
    weave: WeavePolicy
    endpoint: EndpointPolicy
    metrics: MetricsPolicy
    otlp: OtlpPolicy
    reboot: RebootPolicy = RebootPolicy()
    services: ServicesPolicy = ServicesPolicy()
    soak: SoakPolicy = SoakPolicy()
    requests: RequestsPolicy = RequestsPolicy()
    unattended_upgrades: UnattendedUpgradesPolicy = UnattendedUpgradesPolicy()
    provision: ProvisionPolicy = ProvisionPolicy()
