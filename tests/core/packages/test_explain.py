"""Why a package is or is not upgraded: every gate with its verdict."""

from dataclasses import replace
from typing import Any

import pytest

from agent.core.model.facts import (
    UNMET_DEPENDENCIES,
    Facts,
    Lists,
    ListsState,
    Repair,
    SourceError,
    SourceFault,
)
from agent.core.model.plan import Blocker, Plan, Why
from agent.core.model.reasons import Reason, ReasonCode, text_reason
from agent.core.packages.explain import Conclusion, Explanation, GateReport, GateVerdict, Opener, explain_package
from agent.core.packages.gates.registry import GATES
from agent.core.policy.policy import Conffiles, SoakPolicy
from tests.core import given

NEEDED = text_reason("needs lib (>= 2), but lib is on hold")
STALE, NEVER, PARTIAL = (
    Lists(state=state, updated_at=None) for state in (ListsState.STALE, ListsState.NEVER, ListsState.PARTIAL)
)


def explained(
    facts: Facts, *, plan: Plan | None = None, known: dict[str, Any] | None = None, **security: Any
) -> Explanation:
    return explain_package(given.policy(**security), facts, plan or given.plan(), given.known(**(known or {})))


def gate(explanation: Explanation, name: str) -> GateReport:
    return next(gate for gate in explanation.gates if gate.name == name)


def test_an_update_that_would_be_installed_has_every_gate_open() -> None:
    explanation = explained(given.facts(given.update()), plan=given.plan(install=(given.step(),)))

    assert explanation.conclusion is Conclusion.WOULD_INSTALL
    assert (explanation.installed, explanation.candidate) == ("1", "2")
    names = [gate.name for gate in GATES]
    assert [gate.name for gate in explanation.gates] == ["lists", "installed", "offer", *names, "dependencies"]
    assert {gate.verdict for gate in explanation.gates} == {GateVerdict.OPEN}
    assert all(gate.opens is None for gate in explanation.gates)


@pytest.mark.parametrize(
    ("name", "changes", "security", "opens"),
    [
        ("hold", {"on_hold": True}, {}, Why.HELD_BY_ADMIN),
        ("blocklist", {}, {"blocklist": ("a",)}, Why.BLOCKLISTED),
        ("allowlist", {}, {"allowlist": ("z",)}, Why.NOT_ALLOWLISTED),
        ("signature", {"trusted": False}, {}, Why.UNTRUSTED),
        ("snooze", {"snoozes": (given.snooze(),)}, {}, Why.SNOOZED),
        ("soak", {"age": given.age()}, {"soak": given.SOAK}, Why.SOAKING),
        ("soak", {"age": given.age(given.SOAK.security)}, {"soak": given.SOAK}, Why.NOT_IN_COHORT),
        ("rollout", {"phased": 20}, {}, Why.PHASED),
        ("apt-preferences", {"pin": "kept out"}, {}, Why.PINNED),
    ],
)
def test_a_gate_that_is_shut_says_why_and_what_opens_it(
    name: str, changes: dict[str, Any], security: dict[str, Any], opens: Why
) -> None:
    update = given.update(**changes)
    refusal = next(one for one in GATES if one.name == name).evaluate(given.policy(**security), update)
    assert refusal is not None
    plan = given.plan(held=(given.held(why=refusal.why, cause=refusal.reason),))

    explanation = explained(given.facts(update), plan=plan, **security)

    shut = [gate for gate in explanation.gates if gate.verdict is GateVerdict.SHUT]
    assert explanation.conclusion is Conclusion.HELD
    assert [gate.name for gate in shut] == [name]
    assert (shut[0].reason, shut[0].why, shut[0].opens) == (refusal.reason, refusal.why, opens)


def test_dependencies_are_not_tried_if_a_gate_is_shut() -> None:
    plan = given.plan(held=(given.held(),))

    explanation = explained(given.facts(given.update(on_hold=True)), plan=plan)

    assert gate(explanation, "dependencies").verdict is GateVerdict.UNKNOWN
    assert gate(explanation, "dependencies").reason == Reason(code=ReasonCode.NOT_TRIED, values=("hold",))


def test_every_shut_gate_is_shown_and_not_only_the_first() -> None:
    update = given.update(on_hold=True, phased=20)

    explanation = explained(given.facts(update), plan=given.plan(held=(given.held(),)), blocklist=("*",))

    shut = [gate.name for gate in explanation.gates if gate.verdict is GateVerdict.SHUT]
    assert shut == ["hold", "blocklist", "rollout"]


