"""`status`: health, reasons, document and text. It answers whatever the record holds."""

import copy
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.cli.main import main
from agent.core.model.facts import Lists, ListsState, Repair
from agent.core.model.outcome import Outcome, Result
from agent.core.model.plan import Plan
from agent.core.model.scope import Scope
from agent.report.status.document import Status, build_status, status_document
from agent.report.status.health import Health
from agent.report.status.lines import status_lines
from agent.report.status.observed import DaemonView, Damaged, Observed, RunningJob
from agent.report.text import reboot_line
from agent.state.documents.outcome import outcome_to_document
from agent.state.documents.plan import plan_to_document
from agent.state.job_views import JobView
from agent.state.json_reader import JsonReader
from agent.state.record import Record
from agent.state.store import STATE, Store
from agent.state.timestamps import format_age, format_utc, parse_utc
from agent.state.views import RebootView, RunView, StateView
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


def status_of(*arguments: Any, **parts: Any) -> tuple[Health, dict[str, Any]]:
    """Return the status's health and document."""
    status = built(*arguments, **parts)
    return status.health, encoded(status)


def ended(result: Result) -> Outcome:
    return given.outcome(finished_at=NOW, result=result)


def test_without_package_lists_no_count_of_updates_is_none() -> None:
    found = built(given.plan(lists=Lists(state=ListsState.NEVER, updated_at=None)))

    shown = dict(str(line).split("  ", 1) for line in status_lines(found) if "  " in str(line).strip())
    assert {shown[name].strip() for name in ("To install", "Held back", "Other updates")} == {"unknown"}


def test_a_machine_that_was_never_checked_is_unknown() -> None:
    health, document = status_of()

    assert (health, health.exit_code) == (Health.UNKNOWN, 3)
    assert document["reasons"] == ["never checked: run `maestro-agent check`"]
    assert [document[name] for name in ("looked_at", "fresh_until", "plan", "last_run")] == [None] * 4


def test_a_machine_with_fresh_lists_and_nothing_to_do_is_healthy() -> None:
    health, document = status_of(given.plan(), ended(Result.UP_TO_DATE))

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
        ({"lists": PARTIAL}, "the lists of some package sources could not be fetched"),
    ],
)
def test_pending_work_needs_attention(plan: dict[str, Any], reason: str) -> None:
    health, document = status_of(given.plan(**plan))

    assert (health, health.exit_code) == (Health.ATTENTION, 10)
    assert document["reasons"] == [reason]


def test_other_available_updates_need_no_attention() -> None:
    assert status_of(given.plan(other_updates=5))[0] is Health.HEALTHY


@pytest.mark.parametrize("result", Result)
def test_a_run_that_did_not_succeed_needs_attention(result: Result) -> None:
    health, document = status_of(given.plan(), ended(result))

    wants = result in {Result.FAILED, Result.INTERRUPTED, Result.BUSY, Result.DEFERRED}
    assert health is (Health.ATTENTION if wants else Health.HEALTHY)
    assert [reason for reason in document["reasons"] if result.value in reason and "history" in reason] == document[
        "reasons"
    ]


def test_a_run_in_progress_is_shown_and_needs_no_attention() -> None:
    upgrade = RunningJob(812, ("upgrade", given.outcome().started_at))

    status = built(given.plan(), given.outcome(), running=upgrade)
    health, document, lines = status.health, encoded(status), status_lines(status)

    assert health is Health.HEALTHY
    assert document["running"]["pid"] == 812
    assert any(line.startswith("Last run") and "running since" in line for line in lines)
    assert any(line.startswith("Running          upgrade (pid 812), started 20") for line in lines)


def test_a_running_check_does_not_hide_a_failed_run() -> None:
    check = RunningJob(812, ("check", NOW))

    status = built(given.plan(), ended(Result.FAILED), running=check)
    health, document, lines = status.health, encoded(status), status_lines(status)

    assert health is Health.ATTENTION
    assert "the last run failed" in document["reasons"][0]
    assert any(line.startswith("Last run") and ": FAILED" in line for line in lines)
    assert any(line.startswith("Running          check (pid 812)") for line in lines)


def test_an_interrupted_run_is_not_taken_for_the_one_in_progress() -> None:
    upgrade = RunningJob(812, ("upgrade", given.outcome().started_at + timedelta(days=1)))

    assert "the last run was interrupted" in status_of(given.plan(), given.outcome(), running=upgrade)[1]["reasons"][0]


