"""What brings containers back to Weave's network: which fell, which are connected to a removed network. Pure."""

from collections.abc import Iterable

from agent.core.model.docker import Container, WeaveAttachment
from agent.core.weave.snapshot import AttachedContainer, WeaveNetwork

_FELL = 255
"""Exit code of a `--net=weave` container after a restart of the engine."""


def has_fallen(one: Container) -> bool:
    """Whether a restart of the engine left a container of Weave's network down: nothing starts it again (W3)."""
    on_network = one.weave is WeaveAttachment.NETWORK and one.state == "exited"
    return on_network and one.exit_code == _FELL and one.stopped_by_owner is not True


def fallen(network: WeaveNetwork) -> tuple[AttachedContainer, ...]:
    """Return the containers to start before Weave is stopped: the stop would remove the network under them (W4)."""
    return tuple(one for one in network.containers if one.fell and not one.running)


def unusable(network: WeaveNetwork) -> tuple[AttachedContainer, ...]:
    """Return the stopped containers that are connected to a network with another id: none can be started (W4).

    One without an id was never started since it was connected: it takes the network by its name.
    """
    return tuple(
        one
        for one in network.containers
        if one.attachment is WeaveAttachment.NETWORK and not one.running and one.network_id not in {"", network.id}
    )


def to_start(before: WeaveNetwork, now: WeaveNetwork) -> tuple[AttachedContainer, ...]:
    """Return the containers that ran before the change, or fell before it, and do not run."""
    ran = {one.id for one in before.containers if one.running or one.fell}
    return tuple(one for one in now.containers if one.id in ran and not one.running)


def with_endpoint(one: AttachedContainer, saved: Iterable[AttachedContainer]) -> AttachedContainer:
    """Return a container with the address and the aliases that its owner chose, as saved before the network went."""
    before = next((other for other in saved if other.id == one.id), one)
    return AttachedContainer(
        id=one.id,
        name=one.name,
        attachment=one.attachment,
        running=one.running,
        fixed_address=before.fixed_address,
        aliases=before.aliases,
    )
