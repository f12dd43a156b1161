"""Observes the machine once."""

from dataclasses import dataclass

from agent.core.model.facts import Facts
from agent.core.ports import Machine, PackageEngine, PackageSnapshot, RefreshResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The machine at one moment."""

    facts: Facts
    snapshot: PackageSnapshot
    """The packages that the facts are about."""


def observe(engine: PackageEngine, machine: Machine, refreshed: RefreshResult) -> Observation:
    """Observe the machine; all facts are of this moment.

    Raises:
        HostError: the packages cannot be observed.
    """
    now = machine.now()
    snapshot = engine.open(now, refreshed)
    facts = Facts(
        seen_at=now,
        lists=snapshot.seen.lists,
        updates=snapshot.seen.updates,
        repair=snapshot.seen.repair,
        reboot=machine.reboot(),
        kernels=snapshot.seen.kernels,
        journal=snapshot.seen.journal,
    )
    return Observation(facts=facts, snapshot=snapshot)
