"""The line of `history ID` that takes a run back is run for real."""

import re
from typing import Any

import pytest

from tests.support.repository import Package, package
from tests.support.scenario import Scenario, names

COMMAND = re.compile(r"To undo it: `(apt-get install [^`]*)`")


def siblings(version: str) -> tuple[Package, ...]:
    """Return packages of one source that require each other's exact version; `passwd` looks like a credential."""
    exact = f"common (= {version})"
    return (
        package("app", version, depends=f"{exact}, passwd-tool (= {version})"),
        package("common", version, breaks=f"app (<< {version}), app (>> {version})"),
        package("passwd-tool", version, depends=exact),
    )


def run_back(host: Scenario) -> None:
    command = COMMAND.search(host.agent("history last").out)
    assert command is not None, host.agent("history last").out
    host.machine.check(f"{command[1]} --assume-yes")


OLD, NEW = "1:1-1+deb1", "1:1-1+deb2"


@pytest.mark.every_release
def test_packages_that_require_each_others_version_are_taken_back_together(host: Scenario) -> None:
    host.install(*siblings(OLD), package("passwd", "1:99-1", architecture="amd64"), package("other", "1"))
    main = (*siblings(OLD), package("passwd", "1:99-1", architecture="amd64"), package("other", "2"))
    host.repository("main", *main)
    new = (*siblings(NEW), package("passwd", "1:99-2", architecture="amd64"))
    host.repository("security", *new)

    done = host.upgrade()
    run_back(host)

    assert names(done.json["upgraded"]) == ["app", "common", "passwd-tool", "passwd"]
    assert host.versions("app", "common", "passwd-tool") == dict.fromkeys(("app", "common", "passwd-tool"), OLD)
    assert host.versions("passwd", "other") == {"passwd": "1:99-1", "other": "1"}


def upgrade_in_two_runs(host: Scenario, *kept: Package) -> Any:
    """Upgrade `common`, and in a second run `app`, which could not be unpacked; return the second run.

    `kept` are the old versions that a source still offers.
    """
    host.install(*pair(OLD))
    host.repository("main", *kept)
    host.repository("security", *pair(NEW))
    host.machine.check("touch /srv/fail")
    failed = host.upgrade()
    host.machine.check("rm /srv/fail")
    done = host.upgrade()

    assert (failed.code, names(failed.json["upgraded"]), names(done.json["upgraded"])) == (1, ["common"], ["app"])
    return done.json


def pair(version: str) -> tuple[Package, ...]:
    """Return two packages of which the first requires the exact version of the second."""
    app = package("app", version, depends=f"common (= {version})", preinst="[ ! -e /srv/fail ]")
    return app, package("common", version)


@pytest.mark.every_release
def test_a_sibling_that_an_earlier_run_upgraded_is_taken_back_too(host: Scenario) -> None:
    upgrade_in_two_runs(host, *pair(OLD))

    run_back(host)

    assert host.versions("app", "common") == {"app": OLD, "common": OLD}


def test_a_sibling_whose_old_version_is_gone_is_an_obstacle(host: Scenario) -> None:
    done = upgrade_in_two_runs(host, *pair(OLD)[:1])

    assert done["undo"] == {"command": None, "obstacle": "the old versions do not fit the other installed packages"}


@pytest.mark.every_release
def test_a_new_dependency_and_another_architecture_are_taken_back(host: Scenario) -> None:
    def pair(version: str) -> tuple[Package, ...]:
        return tuple(
            Package(name="lib", version=version, architecture=one, fields=(("Multi-Arch", "same"),))
            for one in ("amd64", "i386")
        )

    host.machine.check("dpkg --add-architecture i386")
    host.install(*pair("1"), package("a", "1"))
    host.repository("main", *pair("1"), package("a", "1"))
    host.repository("security", *pair("2"), package("a", "2", depends="n"), package("n", "1"))
    host.machine.check("sed -i 's/arch=amd64/arch=amd64,i386/' /etc/apt/sources.list.d/*.list")

    done = host.upgrade()
    run_back(host)

    assert (len(done.json["upgraded"]), names(done.json["new"])) == (3, ["n"])
    assert host.versions("a", "n", "lib:amd64", "lib:i386") == {"a": "1", "n": None, "lib:amd64": "1", "lib:i386": "1"}


def test_a_version_that_no_source_offers_any_more_cannot_be_taken_back(host: Scenario) -> None:
    host.offer("security", package("a", "2"), package("b", "2"))
    host.repository("main", package("a", "1"))

    undo = host.upgrade().json["undo"]

    assert undo == {"command": None, "obstacle": "no package source offers b 1 any more"}
    assert undo["obstacle"] in host.agent("history last").out


def test_a_run_that_removed_a_package_cannot_be_taken_back(host: Scenario) -> None:
    owner = Package(name="old", version="1", files=(("/usr/share/taken-over", "x"),))
    host.install(package("a", "1"), owner)
    taker = Package(name="a", version="2", files=owner.files, fields=(("Replaces", "old"),))
    host.repository("security", taker)
    host.repository("main", package("a", "1"))

    done = host.upgrade()

    assert done.json["removed"] == ["old:amd64"]
    assert done.json["undo"] == {"command": None, "obstacle": "the run removed old"}


def test_a_run_that_upgraded_nothing_has_nothing_to_take_back(host: Scenario) -> None:
    host.repository("security")

    assert "undo" not in host.upgrade().json
    assert "undo" not in host.agent("history last").out
