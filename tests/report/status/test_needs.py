"""What needs a person: less than what `status` lists, because the agent does some of that by itself."""

from typing import Any

import pytest

from agent.core.frozen import replace
from agent.core.model.outcome import Failure, Result, Stage
from agent.core.model.package import PackageId
from agent.core.model.plan import Why
from agent.report.status.check_line import CheckState, check_state
from agent.report.status.health import Health
from agent.report.status.needs import needs
from agent.report.status.observed import DaemonView, RunningJob
from tests.core import given
from tests.report.status.test_status import REBOOT, STALE, built, daemon_status, ended

AUTOMATIC = DaemonView(812, daemon_status())
CHECKS_ONLY = DaemonView(812, daemon_status(next={"check": "2026-11-28T19:46:00Z"}))
ON_PURPOSE = {
    Why.HELD_BY_ADMIN,
    Why.BLOCKLISTED,
    Why.NOT_ALLOWLISTED,
    Why.PINNED,
    Why.PHASED,
    Why.RUNTIME_MANAGED,
    Why.SNOOZED,
    Why.SOAKING,
    Why.NOT_IN_COHORT,
}


def codes(*arguments: Any, **parts: Any) -> list[str]:
    return [need.code for need in needs(built(*arguments, **{"daemon": AUTOMATIC, **parts}))]


@pytest.mark.parametrize(
    ("daemon", "expected"),
    [(AUTOMATIC, []), (CHECKS_ONLY, ["pending"]), (None, ["pending"])],
    ids=["automatic", "checks only", "no daemon"],
)
def test_pending_updates_need_a_person_only_where_no_upgrade_is_scheduled(
    daemon: DaemonView | None, expected: list[str]
) -> None:
    assert codes(given.plan(install=(given.step(),)), daemon=daemon) == expected


@pytest.mark.parametrize("why", Why)
def test_an_update_that_is_held_on_purpose_needs_nobody(why: Why) -> None:
    assert codes(given.plan(held=(given.held("a", why),))) == ([] if why in ON_PURPOSE else ["held"])


@pytest.mark.parametrize("result", Result)
def test_a_run_that_failed_needs_a_person_and_one_that_waits_for_a_lock_does_not(result: Result) -> None:
    failing = {Result.FAILED: ["run-failed"], Result.INTERRUPTED: ["run-interrupted"]}

    assert codes(given.plan(), ended(result)) == failing.get(result, [])


@pytest.mark.parametrize("result", [Result.DEGRADED, Result.FAILED, Result.DEFERRED])
def test_what_a_hook_left_undone_after_a_run_needs_a_person_whatever_its_result(result: Result) -> None:
    run = replace(ended(result), problem="post-upgrade.d/10-drain: exit code 1: still drained\nsee the log")
    status = built(given.plan(), run, daemon=AUTOMATIC)

    found = {need.code: need for need in needs(status)}

    assert "run-problem" in found
    assert found["run-problem"].text in status.attention
    assert "\n" not in found["run-problem"].text
    assert status.health is Health.ATTENTION
    assert check_state(status) is CheckState.CRITICAL


def test_a_hook_of_a_run_in_progress_needs_nobody_yet() -> None:
    run = replace(ended(Result.DEGRADED), problem="post-upgrade.d/10-drain: exit code 1")

    assert codes(given.plan(), run, running=RunningJob(812, None)) == []


def test_the_same_hook_that_fails_the_next_night_is_the_same_need() -> None:
    runs = [replace(ended(Result.DEGRADED), id=name, problem="10-drain: exit code 1") for name in ("1", "2")]
    first, second = (needs(built(given.plan(), run, daemon=AUTOMATIC))[0] for run in runs)

    assert first.text != second.text
    assert first.key == second.key


def test_each_other_reason_is_a_need() -> None:
    assert codes(given.plan(), reboot=REBOOT) == ["reboot"]
    assert codes(given.plan(repair=(given.REPAIR,))) == ["unfinished"]
    assert codes(given.plan(lists=STALE)) == ["unknown"]
    assert codes(given.plan(), daemon=DaemonView(None, None)) == ["daemon-dead"]
    assert codes(given.plan(), daemon=DaemonView(812, daemon_status(problems=["bad"]))) == ["daemon"]
    assert codes() == ["unknown"]


def test_the_same_failure_of_the_next_night_is_the_same_need() -> None:
    failure = Failure(package=PackageId(name="a", architecture="amd64"), stage=Stage.UNPACK, error="no luck")
    runs = [
        given.outcome(id=name, finished_at=given.NOW, result=Result.FAILED, failed=(failure,)) for name in ("1", "2")
    ]
    first, second = (needs(built(given.plan(), run))[0] for run in runs)

    assert first.text.startswith("1 package failed: a (unpack): no luck; ")
    assert first.text != second.text
    assert first.key == second.key
