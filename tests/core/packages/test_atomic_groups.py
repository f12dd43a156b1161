"""Atomic groups: all pending updates of a group are in the plan, or none is."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from agent.core.frozen import replace
from agent.core.model.facts import Update
from agent.core.model.plan import Blocker, Held, Plan, Refusal, Resolution, Why
from agent.core.model.reasons import text_reason
from agent.core.model.scope import Scope
from agent.core.packages.atomic_groups import AtomicGroup, held_with_group
from agent.core.packages.decide import Veto, decide
from agent.core.packages.dropped import NOTHING_DROPPED
from tests.core import given

PAIR = AtomicGroup(name="pair", packages=frozenset({"engine", "shim"}), why=Why.RUNTIME_MANAGED)
BROKEN = Refusal(why=Why.BROKEN_DEPENDENCY, reason=text_reason("needs lib (>= 2)"))


def decided(
    *updates: Update,
    refused: Sequence[str] = (),
    groups: tuple[AtomicGroup, ...] = (PAIR,),
    scope: Scope = Scope.SECURITY,
) -> Plan:
    """Return the plan of these updates; the resolver refuses the named packages, and vetoed ones."""

    def resolve(admitted: Sequence[Update], veto: Veto) -> Resolution:
        found = {update: BROKEN if update.package in refused else veto(update.id) for update in admitted}
        return Resolution(
            steps=tuple(
                given.step(update.package, candidate=update.candidate)
                for update, refusal in found.items()
                if refusal is None
            ),
            refused=tuple(Held.of(update, refusal) for update, refusal in found.items() if refusal is not None),
        )

    return decide(given.policy(), given.facts(*updates), scope, NOTHING_DROPPED, resolve, groups)


ALL = [given.update("a"), given.update("engine"), given.update("shim")]


def test_a_group_of_which_nothing_is_held_is_installed() -> None:
    assert [step.package for step in decided(*ALL).install] == ["a", "engine", "shim"]


@pytest.mark.parametrize("refused", ["engine", "shim"])
def test_a_package_that_the_resolver_refuses_holds_its_whole_group(refused: str) -> None:
    plan = decided(*ALL, refused=[refused])

    assert [step.package for step in plan.install] == ["a"]
    assert {held.package: held.why for held in plan.held} == {
        "engine": Why.RUNTIME_MANAGED,
        "shim": Why.RUNTIME_MANAGED,
        refused: Why.BROKEN_DEPENDENCY,
    }


def test_a_package_that_a_gate_holds_holds_its_whole_group() -> None:
    plan = decided(given.update("a"), given.update("engine", on_hold=True), given.update("shim"))

    assert [step.package for step in plan.install] == ["a"]
    assert {held.package: held.why for held in plan.held} == {
        "engine": Why.HELD_BY_ADMIN,
        "shim": Why.RUNTIME_MANAGED,
    }
    assert {held.package: held.blocker for held in plan.held} == {
        "engine": None,
        "shim": Blocker(package="engine", why=Why.HELD_BY_ADMIN),
    }


@pytest.mark.parametrize(
    ("days", "released"),
    [((7,), 7), ((3, 7), 7), ((7, 3), 7), ((3, None), None), ((None,), None)],
    ids=["at-a-time", "the-last", "whichever-is-named", "one-is-not-by-itself", "not-by-itself"],
)
def test_the_rest_of_a_group_is_held_until_the_last_held_package_of_it_is_released(
    days: Sequence[int | None], released: int | None
) -> None:
    times = [given.NOW + timedelta(days=day) if day is not None else None for day in days]
    group = replace(PAIR, packages=frozenset({"engine", "shim", "tool"}))
    held = [
        Held.of(given.update(package), Refusal(why=Why.SOAKING, reason=text_reason("soaks"), until=time))
        for package, time in zip(("engine", "shim"), times, strict=False)
    ]

    (refusal,) = held_with_group([group], held, [given.update("tool")]).values()

    assert refusal.until == (given.NOW + timedelta(days=released) if released is not None else None)


def test_without_a_group_a_refused_package_holds_no_other() -> None:
    plan = decided(*ALL, refused=["engine"], groups=())

    assert [step.package for step in plan.install] == ["a", "shim"]


def test_a_held_version_of_a_package_that_comes_in_another_splits_no_group() -> None:
    plan = decided(*ALL, given.other("engine", trusted=False), scope=Scope.ALL)

    assert [(step.package, step.candidate) for step in plan.install] == [("a", "2"), ("engine", "2"), ("shim", "2")]
    assert [(held.package, held.candidate, held.why) for held in plan.held] == [("engine", "3", Why.UNTRUSTED)]


def test_a_package_of_which_every_version_is_held_holds_its_group() -> None:
    held = (given.update("engine", on_hold=True), given.other("engine", on_hold=True))

    plan = decided(*held, given.update("shim"), scope=Scope.ALL)

    assert plan.install == ()
    assert [(one.package, one.candidate, one.why) for one in plan.held] == [
        ("engine", "3", Why.HELD_BY_ADMIN),
        ("engine", "2", Why.HELD_BY_ADMIN),
        ("shim", "2", Why.RUNTIME_MANAGED),
    ]
