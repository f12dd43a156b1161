"""The result of a run, and the failure of each package that is not installed."""

from dataclasses import replace
from typing import Any

import pytest

from agent.core.model.facts import UNMET_DEPENDENCIES, Lists, ListsState, PackageState
from agent.core.model.outcome import Failure, Result, Stage
from agent.core.model.package import PackageId
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.model.transaction import TransactionReport
from agent.core.packages.verify import classify, failures, is_installed, summary
from tests.core import given

of = PackageId.parse
FAILED = Failure(package=of("f:amd64"), stage=Stage.CONFIGURE, error="exit 1")
STALE, NEVER, PARTIAL = (
    Lists(state=state, updated_at=None) for state in (ListsState.STALE, ListsState.NEVER, ListsState.PARTIAL)
)
WAITING = {"install": (given.step("w"),)}
HELD = {"held": (given.held("h"),)}
DONE = {"upgraded": (given.step("u"),)}


@pytest.mark.parametrize(
    ("after", "run", "stopped", "expected"),
    [
        ({}, {}, False, Result.UP_TO_DATE),
        ({}, {}, True, Result.UP_TO_DATE),
        ({}, DONE, False, Result.UPDATED),
        ({}, {"repaired": (given.REPAIR,)}, False, Result.UPDATED),
        ({}, {"removed_kernels": (given.REMOVAL,)}, False, Result.UPDATED),
        ({}, {"removed_kernels": (given.REMOVAL,), "removed": (of("gone:amd64"),)}, False, Result.DEGRADED),
        ({"remove": (given.REMOVAL,), "kept": (given.REMOVAL,)}, {}, False, Result.UP_TO_DATE),
        (HELD, {}, False, Result.DEGRADED),
        (HELD, DONE, False, Result.DEGRADED),
        (WAITING, {}, False, Result.DEGRADED),
        (WAITING, {}, True, Result.INTERRUPTED),
        (HELD | WAITING, DONE, True, Result.INTERRUPTED),
        (HELD, DONE, True, Result.DEGRADED),
        ({}, {"failed": (FAILED,)}, False, Result.FAILED),
        (HELD | WAITING, DONE | {"failed": (FAILED,)}, True, Result.FAILED),
        ({"repair": (given.REPAIR,)}, {}, False, Result.FAILED),
        ({"repair": (given.REPAIR,)} | WAITING, DONE, True, Result.FAILED),
        ({"journal": True}, {}, False, Result.FAILED),
        ({"lists": STALE}, {}, False, Result.STALE),
        ({"lists": STALE}, {"removed_kernels": (given.REMOVAL,)}, False, Result.STALE),
        ({"lists": NEVER}, {}, False, Result.STALE),
        ({"lists": PARTIAL}, {}, False, Result.DEGRADED),
        ({"lists": STALE}, DONE, False, Result.DEGRADED),
        ({"lists": NEVER}, DONE, False, Result.DEGRADED),
        ({"lists": PARTIAL}, DONE, False, Result.DEGRADED),
        ({"lists": STALE} | HELD, {}, False, Result.DEGRADED),
        ({"lists": STALE} | WAITING, {}, True, Result.INTERRUPTED),
        ({"lists": STALE}, {"failed": (FAILED,)}, False, Result.FAILED),
    ],
)
def test_a_run_has_one_result(after: dict[str, Any], run: dict[str, Any], expected: Result, *, stopped: bool) -> None:
    assert classify(given.plan(**after), given.outcome(**run), stopped=stopped) is expected


@pytest.mark.parametrize("state", ["installed", "triggers-awaited", "triggers-pending"])
def test_a_step_is_installed_if_its_version_is_in_service(state: str) -> None:
    assert is_installed(given.step(), {of("a:amd64"): PackageState(version="2", state=state)})


