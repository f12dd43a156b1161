"""The command that takes a run back."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from agent.core.model.outcome import Failure, Outcome, Stage, Undo
from agent.core.model.package import PackageId
from agent.core.packages.undo import undo_of
from tests.core import given


def outcome(*names: str) -> Outcome:
    return given.outcome(upgraded=tuple(replace(given.step(), package=name, installed="1") for name in names))


def alone(old: Mapping[PackageId, str]) -> Mapping[PackageId, str]:
    return old


def test_all_packages_of_a_run_are_taken_back_at_once() -> None:
    made = undo_of(outcome("a", "b"), lambda *_: True, alone)

    assert made == Undo(command="apt-get install --allow-downgrades a=1 b=1")


def test_a_new_package_is_removed_again() -> None:
    run = outcome("a")
    run = replace(run, upgraded=(*run.upgraded, replace(given.step(), package="n", installed=None)))

    assert undo_of(run, lambda *_: True, alone) == Undo(command="apt-get install --allow-downgrades a=1 n-")


@pytest.mark.parametrize(
    ("gone", "obstacle"),
    [
        ("a", "no package source offers a 1 any more"),
        ("abcde", "no package source offers a 1, b 1, c 1 and 2 more any more"),
    ],
)
def test_versions_that_no_source_offers_are_an_obstacle(gone: str, obstacle: str) -> None:
    assert undo_of(outcome(*"abcdef"), lambda package, _: package.name not in gone, alone) == Undo(obstacle=obstacle)


def test_a_package_that_failed_in_its_new_version_is_an_obstacle() -> None:
    failed = Failure(package=PackageId(name="b", architecture="amd64"), stage=Stage.CONFIGURE, error="exit 1")

    made = undo_of(replace(outcome("a"), failed=(failed,)), lambda *_: True, alone)

    assert made == Undo(obstacle="b failed in the new version and must be repaired first")


def test_a_run_without_upgrades_needs_no_undoing() -> None:
    assert undo_of(given.outcome(upgraded=()), lambda *_: True, alone) is None


def test_packages_of_other_runs_that_must_be_downgraded_too_are_part_of_the_command() -> None:
    sibling = PackageId(name="common", architecture="amd64")

    made = undo_of(outcome("a"), lambda *_: True, lambda old: {**old, sibling: "1"})

    assert made == Undo(command="apt-get install --allow-downgrades a=1 common=1")


def test_old_versions_whose_dependencies_cannot_be_met_are_an_obstacle() -> None:
    made = undo_of(outcome("a"), lambda *_: True, lambda _: None)

    assert made == Undo(obstacle="the old versions do not fit the other installed packages")
