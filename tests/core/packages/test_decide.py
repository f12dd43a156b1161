"""Which updates are admitted, which are held and why, and the plan of both."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agent.core.model.facts import Lists, ListsState, Reboot, Repair, Unseen, Update
from agent.core.model.kernels import ObsoleteKernels, Removal
from agent.core.model.package import PackageId
from agent.core.model.plan import Held, Plan, Refusal, Resolution, Why
from agent.core.model.reasons import ReasonCode, text_reason
from agent.core.model.scope import Scope
from agent.core.packages.admission import admit, updates_in_scope
from agent.core.packages.decide import Veto, build_plan, decide
from agent.core.packages.dropped import NOTHING_DROPPED, Dropped
from agent.core.packages.gates.veto import veto
from tests.core import given


def names(items: Any) -> list[str]:
    return [item.package for item in items]


def decided(*updates: Update, scope: Scope = Scope.SECURITY, steps: Any = (), refused: Any = ()) -> Plan:
    facts = given.facts(*updates)
    admission = admit(given.policy(), facts, scope)
    return build_plan(facts, scope, admission, Resolution(steps=tuple(steps), refused=tuple(refused)))


def test_an_update_with_every_gate_open_is_admitted() -> None:
    admission = admit(given.policy(), given.facts(given.update()), Scope.SECURITY)

    assert names(admission.admitted) == ["a"]
    assert admission.held == ()


@pytest.mark.parametrize(
    ("changes", "security", "why", "code", "values"),
    [
        ({"on_hold": True}, {}, Why.HELD_BY_ADMIN, ReasonCode.ON_HOLD, ()),
        ({}, {"blocklist": ("z", "a*")}, Why.BLOCKLISTED, ReasonCode.BLOCKLISTED, ("a*",)),
        ({"package": "runc"}, {}, Why.RUNTIME_MANAGED, ReasonCode.CONTAINER_RUNTIME, ()),
        ({}, {"allowlist": ("y", "z")}, Why.NOT_ALLOWLISTED, ReasonCode.NOT_ALLOWLISTED, ("y, z",)),
        ({"trusted": False}, {}, Why.UNTRUSTED, ReasonCode.NOT_AUTHENTICATED, ("Debian", "stable-security")),
        ({"conflicting_origin": "Other"}, {}, Why.UNTRUSTED, ReasonCode.CONFLICTING_ORIGIN, ("Other", "2")),
        ({"phased": 20}, {}, Why.PHASED, ReasonCode.ROLLOUT, ("20",)),
        ({"phased": 0}, {}, Why.PHASED, ReasonCode.ROLLOUT, ("0",)),
        ({"pin": "pinned to 1 by preferences"}, {}, Why.PINNED, ReasonCode.TEXT, ("pinned to 1 by preferences",)),
    ],
)
def test_a_gate_that_is_shut_holds_the_update_and_says_why(
    changes: dict[str, Any], security: dict[str, Any], why: Why, code: ReasonCode, values: tuple[str, ...]
) -> None:
    subject = given.update(**changes)

    admission = admit(given.policy(**security), given.facts(subject), Scope.SECURITY)

    (held,) = admission.held
    assert admission.admitted == ()
    assert held.why is why
    assert (held.cause.code, held.cause.values) == (code, values)
    assert (held.package, held.architecture, held.installed, held.candidate) == (subject.package, "amd64", "1", "2")


@pytest.mark.parametrize(
    ("pattern", "held"),
    [("libx", True), ("lib*", True), ("*x", True), ("lib?", True), ("li", False), ("libxy", False), ("LIBX", False)],
)
def test_a_blocklist_pattern_matches_the_whole_name(pattern: str, *, held: bool) -> None:
    admission = admit(given.policy(blocklist=(pattern,)), given.facts(given.update("libx")), Scope.SECURITY)

    assert names(admission.held) == (["libx"] if held else [])


def test_an_empty_allowlist_allows_everything() -> None:
    admission = admit(given.policy(allowlist=()), given.facts(given.update("a"), given.update("b")), Scope.SECURITY)

    assert names(admission.admitted) == ["a", "b"]


def test_an_allowlist_admits_only_matching_packages() -> None:
    offered = given.facts(given.update("liba"), given.update("libb"), given.update("c"))

    admission = admit(given.policy(allowlist=("lib*",)), offered, Scope.SECURITY)

    assert names(admission.admitted) == ["liba", "libb"]
    assert names(admission.held) == ["c"]


def test_the_allowlist_does_not_hold_a_dependency() -> None:
    policy = given.policy(allowlist=("a",))
    facts = given.facts(given.update("a"), given.update("lib"), given.update("z"))
    admission = admit(policy, facts, Scope.SECURITY)
    resolution = Resolution(steps=(given.step("a"), given.step("lib")), refused=())

    plan = build_plan(facts, Scope.SECURITY, admission, resolution)

    assert veto(policy, "lib") is None
    assert names(plan.install) == ["a", "lib"]
    assert names(plan.held) == ["z"]


def test_the_security_scope_holds_only_security_updates() -> None:
    offered = given.facts(given.update("a"), given.other("a"), given.other("b"))

    assert updates_in_scope(offered, Scope.SECURITY) == (given.update("a"),)


def test_the_scope_of_all_holds_each_package_once_at_its_highest_version() -> None:
    offered = given.facts(given.other("a"), given.update("a"), given.update("b"), given.other("c"))

    found = admit(given.policy(), offered, Scope.ALL).admitted

    assert sorted((one.package, one.candidate) for one in found) == [("a", "3"), ("b", "2"), ("c", "3")]


def test_a_higher_version_that_is_held_does_not_hide_the_security_update() -> None:
    higher = given.other("a", trusted=False)

    admission = admit(given.policy(), given.facts(higher, given.update("a")), Scope.ALL)

    assert [(one.candidate, one.security) for one in admission.admitted] == [("2", True)]
    assert [(one.candidate, one.why) for one in admission.held] == [("3", Why.UNTRUSTED)]


LOWER = given.other("a", candidate="1.5", archive="stable")
"""What `APT::Default-Release` makes apt's candidate, below the security update."""


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize(
    ("security", "other", "highest"),
    [("2", "1.5", "2"), ("2", "10", "10"), ("3.5.1-1+deb13u2", "3.5.1-1", "3.5.1-1+deb13u2"), ("1:1", "2", "1:1")],
)
def test_the_highest_version_is_admitted_whichever_origin_has_it(
    scope: Scope, security: str, other: str, highest: str
) -> None:
    offered = given.facts(given.other("a", candidate=other), given.update("a", candidate=security))

    (admitted,) = admit(given.policy(), offered, scope).admitted

    assert admitted.candidate == (security if scope is Scope.SECURITY else highest)