@pytest.mark.parametrize("job", ["check", "upgrade"])
def test_a_running_job_shows_what_it_does_and_no_command_is_advised(job: str) -> None:
    running = RunningJob(812, (job, NOW), "waiting for python3 (pid 66), which holds /var/lib/dpkg/lock-frontend")

    status = built(
        given.plan(
            install=(given.step("nginx"),), repair=(Repair(package="dpkg", architecture="amd64", state="interrupted"),)
        ),
        running=running,
    )
    document, lines = encoded(status), status_lines(status)

    assert document["running"]["progress"].startswith("waiting for python3 (pid 66)")
    assert any(line.startswith("Running ") and "waiting for python3 (pid 66)" in line for line in lines)
    assert [reason for reason in document["reasons"] if "maestro-agent upgrade" in reason or "broken" in reason] == []


def test_running_is_null_without_a_running_job() -> None:
    assert status_of(given.plan())[1]["running"] is None


def test_a_required_reboot_needs_attention_whatever_the_record_holds() -> None:
    health, document = status_of(given.plan(), reboot=REBOOT)

    assert health is Health.ATTENTION
    assert document["reasons"] == ["a reboot is required"]
    assert document["reboot"] == {"required": True, "packages": ["libc6"], "since": format_utc(NOW)}


@pytest.mark.parametrize(
    ("hours", "health"), [(0, Health.HEALTHY), (36, Health.HEALTHY), (36.01, Health.UNKNOWN), (9999, Health.UNKNOWN)]
)
def test_lists_become_stale_without_checks(hours: float, health: Health) -> None:
    found, document = status_of(given.plan(), now=NOW + timedelta(hours=hours))

    assert found is health
    assert all("stale" in reason for reason in document["reasons"])


@pytest.mark.parametrize(
    ("lists", "line"),
    [
        (STALE, "stale (last verified 2026-11-23 05:10 UTC): run `maestro-agent check`"),
        (Lists(state=ListsState.STALE, updated_at=None), "(never verified)"),
        (NEVER, "there are no package lists of security sources: run `maestro-agent check`"),
    ],
)
def test_stale_lists_make_the_health_unknown(lists: Lists, line: str) -> None:
    health, document = status_of(given.plan(lists=lists))

    assert health is Health.UNKNOWN
    assert line in document["reasons"][0]


def test_pending_work_is_shown_even_if_the_lists_are_stale() -> None:
    health, document = status_of(given.plan(lists=STALE, install=(given.step(),)), ended(Result.FAILED), reboot=REBOOT)

    assert health is Health.UNKNOWN
    assert len(document["reasons"]) == 4


def test_a_damaged_record_is_a_reason() -> None:
    health, document = status_of(state=Damaged("state.json: is damaged"))

    assert health is Health.UNKNOWN
    assert document["reasons"] == ["state.json: is damaged"]


@pytest.mark.parametrize("reboot", [None, REBOOT])
@pytest.mark.parametrize("run", [None, ended(Result.FAILED), ended(Result.UPDATED), given.outcome()])
@pytest.mark.parametrize(
    "plan",
    [None, given.plan(), given.plan(lists=STALE), given.plan(install=(given.step(),), held=(given.held("held-one"),))],
)
def test_text_and_document_agree(plan: Plan | None, run: Outcome | None, reboot: Any) -> None:
    status = built(plan, run, reboot=reboot)
    health, document, lines = status.health, encoded(status), status_lines(status)

    assert document["health"] == health.value
    assert lines[0] == f"server1: {health.value.upper()}"
    assert [line[4:] for line in lines if line.startswith("  ! ")] == document["reasons"]
    assert any(line.startswith("Last run  ") for line in lines) is (run is not None)
    assert any("held-one  1 -> 2" in line for line in lines) is bool(plan and plan.held)
    assert any(line.startswith("Reboot           required (libc6)") for line in lines) is bool(reboot)


@pytest.mark.parametrize(("count", "last"), [(1, "p1 "), (8, "p8 "), (9, "and 1 more"), (20, "and 12 more")])
def test_the_text_lists_eight_steps_and_counts_the_rest(count: int, last: str) -> None:
    plan = given.plan(install=tuple(given.step(f"p{number}") for number in range(1, count + 1)))

    lines = status_lines(built(plan))

    steps = [line.strip() for line in lines if line.startswith(" " * 17)]
    assert len(steps) == min(count, 9)
    assert steps[-1].startswith(last)


