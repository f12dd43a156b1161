"""How a plan is cut into transactions: whole groups only, so that one failure stays among its own.

Pure. A transaction has a price of its own: libapt opens its lists anew, and every trigger (initramfs, manual
pages, linker cache) and hook runs once. So all groups go together; the bound keeps a stop request from waiting
for more than this many packages.
"""

from collections import defaultdict
from collections.abc import Iterable

from agent.core.model.plan import Step

BATCH_SIZE = 150
"""Packages in one transaction, unless one group alone is larger."""

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
    """Return each group as a batch of its own, sorted by package name so that every run takes the same order."""
    groups: defaultdict[int, list[Step]] = defaultdict(list)
    for step in sorted(steps, key=lambda step: step.id):
        groups[step.group].append(step)
    return tuple(tuple(group) for group in groups.values())