def test_the_runtime_gate_names_its_option() -> None:
    update = given.update("runc")
    plan = given.plan(held=(given.held("runc", Why.RUNTIME_MANAGED),))

    explanation = explained(given.facts(update), plan=plan, known={"package": "runc"})

    assert gate(explanation, "runtime").opens is Why.RUNTIME_MANAGED
    assert gate(explanation, "dependencies").reason == Reason(code=ReasonCode.NOT_TRIED, values=("runtime",))


@pytest.mark.parametrize(
    "why",
    [
        Why.NEEDS_OTHER_ORIGIN,
        Why.WOULD_REMOVE,
        Why.BROKEN_DEPENDENCY,
        Why.DOWNLOAD_FAILED,
        Why.NO_SPACE,
        Why.CONFFILE,
    ],
)
def test_a_refusal_of_the_resolver_shuts_the_dependency_gate(why: Why) -> None:
    plan = given.plan(held=(given.held(why=why, cause=text_reason("needs lib (>= 2)")),))

    explanation = explained(given.facts(given.update()), plan=plan)

    dependencies = gate(explanation, "dependencies")
    assert explanation.conclusion is Conclusion.HELD
    assert dependencies.verdict is GateVerdict.SHUT
    assert (dependencies.reason, dependencies.why) == (text_reason("needs lib (>= 2)"), why)
    assert dependencies.opens is why


def test_conffile_prompts_are_unknown_before_the_download() -> None:
    plan = given.plan(install=(given.step(),))

    holding = explained(given.facts(given.update()), plan=plan, conffiles=Conffiles.HOLD)
    keeping = explained(given.facts(given.update()), plan=plan)

    assert holding.conclusion is keeping.conclusion is Conclusion.WOULD_INSTALL
    assert gate(holding, "conffiles").verdict is GateVerdict.UNKNOWN
    assert gate(holding, "conffiles").reason.code is ReasonCode.PROMPT_UNKNOWN
    assert [one.name for one in keeping.gates if one.name == "conffiles"] == []


def test_a_gate_of_a_dependency_shuts_the_dependency_gate() -> None:
    plan = given.plan(held=(given.held(cause=NEEDED),))

    explanation = explained(given.facts(given.update()), plan=plan)

    assert gate(explanation, "hold").verdict is GateVerdict.OPEN
    assert gate(explanation, "dependencies").verdict is GateVerdict.SHUT
    assert gate(explanation, "dependencies").reason == NEEDED
    assert gate(explanation, "dependencies").why is Why.HELD_BY_ADMIN


def test_a_gate_of_a_broken_package_shuts_the_dependency_gate() -> None:
    plan = given.plan(held=(given.held(cause=text_reason("breaks the installed b 1: needs b 2, but b is on hold")),))

    explanation = explained(given.facts(given.update()), plan=plan)

    assert gate(explanation, "hold").verdict is GateVerdict.OPEN
    assert gate(explanation, "dependencies").verdict is GateVerdict.SHUT


def test_the_remedy_is_that_of_the_package_that_blocks() -> None:
    plan = given.plan(held=(given.held(cause=NEEDED, blocker=Blocker(package="lib:i386", why=Why.PINNED)),))

    dependencies = gate(explained(given.facts(given.update()), plan=plan), "dependencies")

    assert (dependencies.opens, dependencies.opens_for) == (Why.PINNED, "lib:i386")


def test_the_remedy_for_an_unnamed_dependency_refers_to_its_explanation() -> None:
    plan = given.plan(held=(given.held(cause=NEEDED),))

    explanation = explained(given.facts(given.update()), plan=plan)

    assert gate(explanation, "dependencies").opens is Opener.NEEDED_PACKAGE


@pytest.mark.parametrize(
    ("state", "opens"), [("half-configured", Opener.REPAIR), (UNMET_DEPENDENCIES, Opener.FIX_BROKEN)]
)
def test_a_package_that_dpkg_left_unfinished_is_not_up_to_date(state: str, opens: Opener) -> None:
    unfinished = Repair(package="a", architecture="amd64", state=state)

    explanation = explained(given.facts(repair=(unfinished,)))

    assert explanation.conclusion is Conclusion.UNFINISHED
    installed = gate(explanation, "installed")
    assert installed.verdict is GateVerdict.SHUT
    assert installed.reason == Reason(code=ReasonCode.UNFINISHED, values=(state,))
    assert installed.opens is opens


def test_another_package_that_is_unfinished_changes_nothing() -> None:
    assert explained(given.facts(repair=(given.REPAIR,))).conclusion is Conclusion.NO_SECURITY_UPDATE


