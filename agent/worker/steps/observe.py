"""Observes the machine once."""

from agent.core.frozen import frozen
from agent.core.model.facts import Facts
from agent.core.ports import PackageSnapshot, RefreshResult
from agent.state.packages_record import load_packages, save_packages
from agent.worker.context import JobContext
from agent.worker.steps.waiting import with_waiting


@frozen
class Observation:
    """The machine at one moment."""

    facts: Facts
    snapshot: PackageSnapshot
    """The packages that the facts are about."""


def observe(context: JobContext, refreshed: RefreshResult) -> Observation:
    """Observe the machine; all facts are of this moment, and of the record what decides how long an update waits.

    Raises:
        HostError: the packages cannot be observed.
    """
    now = context.machine.now()
    snapshot = context.engine.open(now, refreshed, load_packages(context.record))
    facts = Facts(
        seen_at=now,
        lists=snapshot.seen.lists,
        updates=snapshot.seen.updates,
        repair=snapshot.seen.repair,
        reboot=context.machine.reboot(),
        kernels=snapshot.seen.kernels,
        journal=snapshot.seen.journal,
        esm_only=snapshot.seen.esm_only,
    )
    return Observation(facts=with_waiting(context, facts), snapshot=snapshot)


def keep_packages(context: JobContext, snapshot: PackageSnapshot) -> None:
    """Record what a later job may go by instead of opening the packages, if there is anything new."""
    found = snapshot.remembered
    if found is not None and found != load_packages(context.record):
        save_packages(context.record, found, context.machine.now())
