"""`status`: the record, weighed at this moment. It answers whatever lies in the record."""

import copy
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.cli.main import main
from agent.core.model.facts import Lists, ListsState
from agent.core.model.outcome import Outcome, Result
from agent.core.model.plan import Plan, Scope
from agent.report.status.document import Status, build_status, status_document
from agent.report.status.health import Health
from agent.report.status.lines import status_lines
from agent.report.status.observed import DaemonView, Damaged, Observed, RunningJob
from agent.state.documents.outcome import outcome_to_document
from agent.state.documents.plan import plan_to_document
from agent.state.json_reader import JsonReader
from agent.state.record import Record
from agent.state.store import STATE, Store
from agent.state.timestamps import format_age, format_utc, parse_utc
from agent.state.views import JobView, RebootView, RunView, StateView
from tests.core import given

NOW = given.NOW
STALE, NEVER, PARTIAL = (
    Lists(state=state, updated_at=NOW) for state in (ListsState.STALE, ListsState.NEVER, ListsState.PARTIAL)
)
REBOOT = RebootView(["libc6"], NOW, required=True)


def built(plan: Plan | None = None, run: Outcome | None = None, *, now: datetime = NOW, **parts: Any) -> Status:
    """Return the status after a check at `NOW` and a last run."""
    state = {
        "schema": "maestro.state/1",
        "generated_at": format_utc(NOW),
        "fresh_until": format_utc(NOW + timedelta(hours=36)),
        "plan": plan_to_document(plan, NOW) if plan else None,
    }
    last = RunView(JsonReader(outcome_to_document(run, NOW), "run")) if run else None
    observed = {"state": StateView(JsonReader(state, "state")) if plan else None, "last_run": last, "host": "server1"}
    return build_status(Observed(**{**observed, **parts}), now)


def encoded(status: Status) -> dict[str, Any]:
    return status_document(status)


def weighed(*arguments: Any, **parts: Any) -> tuple[Health, dict[str, Any]]:
    """Return health and document of that status."""
    status = built(*arguments, **parts)
    return status.health, encoded(status)


def ended(result: Result) -> Outcome:
    return given.outcome(finished_at=NOW, result=result)


def test_a_machine_that_was_never_checked_is_unknown() -> None:
    health, document = weighed()

    assert (health, health.exit_code) == (Health.UNKNOWN, 3)
    assert document["reasons"] == ["never checked: run `maestro-agent check`"]
    assert [document[name] for name in ("looked_at", "fresh_until", "plan", "last_run")] == [None] * 4


def test_a_machine_with_fresh_lists_and_nothing_to_do_is_healthy() -> None:
    health, document = weighed(given.plan(), ended(Result.UP_TO_DATE))

    assert (health, health.exit_code) == (Health.HEALTHY, 0)
    assert document["reasons"] == []


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        ({"install": (given.step(),)}, "1 security update pending: run `maestro-agent upgrade`"),
        ({"install": (given.step(), given.step("b"))}, "2 security updates pending: run `maestro-agent upgrade`"),
        ({"install": (given.step(),), "scope": Scope.ALL}, "1 update pending: run `maestro-agent upgrade`"),
        ({"held": (given.held(),)}, "1 security update is held back"),
        ({"held": (given.held(), given.held("b"))}, "2 security updates are held back"),
        ({"repair": (given.REPAIR,)}, "packages unfinished or broken: r: run `maestro-agent upgrade`"),
        ({"lists": PARTIAL}, "some package sources could not be refreshed"),
    ],
)
def test_what_waits_wants_attention(plan: dict[str, Any], reason: str) -> None:
    health, document = weighed(given.plan(**plan))

    assert (health, health.exit_code) == (Health.ATTENTION, 10)
    assert document["reasons"] == [reason]


def test_other_updates_on_offer_want_no_attention() -> None:
    assert weighed(given.plan(other_updates=5))[0] is Health.HEALTHY


@pytest.mark.parametrize("result", Result)
def test_a_run_that_did_not_come_to_its_end_wants_attention(result: Result) -> None:
    health, document = weighed(given.plan(), ended(result))

    wants = result in {Result.FAILED, Result.INTERRUPTED, Result.BUSY}
    assert health is (Health.ATTENTION if wants else Health.HEALTHY)
    assert [reason for reason in document["reasons"] if result.value in reason and "history" in reason] == document[
        "reasons"
    ]