def test_all_packages_are_listed_on_request() -> None:
    plan = given.plan(install=tuple(given.step(f"p{number}") for number in range(20)))

    lines = status_lines(built(plan), verbose=True)

    assert sum(line.startswith(" " * 17) for line in lines) == 20
    assert not any("more" in line for line in lines)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ([], "2026-11-23 05:10 UTC (just now)"),
        (["packages"], "2026-11-23 05:10 UTC (just now); dpkg's database changed since"),
        (
            ["apt-configuration", "configuration"],
            "2026-11-23 05:10 UTC (just now); apt's configuration and the agent's configuration changed since",
        ),
        (
            ["packages", "apt-configuration", "configuration"],
            "2026-11-23 05:10 UTC (just now); "
            "dpkg's database, apt's configuration and the agent's configuration changed since",
        ),
    ],
)
def test_the_last_check_says_what_was_changed_since(changed: list[str], text: str) -> None:
    status = built(given.plan(), changed=changed)

    assert f"Last check       {text}" in status_lines(status)
    assert (encoded(status)["changed_since_check"], status.health) == (changed, Health.HEALTHY)


def status(directory: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command on a record; return exit code, standard output and standard error."""
    code = main(["status", "--state-dir", str(directory), *arguments])
    found = capsys.readouterr()
    return code, found.out, found.err


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """Return a state directory with a check and a run."""
    made = Record(Store(str(tmp_path)))
    plan = given.plan(lists=PARTIAL, install=(given.step(),), held=(given.held(),), repair=(given.REPAIR,))
    made.save_plan(plan, NOW, fresh_until=NOW + timedelta(days=36500), scan=given.WATCHED)
    made.save_outcome(ended(Result.FAILED), NOW)
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
    """Return the path of each value in a document."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield (*way, key)
        yield from places(inner, (*way, key))


def changed(document: Any, way: tuple[str | int, ...], value: object) -> Any:
    """Return the document with another value at one path."""
    made = inner = copy.deepcopy(document)
    for key in way[:-1]:
        inner = inner[key]
    inner[way[-1]] = value
    return made


_TIMES = {"generated_at", "fresh_until", "updated_at", "started_at"}


@pytest.mark.parametrize("name", ["state", "history/20261123T051000Z"])
@pytest.mark.parametrize("arguments", [[], ["--json"]], ids=["text", "json"])
def test_a_malformed_record_is_never_an_internal_error(
    record: Path, capsys: pytest.CaptureFixture[str], name: str, arguments: list[str]
) -> None:
    """Malformed times have a test below."""
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
def test_a_malformed_time_is_not_an_internal_error(
    record: Path, capsys: pytest.CaptureFixture[str], name: str, way: tuple[str, ...]
) -> None:
    path = record / f"{name}.json"
    path.write_text(json.dumps(changed(json.loads(path.read_text()), way, "yesterday")))

    code, _, err = status(record, capsys)

    assert code == 3
    assert "internal error" not in err


def test_a_malformed_record_still_gives_a_document(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
        (timedelta(seconds=-1), "in the future (check the clock)"),
    ],
)
def test_an_age_has_one_unit(passed: timedelta, words: str) -> None:
    assert format_age(NOW, NOW + passed) == words


def test_a_time_is_parsed_as_it_was_formatted() -> None:
    assert format_utc(NOW) == "2026-11-23T05:10:00Z"
    assert parse_utc(format_utc(NOW)) == NOW


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-11-23T05:10:00", "2026-11-23T05:10:00+01:00", "2026-13-01T00:00:00Z"]
)
def test_a_text_that_is_not_a_utc_time_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a time in UTC|isoformat|month"):
        parse_utc(text)


def daemon_status(**changes: Any) -> JsonReader:
    found = {
        "version": "1",
        "started_at": format_utc(NOW),
        "seen_at": format_utc(NOW),
        "doing": "next check 2026-03-05 12:00 UTC",
        "problems": [],
        "next": {"check": format_utc(NOW), "upgrade": format_utc(NOW)},
    }
    return JsonReader({**found, **changes}, "daemon.json")