def test_without_a_candidate_there_is_no_security_update() -> None:
    explanation = explained(given.facts())

    assert explanation.conclusion is Conclusion.NO_SECURITY_UPDATE
    assert explanation.candidate is None
    assert gate(explanation, "offer") == GateReport(
        name="offer", verdict=GateVerdict.SHUT, reason=Reason(code=ReasonCode.NOT_OFFERED)
    )
    assert "dependencies" not in [gate.name for gate in explanation.gates]


def test_a_candidate_of_another_origin_is_named_and_is_no_security_update() -> None:
    explanation = explained(given.facts(given.other()))

    offer = gate(explanation, "offer")
    assert explanation.conclusion is Conclusion.NO_SECURITY_UPDATE
    assert offer.verdict is GateVerdict.SHUT
    assert offer.reason == Reason(code=ReasonCode.OFFERED_ELSEWHERE, values=("Debian", "stable-updates", "3"))
    assert offer.opens is Opener.UPGRADE_ALL


@pytest.mark.parametrize(
    ("name", "changes", "opens"),
    [
        ("hold", {"on_hold": True}, Why.HELD_BY_ADMIN),
        ("signature", {"trusted": False}, Why.UNTRUSTED),
        ("snooze", {"snoozes": (given.snooze(),)}, Why.SNOOZED),
        ("soak", {"age": given.age()}, Opener.UPGRADE_ALL_AT_ONCE),
        ("soak", {"age": given.age(given.SOAK.other)}, Opener.UPGRADE_ALL_AT_ONCE),
        ("apt-preferences", {"pin": "kept out"}, Why.PINNED),
    ],
)
def test_the_gates_judge_an_update_that_is_no_security_update(
    name: str, changes: dict[str, Any], opens: Why | Opener
) -> None:
    explanation = explained(given.facts(given.other(**changes)), soak=given.SOAK)

    assert [one.name for one in explanation.gates if one.verdict is GateVerdict.SHUT] == ["offer", name]
    assert gate(explanation, name).opens is opens


def test_the_rollout_of_an_update_that_is_no_security_update_is_unknown() -> None:
    """The resolver asks apt for it, and only for a plan that has such updates."""
    rollout = gate(explained(given.facts(given.other())), "rollout")

    assert (rollout.verdict, rollout.reason.code) == (GateVerdict.UNKNOWN, ReasonCode.ROLLOUT_UNKNOWN)


def test_the_security_update_is_judged_although_another_version_is_offered_too() -> None:
    offered = given.facts(given.other(trusted=False, pin="kept out"), given.update())

    explanation = explained(offered, plan=given.plan(install=(given.step(),)))

    assert {gate.verdict for gate in explanation.gates} == {GateVerdict.OPEN}


def test_without_a_newer_version_the_gates_that_judge_one_are_unknown() -> None:
    explanation = explained(given.facts(), soak=given.SOAK)

    unknown = [one for one in explanation.gates if one.verdict is GateVerdict.UNKNOWN]
    assert [one.name for one in unknown] == ["signature", "soak", "rollout", "apt-preferences"]
    assert {one.reason.code for one in unknown} == {ReasonCode.NO_VERSION}


def test_a_candidate_of_another_architecture_does_not_count() -> None:
    explanation = explained(given.facts(given.update(architecture="i386")))

    assert explanation.conclusion is Conclusion.NO_SECURITY_UPDATE


def test_gates_that_need_no_candidate_are_shown_without_one() -> None:
    explanation = explained(given.facts(), known={"on_hold": True}, blocklist=("a",))

    assert gate(explanation, "hold").verdict is GateVerdict.SHUT
    assert gate(explanation, "blocklist").verdict is GateVerdict.SHUT


@pytest.mark.parametrize("lists", [STALE, NEVER])
def test_with_stale_lists_the_conclusion_is_unknown(lists: Lists) -> None:
    explanation = explained(given.facts(lists=lists))

    assert explanation.conclusion is Conclusion.UNKNOWN
    assert gate(explanation, "lists").verdict is GateVerdict.UNKNOWN
    assert gate(explanation, "lists").opens is Opener.CHECK


@pytest.mark.parametrize(("state", "word"), [(ListsState.STALE, "stale"), (ListsState.NEVER, "missing")])
def test_a_fault_of_the_lists_is_named_instead_of_a_command_that_meets_it_again(state: ListsState, word: str) -> None:
    fault = SourceError(source="https://sec x", fault=SourceFault.UNREACHABLE, detail="away", security=True)
    lists = Lists(state=state, updated_at=None, errors=(fault,))

    found = gate(explained(given.facts(lists=lists)), "lists")

    assert found.reason == Reason(code=ReasonCode.LISTS_FAULT, values=(word, "https://sec x", "away"))
    assert found.opens is None


