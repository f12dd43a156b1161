"""What is saved before Weave is changed, as frozen values: enough to finish or to roll back after a crash.

No value holds WEAVE_PASSWORD: it is in a file of its own, as is a copy of the script (`WeaveFiles`).
"""

from datetime import datetime
from enum import Enum

from agent.core.frozen import frozen
from agent.core.model.docker import DockerFacts, RunningEngine, WeaveAttachment
from agent.core.model.facts import Unseen
from agent.core.model.weave import RouterArguments, RouterReport, WeaveFacts, WeaveScript

ROUTER = "weave"
"""Name of the router's container, and of Weave's network."""
FIRST_GENERATION_PARTS = ("weaveproxy", "weaveplugin")
"""Containers of Weave 1.x beside the router; a later version has their work done by the router."""
UP = frozenset({"running", "restarting"})
"""States of a router that was launched and not stopped."""


class WeavePhase(Enum):
    """How far an upgrade came. Recorded before the phase begins."""

    PREPARED = "prepared"
    """Nothing was changed yet."""
    STOPPING = "stopping"
    """The router is being stopped; the script is the one of before."""
    REPLACING = "replacing"
    """The router is stopped, the script is being replaced."""
    LAUNCHING = "launching"
    """The new script is there, the router is being launched."""
    RESTORING = "restoring"
    """The router was launched: connections and networks of containers are brought back."""
    ROLLING_BACK = "rolling-back"
    FAILED = "failed"
    """Needs a person: the agent does not go on by itself."""


@frozen
class SavedScript:
    """Weave's script as it was."""

    path: str
    """Of the file itself: links are resolved."""
    version: str
    """SCRIPT_VERSION; "unreleased" in a development version."""
    sha256: str
    """Empty: there was no script, so none is put back."""
    mode: int = 0o755
    owner: tuple[int, int] = (0, 0)
    """Numbers of user and group."""


@frozen
class AttachedContainer:
    """A container on Weave's network, with what is needed to attach it again."""

    id: str
    name: str
    attachment: WeaveAttachment
    running: bool
    address: str = ""
    """IPv4 address on Weave's network; empty: none, or unknown."""
    fixed_address: str = ""
    """The address that its owner chose (`--ip`); empty: none."""
    aliases: tuple[str, ...] = ()
    network_id: str = ""
    """Id of the network to which it is connected; only with `WeaveAttachment.NETWORK`."""
    fell: bool = False
    """Whether a restart of the engine left it stopped although it ran (W3)."""


@frozen
class WeaveNetwork:
    """Docker's network "weave" and every container on Weave's network."""

    id: str = ""
    """A stop of Weave removes the network unless a container on it runs; the next one has another id (W4)."""
    containers: tuple[AttachedContainer, ...] = ()


@frozen
class WeaveSnapshot:
    """Weave before a change."""

    run_id: str
    taken_at: datetime
    phase: WeavePhase
    boot_id: str
    script: SavedScript
    before: str
    """The version of the router, or of the script where there is no router."""
    target: str
    target_sha256: str
    """Of the new script; empty: the installed script stays, and only the router is launched again."""
    user: str
    """Publisher of the images: "rajchaudhuri" of "rajchaudhuri/weave:2.9.0"."""
    runs: bool
    """Whether a router was launched; a stopped one stays stopped."""
    unit: str
    """The active systemd unit that launched it; empty if a person did."""
    arguments: RouterArguments | None
    """None: there was no router container."""
    report: RouterReport | None
    """None: no router answered."""
    network: WeaveNetwork
    reason: str = ""
    """Why it is being rolled back."""
    hooked: bool = False
    """Whether a pre-hook ran, so that the post-hooks have to, also after a crash."""

    @property
    def encrypted(self) -> bool:
        """Whether the router has a password."""
        return self.arguments is not None and self.arguments.encrypted


def weave_obstacle(weave: WeaveFacts, docker: DockerFacts) -> str:
    """Return why no snapshot can be taken: something that is needed is unknown. Empty if it can be taken."""
    if not isinstance(docker.engine, RunningEngine):
        return "the engine does not answer" if docker.engine is None else docker.engine.reason
    for fact in (docker.containers, weave.script, weave.arguments, weave.report):
        if isinstance(fact, Unseen):
            return fact.reason
    if weave.container_state and weave.arguments is None:
        return "the arguments of Weave's router are unknown"
    return ""


def saved_script(script: WeaveScript | None, path: str) -> SavedScript:
    """Return an installed script without mode and owner; `path` is where one is put if there is none."""
    if script is None:
        return SavedScript(path=path, version="", sha256="")
    return SavedScript(path=script.path, version=script.version, sha256=script.sha256)
