"""`status --check`: one line in the form of Nagios plugins, and its exit code; the local check for checkmk."""

import re
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.cli.main import main
from agent.core.model.facts import Lists, ListsState
from agent.core.model.outcome import Result
from agent.core.model.plan import Why
from agent.report.status.check_line import CheckState, check_line, check_state, failed_check_line
from agent.report.status.document import Status
from agent.report.status.observed import Damaged
from tests.conftest import CHECKOUT
from tests.core import given
from tests.core.given import NOW
from tests.report.status.test_needs import AUTOMATIC, CHECKS_ONLY
from tests.report.status.test_status import REBOOT, STALE, built, ended

LINE = re.compile(r"MAESTRO (OK|WARNING|CRITICAL|UNKNOWN) - ([^|\n]+) \| ([^|\n]+)")
VALUE = re.compile(r"([a-z_]+)=(U|[0-9]+s?);;;0")
LOCAL_CHECK = CHECKOUT / "docs/examples/checkmk-maestro"
STEP, ON_PURPOSE = given.step(), given.held("a", Why.SNOOZED)


def status(*arguments: Any, **parts: Any) -> Status:
    return built(*arguments, **{"daemon": AUTOMATIC, **parts})


def values(line: str) -> dict[str, str]:
    """Return the performance data of a line in the guidelines' form."""
    found = LINE.fullmatch(line)
    assert found, line
    parts = [VALUE.fullmatch(part) for part in found[3].split(" ")]
    assert all(parts), line
    return {part[1]: part[2] for part in parts if part}


STATES = {
    "nothing to do": (status(given.plan()), CheckState.OK),
    "the next upgrade installs it": (status(given.plan(install=(STEP,))), CheckState.OK),
    "held on purpose": (status(given.plan(held=(ON_PURPOSE,))), CheckState.OK),
    "nobody installs it": (status(given.plan(install=(STEP,)), daemon=CHECKS_ONLY), CheckState.WARNING),
    "held": (status(given.plan(held=(given.held("a", Why.BROKEN_DEPENDENCY),))), CheckState.WARNING),
    "reboot": (status(given.plan(), reboot=REBOOT), CheckState.WARNING),
    "unfinished": (status(given.plan(repair=(given.REPAIR,))), CheckState.CRITICAL),
    "failed run": (status(given.plan(), ended(Result.FAILED), reboot=REBOOT), CheckState.CRITICAL),
    "busy run": (status(given.plan(), ended(Result.BUSY)), CheckState.OK),
    "stale": (status(given.plan(lists=STALE, repair=(given.REPAIR,))), CheckState.UNKNOWN),
    "never checked": (status(), CheckState.UNKNOWN),
}


@pytest.mark.parametrize(("found", "state"), STATES.values(), ids=STATES)
def test_the_state_is_ok_unless_something_needs_a_person(found: Status, state: CheckState) -> None:
    assert check_state(found) is state
    assert LINE.fullmatch(check_line(found)), check_line(found)
    assert check_line(found).startswith(f"MAESTRO {state.name} - ")


def test_the_performance_data_has_the_counts_and_ages() -> None:
    plan = given.plan(install=(STEP, given.step("b")), held=(ON_PURPOSE,), other_updates=5)

    found = values(check_line(status(plan, reboot=REBOOT, now=NOW + timedelta(minutes=20))))

    counts = {"pending": "2", "held": "1", "other": "5", "reboot_required": "1"}
    assert found == {**counts, "oldest_fix": "U", "check_age": "1200s"}


def test_without_package_lists_no_count_of_updates_has_a_value() -> None:
    found = values(check_line(status(given.plan(lists=Lists(state=ListsState.NEVER, updated_at=None)))))

    assert {found[name] for name in ("pending", "held", "other")} == {"U"}


def test_what_is_not_known_has_no_value() -> None:
    assert set(values(check_line(status(reboot=Damaged("unreadable")))).values()) == {"U"}


