"""`snooze`: what is recorded, listed and ended, and what is refused. Root's own command."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from agent.cli.main import main
from agent.core.model.waiting import Snooze
from agent.state.store import SNOOZES, Store
from agent.state.waiting_record import WaitingRecord
from tests.conftest import CHECKOUT

LATER = (datetime.now(timezone.utc) + timedelta(days=30)).strftime("%Y-%m-%d")
COMMENT = ("--comment", "after the fair")
Command = Callable[..., int]


@pytest.fixture
def snooze(tmp_path: Path) -> Command:
    return lambda *words: main(["snooze", *words, "--state-dir", str(tmp_path)])


@pytest.fixture
def made(tmp_path: Path) -> Callable[[], tuple[Snooze, ...]]:
    return lambda: WaitingRecord(Store(str(tmp_path))).load_snoozes()


def test_packages_and_cves_are_recorded_until_the_end_of_the_day(
    snooze: Command, made: Callable[[], tuple[Snooze, ...]]
) -> None:
    assert snooze("nginx", "libssl3:amd64", "cve-2026-12345", "--until", LATER, *COMMENT) == 0

    assert [one.what for one in made()] == ["nginx", "libssl3:amd64", "CVE-2026-12345"]
    assert {(one.comment, one.by, one.ended_at) for one in made()} == {("after the fair", "root", None)}
    assert made()[0].until > datetime.fromisoformat(f"{LATER}T12:00:00+00:00")


def test_a_later_snooze_of_the_same_package_replaces_the_earlier_one(
    snooze: Command, made: Callable[[], tuple[Snooze, ...]]
) -> None:
    assert snooze("nginx", "--until", LATER, *COMMENT) == 0
    assert snooze("nginx", "--until", f"{LATER}T04:00:00Z", "--comment", "longer") == 0

    assert [(one.what, one.comment) for one in made()] == [("nginx", "longer")]


@pytest.mark.parametrize(("what", "warned"), [("dpkg", False), ("dpkg:no-such-architecture", True), ("no-such", True)])
def test_what_would_hold_nothing_is_told(
    snooze: Command, capsys: pytest.CaptureFixture[str], what: str, *, warned: bool
) -> None:
    assert snooze(what, "--until", LATER, *COMMENT) == 0

    assert (what in capsys.readouterr().err) is warned


def test_an_end_is_recorded_and_stays(snooze: Command, made: Callable[[], tuple[Snooze, ...]]) -> None:
    assert snooze("nginx", "curl", "--until", LATER, *COMMENT) == 0

    assert snooze("--end", "nginx") == 0

    assert [(one.what, one.ended_at is not None) for one in made()] == [("nginx", True), ("curl", False)]
    assert snooze("--end", "nginx") == 2


@pytest.mark.parametrize("words", [(), ("--list",)], ids=["default", "list"])
def test_the_list_has_what_is_in_force(
    snooze: Command, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert snooze("nginx", "curl", "--until", LATER, *COMMENT) == 0
    assert snooze("--end", "curl") == 0
    capsys.readouterr()

    assert snooze(*words) == 0

    shown = capsys.readouterr().out
    assert "nginx" in shown
    assert "after the fair" in shown
    assert "curl" not in shown


def test_the_document_has_the_shape_of_its_schema(snooze: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert snooze("nginx", "CVE-2026-12345", "--until", LATER, *COMMENT, "--quiet") == 0
    assert snooze("--end", "nginx", "--quiet") == 0

    assert snooze("--json") == 0

    schema: Any = json.loads((CHECKOUT / "schemas/maestro.snoozes-1.json").read_text())
    document = json.loads(capsys.readouterr().out)
    jsonschema.Draft7Validator(schema).validate(document)
    assert len(document["snoozes"]) == 2


@pytest.mark.parametrize(
    "words",
    [
        ("nginx",),
        ("nginx", "--until", LATER),
        ("nginx", *COMMENT),
        ("nginx", "--until", "2020-01-01", *COMMENT),
        ("nginx", "--until", "2099-01-01", *COMMENT),
        ("nginx", "--until", "tomorrow", *COMMENT),
        ("nginx", "--until", LATER, "--comment", " "),
        ("nginx", "--until", LATER, "--comment", "x" * 201),
        ("nginx", "--until", LATER, "--comment", "two\nlines"),
        ("Nginx", "--until", LATER, *COMMENT),
        ("nginx=1.2", "--until", LATER, *COMMENT),
        ("CVE-2026-1", "--until", LATER, *COMMENT),
        ("--until", LATER, *COMMENT),
        ("--list", "nginx"),
        ("--list", "--end", "nginx"),
        ("--end",),
        ("--end", "nginx", "--until", LATER),
        ("--end", "nginx"),
    ],
    ids=lambda words: " ".join(words)[:40].replace(LATER, "later").replace("\n", " "),
)
def test_what_is_not_possible_is_refused_and_nothing_is_recorded(
    snooze: Command, tmp_path: Path, words: tuple[str, ...]
) -> None:
    assert snooze(*words) == 2

    assert not Store(str(tmp_path)).has(SNOOZES)


def test_a_damaged_document_is_an_error_and_a_new_snooze_sets_it_aside(
    snooze: Command, tmp_path: Path, made: Callable[[], tuple[Snooze, ...]]
) -> None:
    path = Path(Store(str(tmp_path)).path(SNOOZES))
    path.write_text("{")
    assert snooze("--list") == 3
    assert path.read_text() == "{"

    assert snooze("nginx", "--until", LATER, *COMMENT) == 0

    assert [one.what for one in made()] == ["nginx"]
    assert Path(f"{path}.unreadable").read_text() == "{"


def test_everybody_may_read_the_record(snooze: Command, tmp_path: Path) -> None:
    assert snooze("nginx", "--until", LATER, *COMMENT) == 0

    assert Path(Store(str(tmp_path)).path(SNOOZES)).stat().st_mode & 0o777 == 0o644


def test_a_secret_in_a_comment_is_not_recorded(snooze: Command, made: Callable[[], tuple[Snooze, ...]]) -> None:
    assert snooze("nginx", "--until", LATER, "--comment", "see https://ann:hunter2@example.org/") == 0

    assert "hunter2" not in made()[0].comment
