"""Group commit: threads submit items, one of them commits for all; a disk takes as long for one item as for 64.

The first thread leads. Threads that arrive while it commits wait; when it is done, it wakes one of them to lead the
next group.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock
from typing import Generic, TypeVar

from endpoint.errors import StoreError

Item = TypeVar("Item")
Result = TypeVar("Result")
_MAX_GROUP = 64


@dataclass(slots=True, kw_only=True, eq=False)
class _Entry(Generic[Item, Result]):
    """A submitted item, and its result."""

    item: Item
    woken: SimpleQueue[None] = field(default_factory=SimpleQueue)
    """Filled once the item is committed, or this thread must lead."""
    taken: bool = False
    result: Result | None = None
    error: Exception | None = None


class GroupCommit(Generic[Item, Result]):
    """Commits submitted items in groups; items with the same key are never in one group, and stay in order.

    `commit` returns one result for each item, none of them None.
    """

    def __init__(self, commit: Callable[[Sequence[Item]], Sequence[Result]], key: Callable[[Item], Hashable]) -> None:
        self._commit = commit
        self._key = key
        self._queue: list[_Entry[Item, Result]] = []
        self._mutex = Lock()
        self._led = False

    def submit(self, item: Item) -> Result:
        """Return the item's result once it is committed.

        Raises:
            StoreError: the commit failed. Whatever else `commit` raises for this item alone is raised here, too.
        """
        entry: _Entry[Item, Result] = _Entry(item=item)
        with self._mutex:
            self._queue.append(entry)
            leads, self._led = not self._led, True
        if not leads:
            entry.woken.get()
        if not entry.taken:
            self._lead(entry)
        if entry.result is None:
            raise entry.error or StoreError("another item of the same commit failed")
        return entry.result

    def _lead(self, own: _Entry[Item, Result]) -> None:
        group = self._take_group(own)
        try:
            self._commit_group(group)
        finally:
            with self._mutex:
                next_leader = self._queue[:1]
                self._led = bool(next_leader)
            for entry in [*group, *next_leader]:
                entry.woken.put(None)

    def _take_group(self, own: _Entry[Item, Result]) -> list[_Entry[Item, Result]]:
        """Take one queued item of each key: a later one depends on the result of the earlier one."""
        group = {self._key(own.item): own}
        with self._mutex:
            for entry in self._queue:
                if len(group) < _MAX_GROUP:
                    group.setdefault(self._key(entry.item), entry)
            for entry in group.values():
                entry.taken = True
            self._queue = [entry for entry in self._queue if not entry.taken]
        return list(group.values())

    def _commit_group(self, group: list[_Entry[Item, Result]]) -> None:
        try:
            results = self._commit([entry.item for entry in group])
        except Exception as error:  # noqa: BLE001 - it is raised in the thread of each item
            of_an_item = not isinstance(error, StoreError) or error.of_the_data
            if len(group) > 1 and of_an_item:  # one bad item must not fail the others
                for entry in group:
                    self._commit_group([entry])
            else:
                for entry in group:
                    entry.error = error
        else:
            for entry, result in zip(group, results, strict=True):
                entry.result = result
