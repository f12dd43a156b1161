"""The first verb: the machine, seen once, as `Facts`."""

from agent.core.model.facts import Facts
from agent.core.ports import Machine, PackageEngine, RefreshResult


def observe(engine: PackageEngine, machine: Machine, refreshed: RefreshResult) -> Facts:
    """Look at the machine; everything in the facts is of this one moment.

    Raises:
        HostError: the packages cannot be looked at at all.
    """
    now = machine.now()
    packages = engine.observe(now, refreshed)
    return Facts(
        seen_at=now,
        lists=packages.lists,
        updates=packages.updates,
        repair=packages.repair,
        reboot=machine.reboot(),
        kernels=packages.kernels,
        journal=packages.journal,
    )
