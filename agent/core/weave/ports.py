"""What an upgrade of Weave needs from a machine, as protocols. Methods that act return a problem, empty: none."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from agent.core.frozen import frozen
from agent.core.model.docker import DockerFacts
from agent.core.weave.snapshot import AttachedContainer, SavedScript, WeaveNetwork


class RouterOperator(Protocol):
    """Acts on Weave's router and on the containers of its network. Every call has a deadline."""

    def network(self, docker: DockerFacts, also: Collection[str] = ()) -> WeaveNetwork:
        """Return the network and its containers, and those with the ids in `also`.

        Raises:
            HostError: the engine does not answer.
        """

    def password(self) -> str:
        """Return WEAVE_PASSWORD of the router's container; empty if it has none.

        Raises:
            HostError: the engine does not answer.
        """

    def missing_images(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the images that the engine does not have.

        Raises:
            HostError: the engine does not answer.
        """

    def pull(self, name: str) -> str:
        """Have the engine pull an image."""

    def unresolved(self, peers: Sequence[str]) -> tuple[str, ...]:
        """Return the peers whose name does not resolve at the moment."""

    def unit_active(self, unit: str) -> bool:
        """Whether a systemd unit is active."""

    def change_unit(self, verb: str, unit: str) -> str:
        """Stop or restart a systemd unit; "restart" starts a stopped one."""

    def run_script(self, script: str, words: Sequence[str], environment: Mapping[str, str]) -> str:
        """Run Weave's script; the problem is its output without the password. No problem proves nothing (W6)."""

    def log_end(self) -> str:
        """Return the last lines of the router's log as one; empty if they cannot be read. It may hold the password."""

    def stop_router(self) -> str:
        """Stop the router's container through the engine."""

    def remove_router(self) -> str:
        """Remove the router's container, which does not run; its data are in the container weavedb."""

    def remove_part(self, name: str) -> str:
        """Remove a container of Weave 1.x, if there is one."""

    def start(self, container: AttachedContainer) -> str:
        """Start a container."""

    def reconnect(self, container: AttachedContainer) -> str:
        """Connect a stopped container to the present network instead of the removed one."""


class WeaveFiles(Protocol):
    """Weave's script, and what is kept while it is being changed. Methods raise HostError."""

    def keep(self, script: SavedScript, password: str) -> SavedScript:
        """Keep a copy of the installed script and the password, for root alone; return it with mode and owner."""

    def password(self) -> str:
        """Return the kept password; empty if there is none."""

    def fetch(self, version: str, script: SavedScript) -> str:
        """Fetch and check a version's script, beside the installed one; return its SHA-256."""

    def install(self, script: SavedScript, sha256: str) -> None:
        """Replace the installed script by the fetched one in one step."""

    def restore(self, script: SavedScript) -> None:
        """Put the kept script back, or remove the installed one where there was none."""

    def forget(self, script: SavedScript) -> None:
        """Remove everything that is kept, and a fetched script that was not installed."""


@frozen
class WeaveActs:
    """What changes Weave."""

    router: RouterOperator
    files: WeaveFiles