@pytest.mark.parametrize("lists", [given.FRESH, PARTIAL])
def test_with_current_security_lists_there_is_a_conclusion(lists: Lists) -> None:
    explanation = explained(given.facts(lists=lists))

    assert explanation.conclusion is Conclusion.NO_SECURITY_UPDATE
    assert gate(explanation, "lists").verdict is GateVerdict.OPEN


def test_the_lists_gate_names_the_time_of_verification() -> None:
    reason = gate(explained(given.facts()), "lists").reason

    assert reason.values == ("fresh", given.NOW)


def test_a_package_that_is_not_installed_is_not_upgraded() -> None:
    explanation = explained(given.facts(), known={"installed": None})

    assert explanation.conclusion is Conclusion.NOT_INSTALLED
    assert gate(explanation, "installed").verdict is GateVerdict.SHUT
    assert [gate.name for gate in explanation.gates] == ["lists", "installed", "offer"]


def test_a_dependency_outside_of_the_allowlist_would_be_installed() -> None:
    explanation = explained(
        given.facts(given.update()), plan=given.plan(install=(given.step(),)), allowlist=("something-else",)
    )

    assert explanation.conclusion is Conclusion.WOULD_INSTALL
    assert gate(explanation, "allowlist").verdict is GateVerdict.SHUT


def test_a_gate_that_opens_by_itself_says_when() -> None:
    update = given.update(age=given.age(), snoozes=(given.snooze(),))

    explanation = explained(given.facts(update), plan=given.plan(held=(given.held(),)), soak=given.SOAK)

    assert gate(explanation, "snooze").until == given.snooze().until
    assert gate(explanation, "soak").until == given.NOW + given.SOAK.security + given.SOAK.rollout / 2


def test_the_age_of_an_older_version_of_the_same_fix_is_explained_too() -> None:
    age = given.age(earlier_at=given.NOW - given.SOAK.security)

    explanation = explained(given.facts(given.update(age=age)), plan=given.plan(held=(given.held(),)), soak=given.SOAK)

    reason = gate(explanation, "soak").reason
    assert (reason.code, reason.values[2]) == (ReasonCode.SOAKING_AGAIN, age.earlier_at)


@pytest.mark.parametrize(
    ("soak", "code"),
    [
        (given.NO_SOAK, ReasonCode.GATE_OPEN),
        (replace(given.SOAK, rollout=given.SOAK.security * 0), ReasonCode.SOAKED),
        (replace(given.SOAK, override=("a*",)), ReasonCode.SOAK_OVERRIDDEN),
    ],
    ids=["no-soak", "due", "exempt"],
)
def test_an_open_soak_gate_says_why(soak: SoakPolicy, code: ReasonCode) -> None:
    update = given.update(age=given.age(given.SOAK.security))

    explanation = explained(given.facts(update), plan=given.plan(install=(given.step(),)), soak=soak)

    assert (gate(explanation, "soak").verdict, gate(explanation, "soak").reason.code) == (GateVerdict.OPEN, code)


def test_a_snoozed_package_without_an_update_has_its_gate_shut() -> None:
    explanation = explained(given.facts(snoozes=(given.snooze(),)))

    assert (explanation.conclusion, gate(explanation, "snooze").why) == (Conclusion.NO_SECURITY_UPDATE, Why.SNOOZED)


def test_a_package_that_is_not_installed_and_snoozed_says_so_and_nothing_of_its_versions() -> None:
    explanation = explained(given.facts(snoozes=(given.snooze(),)), known={"installed": None})

    assert (explanation.conclusion, gate(explanation, "snooze").until) == (
        Conclusion.NOT_INSTALLED,
        given.snooze().until,
    )
    assert [gate.name for gate in explanation.gates] == ["lists", "installed", "offer", "snooze"]


@pytest.mark.parametrize(
    ("held", "verdicts"),
    [
        ((), ("open", "open")),
        ((given.held(why=Why.WOULD_REMOVE, candidate="3"),), ("open", "shut")),
        ((given.held(why=Why.PHASED, candidate="3"),), ("shut", "unknown")),
    ],
    ids=["nothing", "would-remove", "phased"],
)
def test_what_holds_an_update_that_is_no_security_update_is_that_of_a_plan_of_all(
    held: tuple[Any, ...], verdicts: tuple[str, str]
) -> None:
    facts, whole = given.facts(given.other()), given.plan(held=held)

    explanation = explain_package(given.policy(), facts, given.plan(), given.known(), whole)

    found = {one.name: one.verdict.value for one in explanation.gates}
    assert (explanation.conclusion, found["rollout"], found["dependencies"]) == (
        Conclusion.NO_SECURITY_UPDATE,
        *verdicts,
    )