def test_a_living_daemon_is_shown_with_its_next_job() -> None:
    status = built(given.plan(), daemon=DaemonView(812, daemon_status()))
    health, document = status.health, encoded(status)

    assert health is Health.HEALTHY
    assert (document["daemon"]["alive"], document["daemon"]["pid"]) == (True, 812)
    assert document["jobs"]["upgrade"]["next_at"] == format_utc(NOW)
    assert "Daemon           running (pid 812)" in status_lines(status)


def test_a_job_that_has_ended_is_not_shown_as_what_the_daemon_does() -> None:
    daemon = DaemonView(812, daemon_status(doing="verify-reboot: starting"))
    job = RunningJob(900, ("verify-reboot", NOW))

    assert "Daemon           running (pid 812)" in status_lines(built(given.plan(), daemon=daemon))
    busy = "Daemon           running (pid 812): verify-reboot: starting"
    assert busy in status_lines(built(given.plan(), daemon=daemon, running=job))


def test_a_dead_daemon_makes_the_health_unknown() -> None:
    health, document = status_of(given.plan(), daemon=DaemonView(None, None))

    assert health is Health.UNKNOWN
    assert "the daemon is not running" in document["reasons"][0]
    assert document["daemon"]["alive"] is False


@pytest.mark.parametrize(
    ("written", "read_s", "later"),
    [({}, 1000.0, timedelta(minutes=3)), ({"next_look_monotonic_s": 1000.0}, 1121.0, timedelta(minutes=-3))],
    ids=["of an older version", "whatever the clock says"],
)
def test_a_daemon_that_does_not_respond_makes_the_health_unknown(
    written: dict[str, float], read_s: float, later: timedelta
) -> None:
    daemon = DaemonView(812, daemon_status(**written), read_s)
    health, document = status_of(given.plan(), daemon=daemon, now=NOW + later)

    assert health is Health.UNKNOWN
    assert "the daemon has not responded since" in document["reasons"][0]


def test_neither_a_suspend_nor_a_step_of_the_clock_makes_the_daemon_silent() -> None:
    daemon = DaemonView(812, daemon_status(next_look_monotonic_s=1000.0), 1119.0)
    health, _ = status_of(given.plan(), daemon=daemon, now=NOW + timedelta(hours=1))

    assert health is Health.HEALTHY


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", '{"schema": "maestro.jobs/1"}', '{"schema": "maestro.jobs/1", "jobs": {"check": 7}}']
)
def test_a_damaged_job_status_leaves_all_other_parts(
    record: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (record / "jobs.json").write_text(text)

    code = main(["--state-dir", str(record), "status", "--json"])
    document = json.loads(capsys.readouterr().out)

    assert code == 3
    assert any("jobs.json" in reason for reason in document["reasons"])
    assert document["plan"] is not None


def test_a_problem_of_the_daemon_is_a_reason_for_attention() -> None:
    health, document = status_of(
        given.plan(), daemon=DaemonView(812, daemon_status(problems=["the worker does not respond"]))
    )

    assert (health, document["reasons"]) == (Health.ATTENTION, ["the worker does not respond"])


def test_a_job_that_failed_repeatedly_is_a_reason_for_attention() -> None:
    entry = {
        "started_at": format_utc(NOW),
        "finished_at": format_utc(NOW),
        "exit_code": 1,
        "asked_by": "schedule",
        "failures": 3,
    }
    once = {**entry, "failures": 1}

    jobs = {name: JobView(JsonReader(job, "jobs.json")) for name, job in (("check", entry), ("upgrade", once))}

    health, document = status_of(given.plan(), jobs=jobs)

    assert health is Health.ATTENTION
    assert document["reasons"] == ["check failed 3 times in a row: `journalctl -t maestro-agent -p warning`"]
    assert document["jobs"]["check"]["consecutive_failures"] == 3
    assert document["jobs"]["upgrade"]["last_exit_code"] == 1


def test_a_package_that_asked_for_a_reboot_and_is_gone_says_so() -> None:
    packages = ["dbus", "linux-image-6.1.0-3-amd64"]
    reboot = RebootView(packages, None, required=True, removed=["linux-image-6.1.0-3-amd64"])

    assert "(dbus; linux-image-6.1.0-3-amd64, removed since)" in reboot_line(reboot)
    assert "(dbus, linux-image-6.1.0-3-amd64)" in reboot_line(RebootView(packages, None, required=True))
