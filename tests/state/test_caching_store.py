"""The daemon's store: reads as any other, and parses a document again only after its file changed."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.errors import RecordError
from agent.state.caching_store import CachingStore
from agent.state.store import STATE, Store

SCHEMA = "maestro.state/1"


@pytest.fixture
def store(tmp_path: Path) -> CachingStore:
    return CachingStore(str(tmp_path / "state"))


def write(store: Store, word: object, name: str = STATE) -> None:
    """Replace a document, as another process does."""
    Store(store.directory).write(name, {"schema": SCHEMA, "word": word})


def word(store: Store, name: str = STATE) -> object:
    found = store.read(name, SCHEMA)
    return found.raw["word"] if found else None


def test_an_unchanged_document_is_parsed_once(store: CachingStore) -> None:
    write(store, "one")

    assert store.read(STATE, SCHEMA) is store.read(STATE, SCHEMA)


@pytest.mark.parametrize("second", ["two", "eno"], ids=["another size", "the same size"])
def test_a_replaced_document_is_read_again(store: CachingStore, second: str) -> None:
    write(store, "one")
    before = word(store)
    path = Path(store.path(STATE))
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    write(store, second)
    os.utime(path, ns=times)

    assert (before, word(store)) == ("one", second)


def test_a_removed_document_is_gone_and_comes_back(store: CachingStore) -> None:
    write(store, "one")
    found = [word(store)]
    store.remove(STATE)
    found.append(word(store))
    write(store, "one")
    found.append(word(store))

    assert found == ["one", None, "one"]


@pytest.mark.parametrize("keep", [False, True])
def test_a_document_that_is_damaged_later_is_an_error_each_time(store: CachingStore, *, keep: bool) -> None:
    write(store, "one")
    word(store)
    for _ in range(2):
        Path(store.path(STATE)).write_text("{")
        with pytest.raises(RecordError, match="damaged"):
            store.read(STATE, SCHEMA, keep=keep)
    assert store.has(STATE) is keep


def test_a_document_of_another_schema_is_an_error_although_it_was_read(store: CachingStore) -> None:
    write(store, "one")
    word(store)

    with pytest.raises(RecordError, match="this version of the agent reads"):
        store.read(STATE, "maestro.other/1", keep=True)
    assert word(store) == "one"


def test_what_is_kept_is_bounded_by_the_size_of_the_files(store: CachingStore) -> None:
    for number in range(40):
        write(store, "x" * 20_000, f"document-{number}")
        assert word(store, f"document-{number}")

    kept = [store.read(f"document-{number}", SCHEMA) for number in range(30, 40)]

    assert all(one is store.read(f"document-{30 + at}", SCHEMA) for at, one in enumerate(kept))
    assert sum(os.path.getsize(store.path(name)) for name in store._kept) <= 256 * 1024  # noqa: SLF001 - what is held


def test_a_document_larger_than_the_bound_is_read_each_time(store: CachingStore) -> None:
    write(store, "x" * 300_000)

    assert store.read(STATE, SCHEMA) is not store.read(STATE, SCHEMA)
    assert word(store) == "x" * 300_000


@pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: path.write_text(json.dumps([1]))])
def test_errors_are_those_of_the_other_store(store: CachingStore, change: Callable[[Path], object]) -> None:
    write(store, "one")
    word(store)
    change(Path(store.path(STATE)))
    found = []
    for one in (store, Store(store.directory)):
        try:
            found.append(word(one))
        except RecordError as error:
            found.append(str(error).partition("; it was set aside")[0])
            Path(f"{store.path(STATE)}.unreadable").rename(store.path(STATE))

    assert found[0] == found[1]


def runs(store: CachingStore, *, age_s: float) -> list[str]:
    """Return the ids on record, where the last run was added this long ago."""
    at = time.time() - age_s
    os.utime(store.history_path, (at, at))
    return store.run_ids()


@pytest.fixture
def with_runs(store: CachingStore) -> CachingStore:
    """Return a store with two runs."""
    for name in ("2", "1"):
        write(store, name, f"history/{name}")
    return store


def test_runs_of_a_settled_directory_are_listed_once(with_runs: CachingStore) -> None:
    assert runs(with_runs, age_s=60) == ["2", "1"]
    assert with_runs.run_ids() is with_runs.run_ids()


def test_an_added_run_is_listed_and_a_removed_one_is_not(with_runs: CachingStore) -> None:
    runs(with_runs, age_s=60)
    write(with_runs, "3", "history/3")
    added = runs(with_runs, age_s=50)
    with_runs.remove("history/1")

    assert (added, runs(with_runs, age_s=40)) == (["3", "2", "1"], ["3", "2"])


@pytest.mark.parametrize("age_s", [1, -3600], ids=["just now", "by a clock that was set back"])
def test_runs_are_listed_again_while_another_change_might_not_show(
    with_runs: CachingStore, age_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed_ns = os.stat(with_runs.history_path).st_mtime_ns
    monkeypatch.setattr(time, "time_ns", lambda: changed_ns + age_s * 1_000_000_000)

    assert with_runs.run_ids() == ["2", "1"]
    assert with_runs.run_ids() is not with_runs.run_ids()


def test_without_a_history_there_are_no_runs(store: CachingStore) -> None:
    assert store.run_ids() == []
