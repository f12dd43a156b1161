"""Each command ends its process at once: with all of its output, and with the exit code of its work."""

import subprocess
import sys

import pytest

from tests.endpoint.conftest import CHECKOUT
from tests.support.endpoint_server import write_config
from tests.support.local_endpoint import run_command


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the configuration of an endpoint with a token."""
    directory = tmp_path_factory.mktemp("endpoint")
    write_config(directory / "config.toml", f"sqlite:///{directory}/endpoint.db")
    path = str(directory / "config.toml")
    assert run_command("token", "add", "--name", "web", "--config", path).returncode == 0
    return path


@pytest.mark.parametrize(
    ("redirection", "code", "error"),
    [
        *[("", 0, ""), (">/dev/full", 1, "cannot go on"), ("| :; exit ${PIPESTATUS[0]}", 0, "")],
        *[(">&-", 0, ""), ("<&- >&- 2>&-", 0, "")],
    ],
    ids=["pipe", "full", "no-reader", "closed", "all-closed"],
)
def test_a_command_ends_with_its_output_and_its_exit_code(config: str, redirection: str, code: int, error: str) -> None:
    done = in_a_shell(redirection, "token", "list", "--config", config)

    expected = "" if redirection else run_command("token", "list", "--config", config).stdout
    assert (done.returncode, done.stdout, error in done.stderr) == (code, expected, True)
    assert (done.stderr == "") == (error == "")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("--version",), 0), (("nonsense",), 2), (("fleet", "--config", "/nonexistent"), 78)],
    ids=["version", "usage", "configuration"],
)
def test_a_command_that_does_no_work_keeps_its_exit_code(arguments: tuple[str, ...], code: int) -> None:
    done = in_a_shell("", *arguments)

    assert (done.returncode, done.stdout + done.stderr != "") == (code, True)


def in_a_shell(redirection: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    words = ["bash", "-c", f'"$@" {redirection}', "bash", sys.executable, "-m", "endpoint", *arguments]
    return subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=120)
