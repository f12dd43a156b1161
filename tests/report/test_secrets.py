"""The exporters' tokens and headers stay in their files, though the other side repeats them."""

import string
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import CHECKOUT
from tests.support.repeating import repeating

HEAD, TAIL = "He4dOfSecret", "Ta1lOfSecret"
VISIBLE = string.ascii_letters + string.digits + string.punctuation


def everything(directory: Path, port: int) -> str:
    """Run all exporters; return what they print and write."""
    state, run, config = directory / "state", directory / "run", directory / "config.toml"
    state.mkdir()
    run.mkdir()
    config.write_text(
        f'[endpoint]\nurl = "http://127.0.0.1:{port}"\ntoken_file = "{directory}/token"\n'
        f'[otlp]\nurl = "http://127.0.0.1:{port}"\nheaders_file = "{directory}/headers"\n'
    )
    found = ""
    for command in ("report --send", "report", "status", "status --json", "config show"):
        options = ["--config", str(config), "--state-dir", str(state)]
        runs = ["--run-dir", str(run)] if command.startswith("report") else []
        program = ["/usr/bin/python3", "-m", "agent", *options, *command.split(), *runs]
        done = subprocess.run(program, cwd=CHECKOUT, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        found += done.stdout + done.stderr
    files = [path for place in (state, run) for path in place.rglob("*") if path.is_file()]
    return found + "".join(path.read_bytes().decode(errors="replace") for path in files)


@settings(max_examples=3)
@given(middle=st.text(VISIBLE, max_size=12))
def test_a_token_and_a_header_that_are_repeated_are_not_shown(middle: str) -> None:
    secret = f"{HEAD}{middle}{TAIL}"
    with repeating() as port, tempfile.TemporaryDirectory() as directory:
        Path(directory, "token").write_text(f"{secret}\n")
        Path(directory, "headers").write_text(f"X-Key: {secret}\n")

        shown = everything(Path(directory), port)

    assert "401" in shown
    assert HEAD not in shown
    assert TAIL not in shown


@pytest.mark.parametrize("content", ["two words", "", "\x00", "ünicode"])
def test_a_token_file_that_holds_no_token_is_not_shown(content: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{HEAD} {content}{TAIL}\n")
    (tmp_path / "headers").write_text(f"{HEAD} {content}{TAIL}\n")

    shown = everything(tmp_path, 1)

    assert "token" in shown
    assert HEAD not in shown
    assert TAIL not in shown
