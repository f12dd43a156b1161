"""The error of a package that a repair did not finish."""

from dataclasses import replace

import pytest

from agent.core.model.facts import PackageState
from agent.core.model.transaction import TransactionReport
from agent.worker.steps.repair import not_repaired, still_unfinished
from tests.core import given

STUCK = "dpkg cannot be killed and still holds its lock: dpkg (pid 7, disk-sleep)"


@pytest.mark.parametrize(
    ("report", "error"),
    [
        (TransactionReport(errors={"r": "exit 1"}, fatal=STUCK), "exit 1"),
        (TransactionReport(errors={"other": "exit 1"}, fatal=STUCK), STUCK),
        (TransactionReport(), "dpkg could not finish it: half-configured"),
    ],
)
def test_the_packages_own_error_comes_before_that_of_the_repair(report: TransactionReport, error: str) -> None:
    state = PackageState(version="1", state="half-configured")

    (failure,) = not_repaired([given.REPAIR.id], {given.REPAIR.id: state}, report)

    assert failure.error == error


def test_a_package_that_only_a_person_can_finish_comes_with_commands_that_name_it() -> None:
    item = replace(given.REPAIR, state="reinst-required")

    (failure,) = still_unfinished(given.policy(), given.plan(repair=(item,)), dict, {}, ())

    assert f"--force-remove-reinstreq {item.package}`" in failure.error
    assert "{" not in failure.error