def test_a_run_that_is_going_on_is_told_and_wants_no_attention() -> None:
    upgrade = RunningJob(812, ("upgrade", given.outcome().started_at))

    status = built(given.plan(), given.outcome(), running=upgrade)
    health, document, lines = status.health, encoded(status), status_lines(status)

    assert health is Health.HEALTHY
    assert document["running"]["pid"] == 812
    assert any(line.startswith("Last run") and ": in progress" in line for line in lines)
    assert any(line.startswith("Running      upgrade (pid 812), started 20") for line in lines)


def test_a_check_that_is_going_on_hides_no_run_that_failed() -> None:
    check = RunningJob(812, ("check", NOW))

    status = built(given.plan(), ended(Result.FAILED), running=check)
    health, document, lines = status.health, encoded(status), status_lines(status)

    assert health is Health.ATTENTION
    assert "the last run failed" in document["reasons"][0]
    assert any(line.startswith("Last run") and ": failed" in line for line in lines)
    assert any(line.startswith("Running      check (pid 812)") for line in lines)


def test_a_run_that_was_cut_off_before_is_not_taken_for_the_one_that_goes_on() -> None:
    upgrade = RunningJob(812, ("upgrade", given.outcome().started_at + timedelta(days=1)))

    assert "the last run was interrupted" in weighed(given.plan(), given.outcome(), running=upgrade)[1]["reasons"][0]


def test_where_no_run_is_going_on_that_is_said() -> None:
    assert weighed(given.plan())[1]["running"] is None


def test_a_reboot_that_is_required_now_wants_attention_whatever_the_record_says() -> None:
    health, document = weighed(given.plan(), reboot=REBOOT)

    assert health is Health.ATTENTION
    assert document["reasons"] == ["a reboot is required"]
    assert document["reboot"] == {"required": True, "packages": ["libc6"], "since": format_utc(NOW)}


@pytest.mark.parametrize(
    ("hours", "health"), [(0, Health.HEALTHY), (36, Health.HEALTHY), (36.01, Health.UNKNOWN), (9999, Health.UNKNOWN)]
)
def test_lists_grow_stale_while_nobody_looks(hours: float, health: Health) -> None:
    found, document = weighed(given.plan(), now=NOW + timedelta(hours=hours))

    assert found is health
    assert all("stale" in reason for reason in document["reasons"])


@pytest.mark.parametrize(
    ("lists", "said"),
    [
        (STALE, "the package lists are stale (last verified just now): run `maestro-agent check`"),
        (Lists(state=ListsState.STALE, updated_at=None), "(never verified)"),
        (NEVER, "the package lists were never downloaded"),
    ],
)
def test_lists_that_cannot_be_believed_leave_the_health_unknown(lists: Lists, said: str) -> None:
    health, document = weighed(given.plan(lists=lists))

    assert health is Health.UNKNOWN
    assert said in document["reasons"][0]


def test_what_is_known_to_wait_is_told_although_the_lists_are_stale() -> None:
    health, document = weighed(given.plan(lists=STALE, install=(given.step(),)), ended(Result.FAILED), reboot=REBOOT)

    assert health is Health.UNKNOWN
    assert len(document["reasons"]) == 4


def test_a_record_that_cannot_be_read_is_a_reason_of_its_own() -> None:
    health, document = weighed(state=Damaged("state.json: is damaged"))

    assert health is Health.UNKNOWN
    assert document["reasons"] == ["state.json: is damaged"]


@pytest.mark.parametrize("reboot", [None, REBOOT])
@pytest.mark.parametrize("run", [None, ended(Result.FAILED), ended(Result.UPDATED), given.outcome()])
@pytest.mark.parametrize(
    "plan",
    [None, given.plan(), given.plan(lists=STALE), given.plan(install=(given.step(),), held=(given.held("held-one"),))],
)
def test_the_text_says_what_the_document_says(plan: Plan | None, run: Outcome | None, reboot: Any) -> None:
    status = built(plan, run, reboot=reboot)
    health, document, lines = status.health, encoded(status), status_lines(status)

    assert document["health"] == health.value
    assert lines[0] == f"server1: {health.value.upper()}"
    assert [line[4:] for line in lines if line.startswith("  ! ")] == document["reasons"]
    assert any(line.startswith("Last run") and run.result.value in line for line in lines if run) is (run is not None)
    assert any("held-one 1 -> 2" in line for line in lines) is bool(plan and plan.held)
    assert any(line.startswith("Reboot       A reboot is required by libc6") for line in lines) is bool(reboot)


