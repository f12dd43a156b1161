"""Every message names a package of another architecture as `name:architecture`, and its advice works."""

import re

import pytest

from tests.support.repository import Package
from tests.support.scenario import Answer, Scenario, reasons

BARE = re.compile(r"\blib(?![\w:.-])")
"""The package without its architecture."""


def lib(version: str, architecture: str, **scripts: str) -> Package:
    return Package(
        name="lib", version=version, architecture=architecture, fields=(("Multi-Arch", "same"),),
        scripts=tuple(scripts.items()),
    )  # fmt: skip


def foreign(version: str, name: str = "tool", *fields: tuple[str, str], **scripts: str) -> Package:
    return Package(
        name=name,
        version=version,
        architecture="i386",
        fields=(("Depends", "lib"), *fields),
        scripts=tuple(scripts.items()),
    )


def offer(host: Scenario, *packages: Package) -> None:
    """Install a pair and a package of i386 at version 1, and offer these."""
    host.machine.check("dpkg --add-architecture i386")
    host.install(lib("1", "amd64"), lib("1", "i386"), foreign("1"))
    host.repository("security", *packages)
    host.machine.check("sed -i 's/arch=amd64/arch=amd64,i386/' /etc/apt/sources.list.d/*.list")


@pytest.mark.every_release
def test_a_hold_on_one_of_a_pair_is_opened_by_the_advice(host: Scenario) -> None:
    offer(host, lib("2", "amd64"), lib("2", "i386"))
    host.machine.check("apt-mark hold lib:i386")

    held = host.upgrade()
    advice = {name: host.agent(f"explain --json {name}").json for name in ("lib", "lib:i386")}
    opens = {gate["opens"] for one in advice.values() for gate in one["gates"] if gate["verdict"] == "shut"}

    assert {(one["architecture"], one["why"]) for one in held.json["held"]} == {
        ("amd64", "held-by-admin"),
        ("i386", "held-by-admin"),
    }
    assert opens == {"apt-mark unhold lib:i386"}
    host.machine.check(*opens)
    assert host.upgrade().json["result"] == "updated"


def shown(host: Scenario) -> list[Answer]:
    """Return every screen."""
    commands = ("check --no-refresh -v", "status", "history last", "history", "explain tool:i386")
    return [host.agent(command) for command in commands]


@pytest.mark.every_release
def test_a_failure_and_a_repair_name_the_architecture(host: Scenario) -> None:
    offer(host, foreign("2", postinst="test -e /fixed"))

    first = host.agent("upgrade")
    screens = [first, *shown(host)]
    host.machine.write("/fixed", "")
    screens.append(host.agent("upgrade"))

    assert [one.out for one in screens if re.search(r"\btool(?![:\w.-])", one.out)] == []
    assert "tool:i386 (configure)" in first.out
    assert "tool:i386" in screens[-1].out


def test_a_need_names_the_architecture(host: Scenario) -> None:
    offer(host, foreign("2", "tool", ("Pre-Depends", "lib (>= 2)")))

    plan = host.check()

    assert reasons(plan) == {"tool": "broken-dependency"}
    assert "needs lib:i386 (>= 2)" in plan["held"][0]["detail"]
    assert [one.out for one in shown(host) if BARE.search(one.out)] == []


def test_a_conffile_prompt_names_the_architecture(host: Scenario) -> None:
    def conf(version: str) -> Package:
        return Package(
            name="conf", version=version, architecture="i386", files=(("/etc/conf.ini", version),),
            conffiles=("/etc/conf.ini",),
        )  # fmt: skip

    offer(host, conf("2"))
    host.install(conf("1"))
    host.machine.write("/etc/conf.ini", "mine\n")
    host.configuration('[security]\nconffiles = "hold"\n')

    assert "apt-get install conf:i386" in host.upgrade().json["held"][0]["detail"]
