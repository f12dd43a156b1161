"""Which packages dpkg has left unfinished: every state that dpkg has."""

from pathlib import Path

import pytest

from agent.core.model.facts import Unseen
from agent.host.dpkg.unfinished import unfinished_packages

_STATES = [
    ("install ok installed", False),
    ("hold ok installed", False),
    ("deinstall ok config-files", False),
    ("purge ok not-installed", False),
    ("install ok half-installed", True),
    ("install ok unpacked", True),
    ("install ok half-configured", True),
    ("install ok triggers-awaited", True),
    ("install ok triggers-pending", True),
    ("install reinstreq installed", True),
    ("install reinstreq half-installed", True),
]


def database(directory: Path, *stanzas: str) -> str:
    (directory / "status").write_text("\n".join(stanzas))
    return str(directory)


def stanza(name: str, status: str) -> str:
    return (
        f"Package: {name}\nStatus: {status}\nPriority: optional\nDescription: one\n of several lines\n .\n Status: no\n"
    )


@pytest.mark.parametrize(("status", "unfinished"), _STATES, ids=[status for status, _ in _STATES])
def test_every_state_of_dpkg(tmp_path: Path, status: str, *, unfinished: bool) -> None:
    directory = database(
        tmp_path, stanza("a", "install ok installed"), stanza("b", status), stanza("c", "hold ok installed")
    )

    assert unfinished_packages(directory) == (("b",) if unfinished else ())


def test_packages_are_named_once_and_sorted(tmp_path: Path) -> None:
    broken = [stanza(name, "install ok unpacked") for name in ("z", "b", "a", "b")]

    assert unfinished_packages(database(tmp_path, *broken)) == ("a", "b", "z")


def test_the_journal_of_an_interrupted_dpkg_is_unfinished_work(tmp_path: Path) -> None:
    directory = database(tmp_path, stanza("a", "install ok installed"))
    (tmp_path / "updates").mkdir()
    (tmp_path / "updates" / "tmp.i").touch()
    assert unfinished_packages(directory) == ()

    (tmp_path / "updates" / "0001").touch()
    assert unfinished_packages(directory) == ("dpkg's journal",)


def test_a_database_that_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    assert isinstance(unfinished_packages(str(tmp_path)), Unseen)


def test_a_package_without_a_status_is_none_of_the_next_one(tmp_path: Path) -> None:
    directory = database(tmp_path, "Package: odd\nVersion: 1\n", stanza("b", "install ok unpacked"))

    assert unfinished_packages(directory) == ("b",)
