"""A transaction is made ready before dpkg's locks are taken: whatever changes until then counts all the same."""

import pytest

from tests.machines.test_upgrade_hooks import add
from tests.support.repository import package
from tests.support.scenario import Scenario, names, reasons

NOTE = """
_take = PreparedEarly.take


def _noted(self):
    found = _take(self)
    with open("/taken", "a") as file:
        file.write("no " if found is None else "yes ")
    return found


PreparedEarly.take = _noted
"""
"""Notes on the machine whether what was made ready without the locks is used."""
LATE = "pre-upgrade.d/10-late"
"""Runs after the downloads, when the cache that the transaction takes over is open and marked."""


@pytest.fixture
def server(host: Scenario) -> Scenario:
    """Return a machine with two pending updates."""
    host.offer("security", package("a", "2"), package("b", "2"))
    return host


@pytest.fixture
def noted(server: Scenario) -> Scenario:
    """Return the same machine, which notes whether what was made ready without the locks is used."""
    file = server.machine.path("/usr/share/maestro-agent/agent/host/apt/prepared.py")
    file.write_text(file.read_text() + NOTE)
    return server


def used(host: Scenario) -> str:
    """Return it for each transaction."""
    return host.machine.path("/taken").read_text()


@pytest.mark.every_release
def test_what_was_made_ready_before_the_locks_is_used(noted: Scenario) -> None:
    done = noted.upgrade()

    assert (done.code, used(noted), noted.versions("a", "b")) == (0, "yes ", {"a": "2", "b": "2"})


def test_it_is_made_ready_again_after_a_change(noted: Scenario) -> None:
    add(noted, LATE, "touch /etc/apt/preferences.d/new.pref")

    done = noted.upgrade()

    assert (done.code, used(noted), noted.versions("a", "b")) == (0, "no ", {"a": "2", "b": "2"})


@pytest.mark.every_release
def test_a_hold_that_comes_after_the_download_is_kept(server: Scenario) -> None:
    add(server, LATE, "apt-mark hold a >/dev/null")

    done = server.upgrade()

    assert (reasons(done.json), server.versions("a", "b")) == ({"a": "held-by-admin"}, {"a": "1", "b": "2"})


def test_an_update_whose_source_is_gone_after_the_download_is_not_installed(server: Scenario) -> None:
    add(server, LATE, "rm /etc/apt/sources.list.d/security.list")

    server.upgrade()

    assert server.versions("a", "b") == {"a": "1", "b": "1"}


def test_an_auto_mark_that_changes_after_the_download_stays(server: Scenario) -> None:
    add(server, LATE, "apt-mark auto b >/dev/null")

    done = server.upgrade()

    assert (done.code, names(done.json["upgraded"])) == (0, ["a", "b"])
    assert server.machine.check("apt-mark showauto b") == "b\n"


@pytest.mark.every_release
def test_auto_marks_are_as_before(server: Scenario) -> None:
    server.machine.check("apt-mark auto b")
    before = server.machine.check("apt-mark showauto")

    server.upgrade()

    assert server.machine.check("apt-mark showauto") == before


def test_a_package_that_was_installed_after_the_download_is_planned_again(server: Scenario) -> None:
    add(server, LATE, "dpkg -i /srv/security/pool/a_2_*.deb >/dev/null")

    done = server.upgrade()

    assert (done.code, names(done.json["failed"])) == (0, [])
    assert server.versions("a", "b") == {"a": "2", "b": "2"}


@pytest.mark.every_release
def test_an_archive_that_is_gone_after_the_download_is_fetched_again(host: Scenario) -> None:
    host.machine.write("/etc/apt/apt.conf.d/99copy", 'Dir::Cache::archives "/srv/archives/";\n')
    host.machine.check("mkdir -p /srv/archives/partial")
    host.offer("security", package("a", "2"))
    host.machine.check("sed -i s,file:/,copy:///, /etc/apt/sources.list.d/security.list")
    add(host, LATE, "rm -f /srv/archives/*.deb")

    done = host.upgrade()

    assert (done.code, host.versions("a")) == (0, {"a": "2"})
