"""How a request ends, from what its job leaves."""

from typing import Any

import pytest

from agent.core.requests.book import new_book, with_accepted, with_running
from agent.core.requests.ending import JobEnd, ending_of_job, ending_on_record
from agent.core.requests.model import Authentic, Ending, RequestEntry, RequestState, RequestWhy
from tests.core.given import NOW
from tests.core.requests.given_request import request

RUN = "20261123T051000Z"


def outcome(result: str, **fields: Any) -> dict[str, Any]:
    return {
        "schema": "maestro.outcome/1",
        "id": RUN,
        "result": result,
        "message": "",
        "finished_at": "2026-11-23T05:11:00Z",
        **fields,
    }


def reboot(result: str, **fields: Any) -> dict[str, Any]:
    return outcome(result, schema="maestro.reboot-outcome/1", **fields)


def engine(result: str, **fields: Any) -> dict[str, Any]:
    return outcome(result, schema="maestro.engine-outcome/1", **fields)


def begun(**changed: Any) -> RequestEntry:
    book = with_accepted(new_book("b"), request(**changed), Authentic(), NOW)
    return with_running(book, book.entries[0], NOW).entries[0]


@pytest.mark.parametrize(
    ("document", "state", "why"),
    [
        (outcome("up-to-date"), RequestState.DONE, None),
        (outcome("updated"), RequestState.DONE, None),
        (outcome("degraded"), RequestState.DONE, None),
        (outcome("degraded", failed=[{"package": "a:amd64"}]), RequestState.FAILED, None),
        (outcome("failed"), RequestState.FAILED, None),
        (outcome("stale"), RequestState.FAILED, None),
        (outcome("a-later-version-has-this"), RequestState.FAILED, None),
        (outcome("busy"), RequestState.FAILED, RequestWhy.BUSY_TOO_LONG),
        (outcome("interrupted"), RequestState.FAILED, RequestWhy.INTERRUPTED),
        (engine("unchanged"), RequestState.DONE, None),
        (engine("upgraded"), RequestState.DONE, None),
        (engine("restarted"), RequestState.DONE, None),
        (engine("rolled-back"), RequestState.FAILED, None),
        (engine("blocked", blocked=[{"why": "slow-stop"}]), RequestState.FAILED, None),
        (engine("failed-needs-attention"), RequestState.FAILED, None),
        (reboot("rebooted"), RequestState.DONE, None),
        (reboot("not-required"), RequestState.DONE, None),
        (reboot("rebooted-with-problems"), RequestState.FAILED, None),
        (reboot("blocked", blocked={"why": "sessions"}), RequestState.FAILED, None),
        (outcome("updated", reboot_outcome=reboot("not-required")), RequestState.DONE, None),
        (outcome("updated", reboot_outcome=reboot("blocked")), RequestState.FAILED, None),
        (outcome("failed", reboot_outcome=None), RequestState.FAILED, None),
    ],
    ids=lambda value: f"{value['schema'][8:-2]}-{value['result']}" if isinstance(value, dict) else None,
)
def test_the_result_of_its_run_is_that_of_the_request(
    document: dict[str, Any], state: RequestState, why: RequestWhy | None
) -> None:
    ending = ending_of_job(JobEnd(exit_code=0, document=document))

    assert ending is not None
    assert (ending.state, ending.why) == (state, why)


@pytest.mark.parametrize("result", ["updated", "degraded"])
def test_a_reboot_that_is_not_required_hides_nothing_of_the_upgrade_before_it(result: str) -> None:
    upgrade = outcome(result, message="3 packages upgraded")

    alone, with_reboot = (
        ending_of_job(JobEnd(exit_code=0, document={**upgrade, **more}))
        for more in ({}, {"reboot_outcome": reboot("not-required", id="20261123T051200Z")})
    )

    assert with_reboot == alone
    assert alone is not None
    assert (alone.run, alone.detail) == (RUN, f"{result}: 3 packages upgraded")
    assert ending_of_job(JobEnd(exit_code=0, document=reboot("not-required"))) == Ending(
        state=RequestState.DONE, detail="not-required"
    )