def test_without_package_lists_nothing_pending_is_not_known() -> None:
    plan = given.plan(lists=Lists(state=ListsState.NEVER, updated_at=None))

    assert {values(check_line(status(plan)))[name] for name in ("pending", "held")} == {"U"}


def test_the_time_since_a_check_that_a_clock_dates_in_the_future_is_not_negative() -> None:
    assert values(check_line(status(given.plan(), now=NOW - timedelta(minutes=1))))["check_age"] == "0s"


def test_a_failure_stands_before_what_only_needs_a_person() -> None:
    found = check_line(status(given.plan(), ended(Result.FAILED), reboot=REBOOT))

    assert 0 < found.index("the last run failed") < found.index("a reboot is required")


@pytest.mark.parametrize("text", ["a|b=1;;;0\n", "a" * 5000, "\x1b[31ma\u202e\r\n| x"], ids=["bar", "long", "control"])
def test_foreign_text_stays_in_its_place_of_one_line(text: str) -> None:
    found = check_line(
        status(given.plan(held=tuple(given.held(f"p{at}", Why.UNTRUSTED, detail=text) for at in range(9))))
    )

    assert LINE.fullmatch(found)
    assert found.isprintable()
    assert len(found) < 1024


def test_a_check_that_fails_itself_is_one_line_and_unknown() -> None:
    found = failed_check_line("cannot be read |\n x")

    assert (found.count("\n"), found.count("|"), found.split()[1]) == (0, 0, "UNKNOWN")


def test_the_exit_code_is_the_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--check", "--state-dir", str(tmp_path)]) == 3

    shown = capsys.readouterr()
    assert LINE.fullmatch(shown.out.rstrip("\n"))
    assert shown.err == ""


@pytest.mark.parametrize("other", ["--json", "--quiet"])
def test_one_form_of_output_excludes_another(other: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--check", other, "--state-dir", str(tmp_path)]) == 2
    assert "not allowed with" in capsys.readouterr().err


def local_check(tmp_path: Path, output: str, code: int) -> str:
    """Run the local check with a `maestro-agent` that prints this."""
    (tmp_path / "output").write_text(output)
    program = tmp_path / "maestro-agent"
    program.write_text(f'#!/bin/sh\n[ "$*" = "status --check" ] && cat "{tmp_path}/output"\nexit {code}\n')
    program.chmod(0o755)
    done = subprocess.run(
        [str(LOCAL_CHECK)], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(("found", "state"), STATES.values(), ids=STATES)
def test_checkmk_gets_the_state_and_the_known_values(found: Status, state: CheckState, tmp_path: Path) -> None:
    line = check_line(found)

    local_state, name, metrics, *text = local_check(tmp_path, f"{line}\n", state).rstrip("\n").split(" ")

    known = {name: value.rstrip("s") for name, value in values(line).items() if value != "U"}
    pairs = [metric.partition("=") for metric in metrics.split("|")] if metrics != "-" else []
    assert (local_state, name) == (str(int(state)), "maestro-agent")
    assert {name: value.partition(";")[0] for name, _, value in pairs} == known
    assert " ".join(text) == line.partition(" | ")[0]


@pytest.mark.parametrize(("output", "code"), [("", 127), ("", 1), ("Traceback", 1)], ids=["gone", "silent", "a bug"])
def test_checkmk_gets_a_line_when_the_command_fails(output: str, code: int, tmp_path: Path) -> None:
    state, name, metrics, *text = local_check(tmp_path, output, code).split()

    assert (state, name, metrics) == ("3" if code == 127 else "1", "maestro-agent", "-")
    assert text


def test_lists_that_are_missing_in_part_are_no_reason_to_wake_a_person() -> None:
    partial = Lists(state=ListsState.PARTIAL, updated_at=NOW)

    assert check_state(status(given.plan(lists=partial))) is CheckState.OK
