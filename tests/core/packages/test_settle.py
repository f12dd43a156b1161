"""What was underway is judged by dpkg's states."""

from collections.abc import Mapping

import pytest

from agent.core.model.facts import UNMET_DEPENDENCIES, PackageState, Repair
from agent.core.model.kernels import Removal
from agent.core.model.outcome import NOTHING_UNDERWAY, Result, Underway
from agent.core.model.package import PackageId
from agent.core.model.plan import Step
from agent.core.packages.settle import at_end, settled, with_late_arrivals
from tests.core import given


def of(text: str) -> PackageId:
    return PackageId.parse(text)


def removal(name: str) -> Removal:
    return Removal(package=name, architecture="amd64", version="1", reason="nothing needs it")


def repair(name: str, state: str = "half-configured") -> Repair:
    return Repair(package=name, architecture="amd64", state=state)


def dpkg(**packages: tuple[str, str]) -> Mapping[PackageId, PackageState]:
    return {
        of(f"{name}:amd64"): PackageState(version=version, state=state) for name, (version, state) in packages.items()
    }


def test_what_is_done_is_part_of_the_run_and_the_rest_stays_underway() -> None:
    underway = Underway(
        steps=(given.step("a"), given.step("b")),
        kernels=(removal("k1"), removal("k2")),
        unused=(removal("u1"), removal("u2")),
        repairs=(repair("r1"), repair("r2")),
    )
    states = dpkg(
        a=("2", "installed"), b=("2", "unpacked"), k2=("1", "installed"), u1=("1", "config-files"),
        u2=("1", "half-installed"), r1=("1", "installed"), r2=("1", "half-configured"),
    )  # fmt: skip

    done = settled(given.outcome(underway=underway), states)

    assert done.upgraded == (given.step("a"),)
    assert (done.removed_kernels, done.removed_unused, done.repaired) == (
        (removal("k1"),),
        (removal("u1"),),
        (repair("r1"),),
    )
    assert done.underway == Underway(
        steps=(given.step("b"),), kernels=(removal("k2"),), unused=(removal("u2"),), repairs=(repair("r2"),)
    )


def test_a_reinstalled_version_counts_as_repaired() -> None:
    again = given.step("a", installed="2", candidate="2")

    done = settled(given.outcome(underway=Underway(steps=(again,))), dpkg(a=("2", "installed")))
    late = with_late_arrivals(given.outcome(), Underway(steps=(again,)), dpkg(a=("2", "installed")))

    for outcome in (done, late):
        assert (outcome.upgraded, [item.id for item in outcome.repaired]) == ((), [of("a:amd64")])


def test_a_dependency_that_is_unmet_is_not_taken_for_repaired() -> None:
    underway = Underway(repairs=(repair("r", UNMET_DEPENDENCIES),))

    assert settled(given.outcome(underway=underway), dpkg(r=("1", "installed"))).repaired == ()


def test_what_a_step_replaces_counts_as_removed_once_it_is_gone() -> None:
    step = given.step("libt64", installed=None, candidate="2", replaces=(of("lib:amd64"), of("other:amd64")))
    states = dpkg(other=("1", "installed"))

    interrupted = settled(given.outcome(underway=Underway(steps=(step,))), states)
    later = with_late_arrivals(given.outcome(), interrupted.underway, dpkg(libt64=("2", "installed")))

    assert interrupted.removed == (of("lib:amd64"),)
    assert later.removed == (of("other:amd64"),)


def test_at_the_end_of_a_run_only_what_dpkg_has_begun_is_underway() -> None:
    underway = Underway(steps=(given.step("a"), given.step("b")), unused=(removal("u"),))

    done = at_end(
        given.outcome(underway=underway), dpkg(a=("1", "installed"), b=("2", "unpacked"), u=("1", "installed"))
    )

    assert done.underway == Underway(steps=(given.step("b"),))


# late arrivals


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (Result.UP_TO_DATE, Result.UPDATED),
        (Result.STALE, Result.DEGRADED),
        (Result.UPDATED, Result.UPDATED),
        (Result.DEGRADED, Result.DEGRADED),
        (Result.FAILED, Result.FAILED),
        (Result.INTERRUPTED, Result.INTERRUPTED),
        (Result.BUSY, Result.BUSY),
    ],
)
def test_late_arrivals_change_the_result_of_the_run(before: Result, expected: Result) -> None:
    states = {of("a:amd64"): PackageState(version="2", state="installed")}

    credited = with_late_arrivals(given.outcome(result=before), Underway(steps=(given.step(),)), states)

    assert (credited.result, credited.upgraded) == (expected, (given.step(),))


@pytest.mark.parametrize(
    "left",
    [
        [],
        [given.step("missing")],
        [given.step("listed")],
    ],
)
def test_steps_that_are_missing_or_already_listed_change_no_outcome(left: list[Step]) -> None:
    states = {of(name): PackageState(version="2", state="installed") for name in ("a:amd64", "listed:amd64")}
    outcome = given.outcome(result=Result.UP_TO_DATE, upgraded=(given.step("listed"),))

    assert with_late_arrivals(outcome, Underway(steps=tuple(left)), states) == outcome


def test_a_removal_and_a_repair_that_dpkg_ended_after_the_interrupted_run_count_for_the_next() -> None:
    left = Underway(kernels=(removal("k"),), unused=(removal("u"),), repairs=(repair("r"),))

    done = with_late_arrivals(given.outcome(result=Result.UP_TO_DATE), left, dpkg(r=("1", "installed")))

    assert (done.result, done.underway) == (Result.UPDATED, NOTHING_UNDERWAY)
    assert (done.removed_kernels, done.removed_unused, done.repaired) == (left.kernels, left.unused, left.repairs)


def test_what_the_run_has_itself_is_not_counted_again() -> None:
    left = Underway(steps=(given.step("a"),), kernels=(removal("k"),), unused=(removal("u"),), repairs=(repair("r"),))
    outcome = given.outcome(
        upgraded=(given.step("a"),), removed_kernels=left.kernels, removed_unused=left.unused, repaired=left.repairs
    )

    states = dpkg(a=("2", "installed"), r=("1", "installed"))

    assert with_late_arrivals(outcome, left, states) == outcome


def test_what_dpkg_has_begun_and_not_finished_is_left_to_the_run_after() -> None:
    left = Underway(steps=(given.step("a"), given.step("b")))

    done = with_late_arrivals(given.outcome(), left, dpkg(a=("2", "unpacked"), b=("1", "installed")))

    assert (done.upgraded, done.underway.steps) == ((), (given.step("a"),))
