"""What was made ready before dpkg's locks were taken is used only if all is as it was."""

from pathlib import Path
from typing import Any, cast

import pytest

from agent.core.model.package import PackageId
from agent.errors import ChangedError
from agent.host.apt import prepared
from agent.host.apt.cache import PackageCache
from agent.host.apt.prepared import Beforehand, Prepared, PreparedEarly

CACHE = cast(PackageCache, object())


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the one archive of a transaction that libapt can make ready."""
    file = tmp_path / "a_2_amd64.deb"
    file.write_bytes(b"archive")
    package = PackageId(name="a", architecture="amd64")
    ready = Prepared(manager=cast(Any, None), archives={str(file): package}, cache=CACHE)
    monkeypatch.setattr(prepared, "prepare", lambda *_: ready)
    return file


def early(*basis: str, opened_basis: str = "one") -> PreparedEarly:
    """Make a transaction ready on an open cache; `basis` are the digests of afterwards, in turn."""
    digests = iter(basis)
    before = Beforehand(basis=lambda: next(digests), opened=CACHE, opened_basis=opened_basis)
    return PreparedEarly(before, lambda _: None, [])


@pytest.mark.usefixtures("archive")
def test_it_is_used_once_if_nothing_changed() -> None:
    transaction = early("one", "one")

    assert (transaction.take() is not None, transaction.take()) == (True, None)


@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize("now", ["two", ""])
def test_it_is_not_used_if_anything_changed_or_cannot_be_read(now: str) -> None:
    assert early(now).take() is None


@pytest.mark.usefixtures("archive")
def test_it_is_not_used_if_nothing_was_known_before() -> None:
    assert early("", opened_basis="").take() is None


def test_it_is_not_used_without_its_archive(archive: Path) -> None:
    transaction = early("one")
    archive.unlink()

    assert transaction.take() is None


def test_it_is_not_used_with_another_file_in_place_of_the_archive(archive: Path) -> None:
    transaction = early("one")
    archive.rename(archive.with_suffix(".old"))
    archive.write_bytes(b"ARCHIVE")

    assert transaction.take() is None


def test_what_fails_before_the_locks_is_left_to_the_attempt_under_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Prepared:
        raise ChangedError("another program is at work")

    monkeypatch.setattr(prepared, "prepare", fail)

    assert early("one").take() is None


def test_a_cache_is_opened_only_if_the_digest_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "PackageCache", lambda: pytest.fail("opened"))

    assert PreparedEarly(Beforehand(basis=lambda: ""), lambda _: None, []).take() is None
