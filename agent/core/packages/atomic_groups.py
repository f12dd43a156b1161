"""Packages that are upgraded together or not at all. Pure."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from agent.core.frozen import frozen
from agent.core.model.facts import Update
from agent.core.model.plan import Blocker, Held, Refusal, Step, Why
from agent.core.model.reasons import Reason, ReasonCode


@frozen
class AtomicGroup:
    """Packages of which all pending updates are installed in one transaction, or none."""

    name: str
    packages: frozenset[str]
    why: Why
    """The reason of packages that are held because another package of the group is."""

    def __contains__(self, package: str) -> bool:
        return package in self.packages


CONTAINER_RUNTIME = AtomicGroup(
    name="container runtime",
    why=Why.RUNTIME_MANAGED,
    packages=frozenset(
        {
            "containerd",
            "containerd.io",
            "containerd-stable",
            "docker-buildx",
            "docker-buildx-plugin",
            "docker-ce",
            "docker-ce-cli",
            "docker-ce-rootless-extras",
            "docker-cli",
            "docker-compose-plugin",
            "docker-compose-v2",
            "docker-ee",
            "docker-engine",
            "docker-model-plugin",
            "docker-scan-plugin",
            "docker.io",
            "moby-cli",
            "moby-containerd",
            "moby-engine",
            "moby-runc",
            "runc",
            "runc-stable",
            "weave-net",
        }
    ),
)
"""The container runtime. Upgrading it means downtime, so only the manifest upgrades it (`security.include_runtime`)."""
ATOMIC_GROUPS = (CONTAINER_RUNTIME,)


def in_any_group(groups: Iterable[AtomicGroup], package: str) -> bool:
    """Whether a package belongs to one of these groups."""
    return any(package in group for group in groups)


UpdateOrStep = TypeVar("UpdateOrStep", Update, Step)


def held_with_group(
    groups: Iterable[AtomicGroup], held: Iterable[Held], rest: Iterable[UpdateOrStep]
) -> dict[UpdateOrStep, Refusal]:
    """Return which of `rest` must be held as well, because another package of their group is in `held`.

    A held version of a package that has another in `rest` splits no group: the package comes along with that.
    """
    rest = tuple(rest)
    coming = {item.id for item in rest}
    left = [item for item in held if item.id not in coming]
    found: dict[UpdateOrStep, Refusal] = {}
    for group in groups:
        members = [item for item in left if item.package in group]
        if members:
            refusal = _refusal_of(group, members)
            found |= {item: refusal for item in rest if item.package in group}
    return found


def _refusal_of(group: AtomicGroup, held: Sequence[Held]) -> Refusal:
    """Return why the rest of a group is held with these, until the last of them is released; the first is named."""
    first, times = held[0], [item.until for item in held if item.until is not None]
    return Refusal(
        why=group.why,
        reason=Reason(code=ReasonCode.HELD_WITH_GROUP, values=(first.label, first.why.value)),
        blocker=first.blocker or Blocker(package=first.label, why=first.why),
        until=max(times) if len(times) == len(held) else None,
    )
