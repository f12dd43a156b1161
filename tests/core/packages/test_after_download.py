"""The decision after a download."""

import pytest

from agent.core.model.plan import Why
from agent.core.packages.after_download import Install, Refresh, Replan, after_download, without_oversized
from agent.errors import HostError, NoSpaceError
from tests.core import given

A, B = given.step("a"), given.step("b")
PLAN = given.plan(install=(A, B))


def reasons(decision: object) -> dict[str, Why]:
    assert isinstance(decision, Replan)
    return {f"{package} {version}": refusal.why for (package, version), refusal in decision.excluded.items()}


def test_packages_that_are_all_there_are_installed() -> None:
    assert after_download(PLAN, {}, {}, may_refresh=True) == Install(steps=(A, B))


def test_a_package_that_would_prompt_is_excluded() -> None:
    assert reasons(after_download(PLAN, {}, {A.id: "/etc/a"}, may_refresh=True)) == {"a:amd64 2": Why.CONFFILE}


def test_a_missing_package_first_refreshes_the_lists() -> None:
    assert after_download(PLAN, {B.id: "404"}, {}, may_refresh=True) == Refresh()


def test_a_package_that_is_missing_after_a_refresh_is_excluded() -> None:
    assert reasons(after_download(PLAN, {B.id: "404"}, {}, may_refresh=False)) == {"b:amd64 2": Why.DOWNLOAD_FAILED}


def test_a_failed_download_of_no_step_is_an_error() -> None:
    with pytest.raises(HostError, match="no part of the plan: c: 404"):
        after_download(PLAN, {given.step("c").id: "404"}, {}, may_refresh=False)


def test_packages_without_space_are_excluded() -> None:
    assert reasons(without_oversized(PLAN, NoSpaceError("/usr is full", ("b", "z")))) == {"b:amd64 2": Why.NO_SPACE}
