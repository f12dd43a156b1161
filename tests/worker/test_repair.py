"""The error of a package that a repair did not finish."""

import pytest

from agent.core.model.facts import PackageState
from agent.core.model.transaction import TransactionReport
from agent.worker.steps.repair import not_repaired
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
