"""Facts about Weave Net, as frozen values. A fact that could not be read is `Unseen`. No value holds a password."""

from enum import Enum

from agent.core.frozen import frozen
from agent.core.model.facts import Unseen


class WeaveKind(Enum):
    """How Weave was installed."""

    NONE = "none"
    SCRIPT = "script"
    """The script /usr/local/bin/weave, or only its router container."""
    PLUGIN = "plugin"
    """Docker's plugin of version 2, or a Kubernetes add-on: the agent cannot upgrade it."""


class Vendor(Enum):
    """Who publishes the images."""

    WEAVEWORKS = "weaveworks"
    RAJCHAUDHURI = "rajchaudhuri"
    OTHER = "other"


@frozen
class WeaveScript:
    """The installed script."""

    path: str
    version: str
    """SCRIPT_VERSION; "unreleased" in a development version; empty if there is none."""
    sha256: str


@frozen
class RouterArguments:
    """What the router was launched with, so that the same can be launched again."""

    words: tuple[str, ...]
    """The operator's own words: options and peers, in order; no password."""
    environment: tuple[tuple[str, str], ...]
    """The script's environment variables that differ from its defaults, without WEAVE_PASSWORD."""
    encrypted: bool
    """Whether WEAVE_PASSWORD is set."""
    peers: tuple[str, ...] = ()
    ipalloc_range: str = ""
    restart: bool = True
    """False: launched with `--no-restart`."""


@frozen
class RouterReport:
    """What the running router's `/report` shows."""

    version: str
    ready: bool
    peer_name: str
    nickname: str
    targets: tuple[str, ...] = ()
    established: tuple[str, ...] = ()
    """Names of the peers with an established connection."""
    failed: tuple[str, ...] = ()
    """Reasons of failed connections."""
    ipam_range: str = ""
    ipam_ready: bool | None = None
    """None: IPAM is off or idle."""
    active_addresses: int = 0


@frozen
class WeaveFacts:
    """One observation of Weave. Neither its script nor anything else of it is run."""

    kind: WeaveKind
    script: WeaveScript | Unseen | None = None
    """None: there is no script."""
    container_state: str = ""
    """State.Status of the container `weave`; empty if there is none or Docker does not run."""
    image: str = ""
    """Config.Image of that container."""
    vendor: Vendor | None = None
    """None: unknown."""
    arguments: RouterArguments | Unseen | None = None
    report: RouterReport | Unseen | None = None
    """None: no router runs."""
    unit: str = ""
    """Name of the systemd unit that launches it; empty if there is none."""
    docker_api_version: str = ""
    """DOCKER_API_VERSION of the router, if set."""

    @property
    def running_version(self) -> str | None:
        """The version of the running router; None if no router answers."""
        return self.report.version if isinstance(self.report, RouterReport) else None


NO_WEAVE = WeaveFacts(kind=WeaveKind.NONE)