def test_a_version_below_the_planned_security_update_is_no_other_update() -> None:
    plan = decided(given.update("a"), LOWER, given.other("b"), steps=[given.step("a")])

    assert [(one.package, one.candidate) for one in plan.others] == [("b", "3")]
    assert decided(given.update("a"), LOWER).others == (LOWER,)


@pytest.mark.parametrize(
    ("refused", "installed", "held"),
    [
        ((), ["3"], []),
        (("3",), ["2"], ["3"]),
        (("2", "3"), ["1.5"], ["2", "3"]),
        (("1.5", "2", "3"), [], ["1.5", "2", "3"]),
    ],
)
def test_the_next_lower_version_is_tried_if_the_resolver_refuses_one(
    refused: tuple[str, ...], installed: list[str], held: list[str]
) -> None:
    broken = Refusal(why=Why.BROKEN_DEPENDENCY, reason=text_reason("needs lib (>= 2)"))

    def resolve(admitted: Sequence[Update], _veto: Veto) -> Resolution:
        steps = (given.step(one.package, candidate=one.candidate) for one in admitted if one.candidate not in refused)
        held = (Held.of(one, broken) for one in admitted if one.candidate in refused)
        return Resolution(steps=tuple(steps), refused=tuple(held))

    facts = given.facts(LOWER, given.update("a"), given.other("a"))
    plan = decide(given.policy(), facts, Scope.ALL, NOTHING_DROPPED, resolve)

    assert [step.candidate for step in plan.install] == installed
    assert sorted(item.candidate for item in plan.held) == held


def test_architectures_of_one_package_are_separate_updates() -> None:
    offered = given.facts(given.update("a"), given.update("a", architecture="i386"))

    assert [one.architecture for one in updates_in_scope(offered, Scope.ALL)] == ["amd64", "i386"]


