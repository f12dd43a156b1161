"""`upgrade PACKAGE…` with real apt and dpkg: the smallest part of the plan that breaks nothing, and nothing else."""

from typing import Any

import pytest

from tests.support.repository import Package
from tests.support.scenario import Answer, Scenario, names

PLAIN = ("x", "y")
"""Packages that nothing relates to the requested ones."""


def package(name: str, version: str = "2", **fields: str) -> Package:
    pairs = ((key.title().replace("_", "-"), value) for key, value in fields.items())
    return Package(name=name, version=version, fields=tuple(pairs))


def two_versions(host: Scenario, *pairs: tuple[Package, Package]) -> None:
    """Install the first of each pair, and publish the second; and two updates that nobody asks for."""
    others = [(package(name, "1"), package(name)) for name in PLAIN]
    host.install(*(old for old, _ in (*pairs, *others)))
    host.repository("security", *(new for _, new in (*pairs, *others)))


def upgraded(done: Answer) -> list[str]:
    assert done.code == 0, done.err
    return sorted(names(done.json["upgraded"]) + names(done.json["new"]))


@pytest.mark.every_release
def test_a_strict_sibling_goes_with_a_requested_package(host: Scenario) -> None:
    """As nginx and nginx-common: either alone would break the other."""
    two_versions(
        host,
        (package("common", "1"), package("common")),
        (package("server", "1", depends="common (= 1)"), package("server", depends="common (= 2)")),
    )

    assert upgraded(host.upgrade("common")) == ["common", "server"]
    assert host.versions("x", "y") == {"x": "1", "y": "1"}


def test_a_strict_sibling_goes_along_from_the_other_side(host: Scenario) -> None:
    two_versions(
        host,
        (package("common", "1"), package("common")),
        (package("server", "1", depends="common (= 1)"), package("server", depends="common (= 2)")),
    )

    assert upgraded(host.upgrade("server")) == ["common", "server"]


def test_a_loose_dependency_stays(host: Scenario) -> None:
    two_versions(
        host, (package("lib", "1"), package("lib")), (package("a", "1", depends="lib"), package("a", depends="lib"))
    )

    assert upgraded(host.upgrade("a")) == ["a"]
    assert upgraded(host.upgrade("lib")) == ["lib"]


def test_a_whole_chain_of_needs_goes_along(host: Scenario) -> None:
    two_versions(
        host,
        (package("one", "1"), package("one", depends="two (>= 2)")),
        (package("two", "1"), package("two", pre_depends="three (>= 2)")),
        (package("three", "1"), package("three")),
    )

    assert upgraded(host.upgrade("one")) == ["one", "three", "two"]


def test_a_new_dependency_goes_along_and_only_the_one_that_is_needed(host: Scenario) -> None:
    host.install(package("a", "1"), package("b", "1"))
    host.repository(
        "security",
        package("a", depends="new-a"),
        package("b", depends="new-b"),
        package("new-a"),
        package("new-b"),
    )

    done = host.upgrade("a")

    assert upgraded(done) == ["a", "new-a"]
    assert host.versions("b", "new-b") == {"b": "1", "new-b": None}


def test_a_package_that_the_requested_one_breaks_goes_along(host: Scenario) -> None:
    two_versions(
        host,
        (package("a", "1"), package("a", breaks="b (<< 2)")),
        (package("b", "1"), package("b")),
    )

    assert upgraded(host.upgrade("a")) == ["a", "b"]


def test_a_package_whose_provider_changes_goes_along(host: Scenario) -> None:
    two_versions(
        host,
        (package("abi", "1", provides="abi-1"), package("abi", provides="abi-2")),
        (package("user", "1", depends="abi-1"), package("user", depends="abi-2")),
    )

    assert upgraded(host.upgrade("abi")) == ["abi", "user"]
    assert host.versions("x", "y") == {"x": "1", "y": "1"}


def test_both_architectures_of_a_pair_go_together(host: Scenario) -> None:
    host.machine.check("dpkg --add-architecture i386")
    both = ("amd64", "i386")
    old = [Package(name="lib", version="1", architecture=one, fields=(("Multi-Arch", "same"),)) for one in both]
    new = [Package(name="lib", version="2", architecture=one, fields=(("Multi-Arch", "same"),)) for one in both]
    host.install(*old, package("x", "1"))
    host.repository("security", *new, package("x"))
    host.machine.check("sed -i 's/arch=amd64/arch=amd64,i386/' /etc/apt/sources.list.d/*.list")

    done = host.upgrade("lib:i386")

    assert done.code == 0, done.err
    assert {(one["package"], one["architecture"]) for one in done.json["upgraded"]} == {("lib", one) for one in both}
    assert host.versions("x") == {"x": "1"}


def test_the_rest_follows_with_the_next_run(host: Scenario) -> None:
    two_versions(host, (package("a", "1"), package("a")))

    limited = host.upgrade("a").json
    status = host.agent("status --json")
    whole = host.upgrade()

    assert limited["requested"] == ["a"]
    assert (status.code, names(status.json["plan"]["install"])) == (10, ["x", "y"])
    assert status.json["last_run"]["requested"] == ["a"]
    assert upgraded(whole) == ["x", "y"]
    assert "requested" not in whole.json


def test_a_dry_run_and_its_plan_are_limited_alike(host: Scenario) -> None:
    two_versions(host, (package("a", "1"), package("a")))
    host.check()

    plan = host.agent("upgrade a --dry-run --json").json
    done = host.upgrade(f"a --plan {plan['id']}")

    assert (names(plan["install"]), plan["requested"]) == (["a"], ["a"])
    assert upgraded(done) == ["a"]


@pytest.mark.parametrize(
    ("requested", "code", "reason"),
    [
        ("enginy", 2, "did you mean engine"),
        ("engine:riscv64", 2, "engine:riscv64"),
        ("new", 2, "not installed"),
        ("current", 1, "current"),
        ("kept", 10, "`apt-mark unhold kept`"),
        ("ordinary", 1, "not a security update"),
        ("engine kept", 10, "`apt-mark unhold kept`"),
        ("engine current kept enginy", 2, "enginy"),
        ("'../x' engine", 2, "no package of that name"),
    ],
)
def test_a_name_that_is_not_in_the_plan_does_nothing(host: Scenario, requested: str, code: int, reason: str) -> None:
    host.install(*(package(name, "1") for name in ("engine", "current", "kept", "ordinary")))
    host.repository("security", package("engine"), package("kept"), package("new"))
    host.repository("main", package("ordinary"))
    host.machine.check("apt-mark hold kept")

    done = host.agent(f"upgrade --json {requested}")

    assert done.code == code
    assert reason in done.out + done.err
    assert host.versions("engine") == {"engine": "1"}
    assert host.agent("history --json").json["runs"] == []


def test_a_traceback_is_never_the_answer_to_a_name(host: Scenario) -> None:
    host.offer("security", package("a"))
    requested: list[Any] = ["''", "$'a\\x01'", "$'\\xff\\xfe'", "a:", ":a", "'a b'", "A", "'*'"]

    for one in requested:
        assert host.agent(f"upgrade {one}").code == 2, one
    assert host.agent("upgrade -- -o").code == 2
