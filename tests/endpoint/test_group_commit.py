"""Group commit: one commit for all queued items, one item per key, and errors isolated."""

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from endpoint.errors import StoreError
from endpoint.store.group_commit import GroupCommit

Item = tuple[str, int]


@dataclass(slots=True)
class Disk:
    """Takes 5 ms for each commit, of however many items."""

    groups: list[list[Item]] = field(default_factory=list)
    bad: set[Item] = field(default_factory=set)
    error: Exception | None = None

    def commit(self, group: Sequence[Item]) -> list[Item]:
        time.sleep(0.005)
        if self.error is not None and self.bad & set(group):
            raise self.error
        self.groups.append(list(group))
        return list(group)


def submit_all(commits: GroupCommit[Item, Item], items: Sequence[Sequence[Item]]) -> tuple[list[Item], list[Item]]:
    """Submit each list in a thread, all at once; return the items that were committed and those that failed."""
    done: list[Item] = []
    failed: list[Item] = []
    ready = threading.Barrier(len(items), timeout=60)

    def submit(own: Sequence[Item]) -> None:
        ready.wait()
        for item in own:
            try:
                done.append(commits.submit(item))
            except (StoreError, ZeroDivisionError):
                failed.append(item)

    threads = [threading.Thread(target=submit, args=(own,)) for own in items]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return done, failed


def key(item: Item) -> str:
    return item[0]


def test_items_that_wait_share_a_commit_and_those_of_one_key_stay_in_order() -> None:
    disk = Disk()
    items = [[(f"k{number % 10}", number * 100 + step) for step in range(10)] for number in range(20)]

    done, failed = submit_all(GroupCommit(disk.commit, key), items)

    assert failed == []
    assert sorted(done) == sorted(item for own in items for item in own)
    assert len(disk.groups) < 100  # of 200
    by_thread: defaultdict[int, list[int]] = defaultdict(list)
    for group in disk.groups:
        assert len({key(item) for item in group}) == len(group)
        for _, step in group:
            by_thread[step // 100].append(step % 100)
    assert list(by_thread.values()) == [list(range(10))] * 20


@pytest.mark.parametrize(
    "error",
    [StoreError("bad", of_the_data=True), StoreError("away"), ZeroDivisionError()],
    ids=["data", "away", "defect"],
)
def test_an_item_that_the_database_rejects_or_nobody_can_store_fails_alone(error: Exception) -> None:
    disk = Disk(bad={("k3", 3)}, error=error)

    done, failed = submit_all(GroupCommit(disk.commit, key), [[(f"k{number}", number)] for number in range(12)])
    again, none_failed = submit_all(GroupCommit(disk.commit, key), [[("k0", 50)]])

    assert ("k3", 3) in failed
    assert len(done) + len(failed) == 12
    assert failed == [("k3", 3)] or str(error) == "away"  # a database that is away fails the whole group
    assert (again, none_failed) == ([("k0", 50)], [])
