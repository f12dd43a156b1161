"""Which packages dpkg has left unfinished: every state that dpkg has."""

import os
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from agent.core.model.facts import Unseen
from agent.host.dpkg.at_work import may_be_at_work
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


_POSTINST = """#!/bin/sh
echo begun > "$MARKS/begun"
timeout 60 cat "$MARKS/end" > /dev/null
"""


def at_work(admin: Path, *minutes_later: int) -> list[bool]:
    """Return whether dpkg may be at work, seen now and later if its database stays as it is."""
    now = datetime.now(timezone.utc)
    return [may_be_at_work(now + timedelta(minutes=later), str(admin)) for later in minutes_later]


def test_a_real_dpkg_is_seen_at_work_until_its_database_has_settled(tmp_path: Path) -> None:
    build, admin = tmp_path / "build" / "DEBIAN", tmp_path / "admin"
    build.mkdir(parents=True)
    for directory in (admin, admin / "updates", admin / "info"):
        directory.mkdir()
    (admin / "status").touch()
    control = "Package: a\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.org>\nDescription: a\n"
    (build / "control").write_text(control)
    (build / "postinst").write_text(_POSTINST)
    (build / "postinst").chmod(0o755)
    for fifo in ("begun", "end"):
        os.mkfifo(tmp_path / fifo)
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", build.parent, tmp_path / "a.deb"], check=True)
    options = [f"--admindir={admin}", "--log=/dev/null", "--force-not-root,bad-path"]
    environment = {**os.environ, "MARKS": str(tmp_path)}
    with subprocess.Popen(["dpkg", *options, "-i", tmp_path / "a.deb"], env=environment) as dpkg:
        assert (tmp_path / "begun").read_text() == "begun\n"
        during = at_work(admin, 0, 10, 50, 70)
        (tmp_path / "end").write_text("")
        assert dpkg.wait(60) == 0
    after = at_work(admin, 0, 10)

    assert during == [True, True, True, False], "its script may run for an hour; after that it may have been killed"
    assert after == [True, False]


def test_what_an_interrupted_dpkg_left_is_no_work_for_ever(tmp_path: Path) -> None:
    (tmp_path / "updates").mkdir()
    (tmp_path / "updates" / "0000").touch()
    now = datetime.now(timezone.utc)

    found = [may_be_at_work(now + timedelta(hours=hours), str(tmp_path)) for hours in (-1, 0, 2)]

    assert found == [False, True, False], "a time ahead is of a clock that was set back"


def test_without_a_database_no_dpkg_is_at_work(tmp_path: Path) -> None:
    assert not may_be_at_work(datetime.now(timezone.utc), str(tmp_path / "missing"))
