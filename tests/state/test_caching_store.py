"""The daemon's store: reads as any other, and parses a document again only after its file changed."""

import json
import os
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