@pytest.mark.parametrize(
    "states",
    [
        {},
        {of("a:i386"): PackageState(version="2", state="installed")},
        {of("a:amd64"): PackageState(version="1", state="installed")},
        {of("a:amd64"): PackageState(version="3", state="installed")},
        {of("a:amd64"): PackageState(version="2", state="unpacked")},
        {of("a:amd64"): PackageState(version="2", state="half-configured")},
        {of("a:amd64"): PackageState(version="2", state="half-installed")},
        {of("a:amd64"): PackageState(version="2", state="reinst-required")},
        {of("a:amd64"): PackageState(version=None, state="config-files")},
    ],
)
def test_a_step_is_not_installed_in_any_other_state(states: dict[PackageId, PackageState]) -> None:
    assert not is_installed(given.step(), states)


@pytest.mark.parametrize(
    ("states", "stage", "dpkg_state"),
    [
        ({of("a:amd64"): PackageState(version="1", state="installed")}, Stage.UNPACK, "installed"),
        ({of("a:amd64"): PackageState(version="1", state="half-installed")}, Stage.UNPACK, "half-installed"),
        ({of("a:amd64"): PackageState(version="2", state="unpacked")}, Stage.CONFIGURE, "unpacked"),
        ({of("a:amd64"): PackageState(version="2", state="half-configured")}, Stage.CONFIGURE, "half-configured"),
        ({}, Stage.UNPACK, "not-installed"),
    ],
)
def test_a_failure_holds_the_stage_that_the_package_reached(
    states: dict[PackageId, PackageState], stage: Stage, dpkg_state: str
) -> None:
    (failure,) = failures([given.step()], states, TransactionReport(errors={"a": "subprocess returned 1"}))

    assert failure == Failure(
        package=of("a:amd64"), stage=stage, error="subprocess returned 1", detail=f"dpkg state: {dpkg_state}"
    )


def test_a_failure_without_an_error_names_the_dpkg_state() -> None:
    (failure,) = failures(
        [given.step()],
        {of("a:amd64"): PackageState(version="1", state="installed")},
        TransactionReport(errors={"b": "exit 1"}),
    )

    assert failure.error == "not upgraded: dpkg says installed"


def test_an_error_of_the_architecture_precedes_one_of_the_bare_name() -> None:
    steps = [given.step(), given.step(architecture="i386")]

    found = failures(steps, {}, TransactionReport(errors={of("a:i386"): "of i386", "a": "of either"}))

    assert [failure.error for failure in found] == ["of either", "of i386"]


def test_the_fatal_error_is_used_for_packages_without_their_own() -> None:
    report = TransactionReport(errors={"a": "of a"}, fatal="of all")

    assert [failure.error for failure in failures([given.step("a"), given.step("b")], {}, report)] == ["of a", "of all"]


def test_an_installed_step_is_no_failure_even_with_an_error() -> None:
    states = {of("a:amd64"): PackageState(version="2", state="installed")}

    assert [
        one.package
        for one in failures([given.step("a"), given.step("b")], states, TransactionReport(errors={"a": "noise"}))
    ] == [of("b:amd64")]


def lists(state: ListsState) -> dict[str, Any]:
    return {"lists": replace(given.FRESH, state=state)}


@pytest.mark.parametrize(
    ("after", "outcome", "stopped", "expected"),
    [
        ({}, Result.UPDATED, "", None),
        ({"repair": (replace(given.REPAIR, state=UNMET_DEPENDENCIES),)}, Result.DEGRADED, "",
         Reason(code=ReasonCode.UNMET_DEPENDENCIES, values=("r",))),
        ({}, Result.INTERRUPTED, "on request", Reason(code=ReasonCode.STOPPED, values=("on request",))),
        (lists(ListsState.STALE), Result.DEGRADED, "", Reason(code=ReasonCode.LISTS_STALE)),
        (lists(ListsState.NEVER), Result.STALE, "", Reason(code=ReasonCode.LISTS_NEVER)),
        (lists(ListsState.PARTIAL), Result.DEGRADED, "", Reason(code=ReasonCode.LISTS_PARTIAL)),
    ],
)  # fmt: skip
def test_the_summary_names_what_the_fields_of_an_outcome_do_not_show(
    after: dict[str, Any], outcome: Result, stopped: str, expected: Reason | None
) -> None:
    assert summary(given.plan(**after), outcome, stopped=stopped) == expected