def test_a_package_that_the_run_dropped_is_held_for_that_reason_only() -> None:
    offered = given.facts(given.update("a", on_hold=True), given.update("a", architecture="i386"), given.update("b"))

    admission = admit(
        given.policy(),
        offered,
        Scope.SECURITY,
        Dropped(
            packages={
                PackageId.parse("a:amd64"): Refusal(why=Why.DOWNLOAD_FAILED, reason=text_reason("404")),
                PackageId.parse("x:amd64"): Refusal(why=Why.PHASED, reason=text_reason("")),
            }
        ),
    )

    assert [(held.package, held.architecture, held.why) for held in admission.held] == [
        ("a", "amd64", Why.DOWNLOAD_FAILED)
    ]
    assert [(one.package, one.architecture) for one in admission.admitted] == [("a", "i386"), ("b", "amd64")]


NOT_FOUND = Refusal(why=Why.DOWNLOAD_FAILED, reason=text_reason("404"))


def dropping(*versions: str) -> tuple[Plan, list[Refusal | None]]:
    """Plan without these of a package's versions 2 and 3; return what vetoes that package as a dependency, too."""
    package, asked = given.update("a").id, list[Refusal | None]()

    def resolve(admitted: Sequence[Update], veto: Veto) -> Resolution:
        asked.append(veto(package))
        steps = (given.step(one.package, candidate=one.candidate, security=one.security) for one in admitted)
        return Resolution(steps=tuple(steps), refused=())

    dropped = Dropped(versions={(package, version): NOT_FOUND for version in versions})
    facts = given.facts(given.update("a"), given.other("a"))
    return decide(given.policy(), facts, Scope.ALL, dropped, resolve), asked


def test_a_version_that_the_run_dropped_does_not_hide_another() -> None:
    plan, asked = dropping("3")

    assert [(step.candidate, step.security) for step in plan.install] == [("2", True)]
    assert [(one.candidate, one.why) for one in plan.held] == [("3", Why.DOWNLOAD_FAILED)]
    assert asked == [None]


def test_a_package_of_which_every_version_is_dropped_is_no_dependency_either() -> None:
    plan, asked = dropping("2", "3")

    assert plan.install == ()
    assert [(one.candidate, one.why) for one in plan.held] == [
        ("3", Why.DOWNLOAD_FAILED),
        ("2", Why.DOWNLOAD_FAILED),
    ]
    assert asked == [NOT_FOUND]


def test_a_plan_is_sorted_by_name_and_architecture() -> None:
    steps = [given.step("b"), given.step("a", architecture="i386"), given.step("a")]
    refused = [given.held("d"), given.held("c")]

    plan = decided(given.update("e", on_hold=True), steps=steps, refused=refused)

    assert [(one.package, one.architecture) for one in plan.install] == [("a", "amd64"), ("a", "i386"), ("b", "amd64")]
    assert names(plan.held) == ["c", "d", "e"]


def test_a_plan_contains_the_observed_facts() -> None:
    stale = Lists(state=ListsState.STALE, updated_at=None)
    reboot = Reboot(required=True, packages=("linux",), since=given.NOW)
    facts = given.facts(lists=stale, repair=(given.REPAIR,), reboot=reboot)

    plan = build_plan(facts, Scope.ALL, admit(given.policy(), facts, Scope.ALL), Resolution(steps=(), refused=()))

    assert (plan.scope, plan.seen_at, plan.lists) == (Scope.ALL, given.NOW, stale)
    assert (plan.repair, plan.reboot) == ((given.REPAIR,), reboot)


def test_a_plan_counts_other_updates_that_it_does_not_contain() -> None:
    offered = [given.update("a"), given.other("a"), given.other("b"), given.other("c")]

    plan = decided(*offered, steps=[given.step("a"), given.step("b", candidate="3", security=False)])

    assert plan.other_updates == 2  # a's higher version, and c


def test_a_plan_counts_those_that_the_plan_of_all_updates_would_hold() -> None:
    offered = [
        given.other("free"),
        given.other("held", on_hold=True),
        given.other("blocked"),
        given.other("part", phased=20),
    ]
    policy = given.policy(blocklist=("blocked",))

    plan = decide(
        policy,
        given.facts(*offered),
        Scope.SECURITY,
        NOTHING_DROPPED,
        lambda _updates, _veto: Resolution(steps=(), refused=()),
    )

    assert (plan.other_updates, plan.other_held) == (4, 3)


