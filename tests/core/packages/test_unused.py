"""Which packages an upgrade removes because it made them unneeded."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given as given_random
from hypothesis import strategies as st

from agent.core.model.facts import Facts
from agent.core.model.kernels import AutoRemovable, Dependency, KernelFacts, NewlyUnneeded
from agent.core.model.package import PackageId
from agent.core.model.waiting import Snooze
from agent.core.packages.unused import removes_unused, unused_packages
from agent.core.policy.policy import Policy, RemoveUnused
from tests.core import given

NEW = RemoveUnused.NEW


def one(package: str, **changes: Any) -> AutoRemovable:
    return replace(AutoRemovable(package=package, architecture="amd64", version="1"), **changes)


def name(package: str) -> PackageId:
    return PackageId(name=package, architecture="amd64")


def machine(*before: str) -> Facts:
    kernels = KernelFacts(
        running="6.1.0-2-amd64", patterns=("linux-.*",), images=(), unneeded=tuple(map(one, before)), needs=()
    )
    return replace(given.facts(), kernels=kernels)


def removed(
    *found: AutoRemovable,
    facts: Facts | None = None,
    needs: tuple[Dependency, ...] = (),
    policy: Policy | None = None,
) -> list[str]:
    unneeded = NewlyUnneeded(packages=found, needs=needs)
    decided = unused_packages(policy or given.policy(remove_unused=NEW), facts or machine(), unneeded)
    return [each.package for each in decided]


def test_what_the_run_makes_unneeded_is_removed_in_the_order_of_names() -> None:
    assert removed(one("b"), one("a")) == ["a", "b"]


@pytest.mark.parametrize(("value", "does"), [(RemoveUnused.NEVER, False), (NEW, True)])
def test_the_policy_decides_whether_anything_is_removed(value: RemoveUnused, *, does: bool) -> None:
    assert removes_unused(given.policy(remove_unused=value)) is does


def snoozed(facts: Facts) -> Facts:
    snooze = Snooze(what="a", until=given.NOW, comment="not now", by="root", at=given.NOW)
    return replace(facts, snoozes=(snooze,))


KEPT: dict[str, Callable[[], list[str]]] = {
    "unneeded before": lambda: removed(one("a"), facts=machine("a")),
    "on hold": lambda: removed(one("a", on_hold=True)),
    "installed by hand": lambda: removed(one("a", automatic=False)),
    "blocklisted": lambda: removed(one("a"), policy=given.policy(remove_unused=NEW, blocklist=("a*",))),
    "not allowlisted": lambda: removed(one("a"), policy=given.policy(remove_unused=NEW, allowlist=("b",))),
    "snoozed": lambda: removed(one("a"), facts=snoozed(machine())),
    "a kernel": lambda: removed(one("linux-image-6.1.0-1-amd64")),
    "the container runtime": lambda: removed(one("containerd.io")),
}


@pytest.mark.parametrize("case", KEPT)
def test_it_stays(case: str) -> None:
    assert KEPT[case]() == []


def test_what_a_package_that_stays_needs_stays_with_all_that_it_needs_in_turn() -> None:
    needs = (
        Dependency(package=name("held"), any_of=(name("lib"),)),
        Dependency(package=name("lib"), any_of=(name("data"),)),
        Dependency(package=name("lib"), any_of=(name("other"), name("elsewhere"))),
    )

    assert removed(one("held", on_hold=True), one("lib"), one("data"), one("other"), needs=needs) == ["other"]


def test_what_was_unneeded_before_keeps_what_it_needs() -> None:
    needs = (Dependency(package=name("old"), any_of=(name("lib"),)),)

    assert removed(one("old"), one("lib"), facts=machine("old"), needs=needs) == []


NAMES = "abcdefgh"


@st.composite
def machines(draw: st.DrawFn) -> tuple[Facts, tuple[AutoRemovable, ...], tuple[Dependency, ...]]:
    """Return facts, unneeded packages of which some are on hold or were unneeded before, and their dependencies."""
    some = st.sets(st.sampled_from(NAMES), max_size=4)
    held, before = draw(some), draw(some)
    found = tuple(one(each, on_hold=each in held) for each in NAMES)
    targets = st.sets(st.sampled_from(NAMES), min_size=1, max_size=3)
    pairs = draw(st.lists(st.tuples(st.sampled_from(f"{NAMES}xy"), targets), max_size=12))
    needs = tuple(Dependency(package=name(who), any_of=tuple(map(name, sorted(any_of)))) for who, any_of in pairs)
    return machine(*before), found, needs


@given_random(machines())
def test_nothing_that_stays_loses_a_dependency(
    world: tuple[Facts, tuple[AutoRemovable, ...], tuple[Dependency, ...]],
) -> None:
    facts, found, needs = world
    going = {name(each) for each in removed(*found, facts=facts, needs=needs)}
    may_go = {each.id for each in found if not each.on_hold} - {each.id for each in facts.kernels.unneeded}

    assert going <= may_go
    assert not any(need.package not in going and going.issuperset(need.any_of) for need in needs)
    assert going == may_go or needs