def test_the_reason_codes_of_what_blocks_are_named() -> None:
    for document in (reboot("blocked", blocked={"why": "sessions"}), engine("blocked", blocked=[{"why": "sessions"}])):
        ending = ending_of_job(JobEnd(exit_code=1, document=document))
        assert ending is not None
        assert "sessions" in ending.detail


def test_a_machine_that_goes_down_has_not_ended_its_request() -> None:
    going = reboot("requested", finished_at=None)

    assert ending_of_job(JobEnd(exit_code=0, document=going)) is None
    assert ending_of_job(JobEnd(exit_code=0, document=outcome("updated", reboot_outcome=going))) is None


@pytest.mark.parametrize(
    ("end", "state", "why"),
    [
        (JobEnd(exit_code=6, nothing_done=True), RequestState.REFUSED, RequestWhy.PLAN_CHANGED),
        (JobEnd(exit_code=0, nothing_done=True), RequestState.REFUSED, RequestWhy.NOT_IN_PLAN),
        (JobEnd(exit_code=10, nothing_done=True), RequestState.REFUSED, RequestWhy.NOT_IN_PLAN),
        (JobEnd(exit_code=5), RequestState.FAILED, RequestWhy.BUSY_TOO_LONG),
        (JobEnd(exit_code=130), RequestState.FAILED, RequestWhy.INTERRUPTED),
        (JobEnd(exit_code=1), RequestState.FAILED, None),
        (JobEnd(exit_code=78), RequestState.FAILED, None),
        (JobEnd(exit_code=0), RequestState.DONE, None),
        (JobEnd(exit_code=0, document={"schema": "maestro.plan/1"}), RequestState.DONE, None),
        (JobEnd(exit_code=10, document={"schema": "maestro.plan/1"}), RequestState.DONE, None),
        (JobEnd(exit_code=3, document={"schema": "maestro.plan/1"}), RequestState.FAILED, None),
        (JobEnd(exit_code=1, document=outcome("updated"), error="no reboot"), RequestState.FAILED, None),
    ],
    ids=str,
)
def test_without_an_outcome_the_exit_code_counts(end: JobEnd, state: RequestState, why: RequestWhy | None) -> None:
    ending = ending_of_job(end)

    assert ending is not None
    assert (ending.state, ending.why) == (state, why)


def test_a_job_that_left_no_trace_is_interrupted() -> None:
    ending = ending_on_record(begun(), [], reboots=False)

    assert ending is not None
    assert (ending.state, ending.why, ending.run) == (RequestState.FAILED, RequestWhy.INTERRUPTED, "")


def test_a_job_whose_run_ended_has_its_result() -> None:
    ending = ending_on_record(begun(), [outcome("updated")], reboots=False)

    assert ending is not None
    assert (ending.state, ending.run) == (RequestState.DONE, RUN)


def test_a_run_without_an_end_is_interrupted() -> None:
    ending = ending_on_record(begun(), [outcome("interrupted", finished_at=None)], reboots=False)

    assert ending is not None
    assert (ending.state, ending.why, ending.run) == (RequestState.FAILED, RequestWhy.INTERRUPTED, RUN)


def test_a_reboot_is_waited_for_while_one_is_on_record() -> None:
    entry, runs = begun(), [outcome("updated"), reboot("requested", finished_at=None)]

    assert ending_on_record(entry, runs, reboots=True) is None
    ending = ending_on_record(entry, runs, reboots=False)
    assert ending is not None
    assert ending.why is RequestWhy.INTERRUPTED
    ending = ending_on_record(entry, [outcome("updated"), reboot("rebooted")], reboots=False)
    assert ending is not None
    assert ending.state is RequestState.DONE


def test_a_kill_between_upgrade_and_reboot_is_not_done() -> None:
    ending = ending_on_record(begun(arguments={"reboot": "if-required"}), [outcome("updated")], reboots=False)

    assert ending is not None
    assert (ending.state, ending.why, ending.run) == (RequestState.FAILED, RequestWhy.INTERRUPTED, RUN)