def id_of_plan(facts: Any, scope: Scope, *steps: Any) -> str:
    return build_plan(facts, scope, admit(given.policy(), facts, scope), Resolution(steps=steps, refused=())).id


def test_the_same_work_has_the_same_id_at_any_time_and_in_any_order() -> None:
    later = given.facts(seen_at=given.NOW + timedelta(days=1), reboot=Unseen(reason="no /run"))
    first = id_of_plan(given.facts(), Scope.SECURITY, given.step("a"), given.step("b"))

    again = id_of_plan(later, Scope.SECURITY, given.step("b", group=1, download_bytes=0), given.step("a", group=2))

    assert again == first
    assert len(first) == 12
    assert int(first, 16) >= 0


@pytest.mark.parametrize(
    "changes",
    [
        {"package": "b"},
        {"architecture": "i386"},
        {"installed": "0"},
        {"installed": None},
        {"candidate": "3"},
    ],
)
def test_other_steps_change_the_plan_id(changes: dict[str, Any]) -> None:
    first = id_of_plan(given.facts(), Scope.SECURITY, given.step())

    assert id_of_plan(given.facts(), Scope.SECURITY, given.step(**changes)) != first


def test_another_removal_changes_the_plan_id() -> None:
    other = replace(given.REMOVAL, version="2")

    def with_removals(*removals: Removal) -> Plan:
        facts = given.facts()
        admission = admit(given.policy(), facts, Scope.SECURITY)
        found = ObsoleteKernels(remove=removals, kept=(given.REMOVAL,))
        return build_plan(facts, Scope.SECURITY, admission, Resolution(steps=(), refused=()), found)

    assert len({with_removals(*removals).id for removals in ((), (given.REMOVAL,), (other,))}) == 3
    assert with_removals().id == id_of_plan(given.facts(), Scope.SECURITY)
    assert with_removals(other).remove == (other,)
    assert with_removals(other).kept == (given.REMOVAL,)


def test_another_scope_or_repair_changes_the_plan_id() -> None:
    ids = [
        id_of_plan(given.facts(), Scope.SECURITY),
        id_of_plan(given.facts(), Scope.ALL),
        id_of_plan(given.facts(), Scope.SECURITY, given.step()),
        id_of_plan(given.facts(repair=(given.REPAIR,)), Scope.SECURITY),
        id_of_plan(given.facts(repair=(Repair(package="r", architecture="amd64", state="unpacked"),)), Scope.SECURITY),
    ]

    assert len(set(ids)) == len(ids)


def test_an_interrupted_journal_has_the_plan_id_of_earlier_versions() -> None:
    """They listed the journal as a package among the repairs, sorted with them."""
    repairs = tuple(Repair(package=name, architecture="amd64", state="unpacked") for name in ("r", "dpkg", "a"))
    text = "security\na:amd64 unpacked\ndpkg: interrupted\ndpkg:amd64 unpacked\nr:amd64 unpacked"

    found = id_of_plan(given.facts(repair=repairs, journal=True), Scope.SECURITY)

    assert found == hashlib.sha256(text.encode()).hexdigest()[:12]
    assert found != id_of_plan(given.facts(repair=repairs), Scope.SECURITY)


def test_a_package_that_failed_does_not_veto_its_other_architecture() -> None:
    foreign = given.update("a", architecture="i386")
    failed = Refusal(why=Why.FAILED_BEFORE, reason=text_reason("exit 1"))
    dropped = Dropped(packages={foreign.id: failed})

    def resolve(admitted: Sequence[Update], veto: Veto) -> Resolution:
        allowed = [update for update in admitted if veto(update.id) is None]
        assert veto(foreign.id) == failed
        return Resolution(steps=tuple(given.step(update.package) for update in allowed), refused=())

    plan = decide(given.policy(), given.facts(given.update("a"), foreign), Scope.SECURITY, dropped, resolve)

    assert [str(step.id) for step in plan.install] == ["a:amd64"]
    assert [(str(held.id), held.why) for held in plan.held] == [("a:i386", Why.FAILED_BEFORE)]
