"""Packs a plan's steps into transactions: whole groups only, so that a failure affects no other group. Pure.

Each transaction has a fixed cost: libapt opens the lists again, and every trigger (initramfs, manual pages, linker
cache) and hook runs once. So all groups share one transaction up to a limit; the limit bounds how many packages a
stop request waits for.
"""

from collections import defaultdict
from collections.abc import Iterable

from agent.core.model.plan import Step

BATCH_SIZE = 150
"""Packages per transaction, unless one group alone is larger."""

Batch = tuple[Step, ...]


def pack(steps: Iterable[Step], size: int = BATCH_SIZE) -> tuple[Batch, ...]:
    """Pack the steps' groups into transactions of at most `size` packages, in the order of their first package."""
    batches: list[Batch] = []
    current: Batch = ()
    for group in split(steps):
        if current and len(current) + len(group) > size:
            batches.append(current)
            current = ()
        current += group
    return (*batches, current) if current else tuple(batches)


def split(steps: Iterable[Step]) -> tuple[Batch, ...]:
    """Return each group as one batch, sorted by package name, so that every run has the same order."""
    groups: defaultdict[int, list[Step]] = defaultdict(list)
    for step in sorted(steps, key=lambda step: step.id):
        groups[step.group].append(step)
    return tuple(tuple(group) for group in groups.values())
