"""What the unit's arguments are to a new engine that checks its configuration."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.host.docker.control import validate
from tests.core.docker.given_docker import UNIT


def program(directory: Path, text: str) -> str:
    """Write a shell script and return its path."""
    path = directory / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("exit 0", ""),
        ("echo unknown flag: --validate; exit 125", None),
        ("""echo '"dockerd" accepts no argument(s).'; exit 1""", None),
        ("exit 3", "exit code 3"),
    ],
    ids=["accepted", "too old", "words that were misread", "silent"],
)
def test_the_verdict_of_a_new_engine(text: str, expected: str | None, tmp_path: Path) -> None:
    assert validate(replace(UNIT, arguments=(program(tmp_path, text),))) == expected


def test_it_gets_all_arguments_of_its_unit(tmp_path: Path) -> None:
    dockerd = program(tmp_path, 'echo "$@"; exit 1')

    assert validate(replace(UNIT, arguments=(dockerd, "-H", "fd://"))) == "--validate -H fd://"