@pytest.mark.parametrize(("count", "last"), [(1, "p1 "), (8, "p8 "), (9, "and 1 more"), (20, "and 12 more")])
def test_the_text_lists_eight_steps_and_counts_the_rest(count: int, last: str) -> None:
    plan = given.plan(install=tuple(given.step(f"p{number}") for number in range(1, count + 1)))

    lines = status_lines(built(plan))

    steps = [line.strip() for line in lines if line.startswith("             ")]
    assert len(steps) == min(count, 9)
    assert steps[-1].startswith(last)


def status(directory: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command on a record; return exit code, output and messages."""
    code = main(["status", "--state-dir", str(directory), *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """Return a state directory that holds a look and a run."""
    memory = Record(Store(str(tmp_path)))
    plan = given.plan(lists=PARTIAL, install=(given.step(),), held=(given.held(),), repair=(given.REPAIR,))
    memory.save_plan(plan, NOW, fresh_until=NOW + timedelta(days=36500), watched=given.WATCHED)
    memory.save_outcome(ended(Result.FAILED), NOW)
    return tmp_path


def test_the_command_reads_the_record(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = status(record, capsys, "--json")

    document = json.loads(out)
    assert (code, err) == (10, "")
    assert (document["schema"], document["health"]) == ("maestro.status/1", "attention")
    assert document["plan"]["install"][0]["package"] == "a"
    assert document["last_run"]["result"] == "failed"


def test_the_command_answers_without_a_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = status(tmp_path / "nothing", capsys, "--json")

    assert (code, err) == (3, "")
    assert json.loads(out)["health"] == "unknown"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["state", "history/20261123T051000Z"])
@pytest.mark.parametrize("content", ["", "[" * 100_000, "null", '{"schema": "maestro.state/9"}'])
def test_the_command_answers_from_a_damaged_record(
    record: Path, capsys: pytest.CaptureFixture[str], name: str, content: str
) -> None:
    (record / f"{name}.json").write_text(content)

    code, out, err = status(record, capsys, "--json")

    assert (code, err) == (3, "")
    assert f"{name}.json" in json.loads(out)["reasons"][0]
    assert (record / f"{name}.json.unreadable").exists()


def places(value: Any, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Return the way to each value inside a document."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield (*way, key)
        yield from places(inner, (*way, key))


def changed(document: Any, way: tuple[str | int, ...], value: object) -> Any:
    """Return the document with another value at one place."""
    made = inner = copy.deepcopy(document)
    for key in way[:-1]:
        inner = inner[key]
    inner[way[-1]] = value
    return made


_TIMES = {"generated_at", "fresh_until", "updated_at", "started_at"}


@pytest.mark.parametrize("name", ["state", "history/20261123T051000Z"])
@pytest.mark.parametrize("arguments", [[], ["--json"]], ids=["text", "json"])
def test_no_wrong_shape_in_a_record_is_an_internal_error(
    record: Path, capsys: pytest.CaptureFixture[str], name: str, arguments: list[str]
) -> None:
    """But for times, of which another test tells."""
    path = record / f"{name}.json"
    good = json.loads(path.read_text())
    wrong: list[object] = [None, 5, True, [], [5], {}]

    for way in places(good):
        for value in wrong if way[-1] in _TIMES else [*wrong, "x"]:
            path.write_text(json.dumps(changed(good, way, value)))
            code, _, err = status(record, capsys, *arguments)
            assert code in {3, 10}, (way, value)
            assert "internal error" not in err, (way, value)


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("state", ("generated_at",)),
        ("state", ("plan", "lists", "updated_at")),
        ("history/20261123T051000Z", ("started_at",)),
    ],
)
def test_a_time_that_is_none_is_no_internal_error(
    record: Path, capsys: pytest.CaptureFixture[str], name: str, way: tuple[str, ...]
) -> None:
    path = record / f"{name}.json"
    path.write_text(json.dumps(changed(json.loads(path.read_text()), way, "yesterday")))

    code, _, err = status(record, capsys)

    assert code == 3
    assert "internal error" not in err


def test_a_record_of_the_wrong_shape_leaves_a_document(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store(str(record)).write(STATE, {"schema": "maestro.state/1"})

    code, out, _ = status(record, capsys, "--json")

    assert code == 3
    assert json.loads(out)["health"] == "unknown"


# times


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (timedelta(0), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(minutes=59, seconds=59), "59 minutes ago"),
        (timedelta(hours=1), "1 hour ago"),
        (timedelta(hours=23), "23 hours ago"),
        (timedelta(hours=47), "1 day ago"),
        (timedelta(days=400), "400 days ago"),
        (timedelta(seconds=-1), "in the future (is the clock right?)"),
    ],
)
def test_how_long_ago_is_said_in_one_unit(passed: timedelta, words: str) -> None:
    assert format_age(NOW, NOW + passed) == words


def test_a_moment_is_read_as_it_was_written() -> None:
    assert format_utc(NOW) == "2026-11-23T05:10:00Z"
    assert parse_utc(format_utc(NOW)) == NOW


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-11-23T05:10:00", "2026-11-23T05:10:00+01:00", "2026-13-01T00:00:00Z"]
)
def test_what_is_no_time_in_utc_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match=r"no time in UTC|isoformat|month"):
        parse_utc(text)


def daemon_says(**changes: Any) -> JsonReader:
    said = {
        "version": "1",
        "started_at": format_utc(NOW),
        "seen_at": format_utc(NOW),
        "doing": "next check 2026-03-05 12:00:00 UTC",
        "problems": [],
        "next": {"check": format_utc(NOW), "upgrade": format_utc(NOW)},
    }
    return JsonReader({**said, **changes}, "daemon.json")


def test_a_living_daemon_says_what_comes_next() -> None:
    status = built(given.plan(), daemon=DaemonView(812, daemon_says()))
    health, document = status.health, encoded(status)

    assert health is Health.HEALTHY
    assert (document["daemon"]["alive"], document["daemon"]["pid"]) == (True, 812)
    assert document["jobs"]["upgrade"]["next_at"] == format_utc(NOW)
    assert "Daemon       running (pid 812): next check 2026-03-05 12:00:00 UTC" in status_lines(status)


def test_a_daemon_that_should_run_and_does_not_makes_all_else_unknown() -> None:
    health, document = weighed(given.plan(), daemon=DaemonView(None, None))

    assert health is Health.UNKNOWN
    assert "the daemon is not running" in document["reasons"][0]
    assert document["daemon"]["alive"] is False


def test_a_daemon_that_says_nothing_is_not_believed_to_run_well() -> None:
    health, document = weighed(given.plan(), daemon=DaemonView(812, daemon_says()), now=NOW + timedelta(minutes=3))

    assert health is Health.UNKNOWN
    assert "the daemon has not responded since" in document["reasons"][0]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", '{"schema": "maestro.jobs/1"}', '{"schema": "maestro.jobs/1", "jobs": {"check": 7}}']
)
def test_a_damaged_record_of_jobs_costs_nothing_else(
    record: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (record / "jobs.json").write_text(text)

    code = main(["--state-dir", str(record), "status", "--json"])
    document = json.loads(capsys.readouterr().out)

    assert code == 3
    assert any("jobs.json" in reason for reason in document["reasons"])
    assert document["plan"] is not None


def test_what_a_daemon_cannot_put_right_by_itself_is_a_reason_for_attention() -> None:
    health, document = weighed(given.plan(), daemon=DaemonView(812, daemon_says(problems=["no worker answers"])))

    assert (health, document["reasons"]) == (Health.ATTENTION, ["no worker answers"])


def test_a_job_that_failed_again_and_again_is_a_reason_for_attention() -> None:
    entry = {
        "started_at": format_utc(NOW),
        "finished_at": format_utc(NOW),
        "exit_code": 1,
        "asked_by": "schedule",
        "failures": 3,
    }
    once = {**entry, "failures": 1}

    jobs = {name: JobView(JsonReader(job, "jobs.json")) for name, job in (("check", entry), ("upgrade", once))}

    health, document = weighed(given.plan(), jobs=jobs)

    assert health is Health.ATTENTION
    assert document["reasons"] == ["check failed 3 times in a row: `journalctl -u 'maestro-agent-worker@*'`"]
    assert document["jobs"]["check"]["consecutive_failures"] == 3
    assert document["jobs"]["upgrade"]["last_exit_code"] == 1
