"""With --json each failure of each command is one document, `maestro.error/1`, on standard output."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agent.cli.command_line import COMMANDS
from agent.errors import ExitCode
from agent.host.machine.identity import host_id
from agent.report.outbox.file import open_outbox
from agent.report.outbox.transaction import OutboxLimits
from agent.state.job_lock import job_lock
from agent.state.store import Store
from tests.conftest import CHECKOUT
from tests.core import given
from tests.support.no_lists import WITHOUT_LISTS

NOBODY = 65534
READ_CONFIGURATION = (
    "check --no-refresh",
    "upgrade",
    "upgrade --dry-run",
    "explain dpkg",
    "config",
    "config check",
    "report",
    "report --send",
)


@pytest.fixture(scope="module")
def agent_for_everyone() -> Iterator[Path]:
    """Return a directory with the agent that every user may read, wherever the checkout is."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        shutil.copytree(CHECKOUT / "agent", Path(directory, "agent"), ignore=shutil.ignore_patterns("__pycache__"))
        for path in Path(directory).rglob("*"):  # those of the checkout depend on the umask
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield Path(directory)


def run(arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*WITHOUT_LISTS, "/usr/bin/python3", "-m", "agent", *arguments.split(), "--json"]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)


def failure(done: subprocess.CompletedProcess[str]) -> tuple[int, str]:
    """Return exit code and code of a failure, after comparing the document with what a person sees."""
    document = json.loads(done.stdout)

    assert set(document) == {"schema", "generated_at", "error", "exit_code", "code"}
    assert document["schema"] == "maestro.error/1"
    assert document["exit_code"] == done.returncode
    assert document["error"].splitlines()[0] in done.stderr
    assert "Traceback" not in done.stderr
    return done.returncode, document["code"]


@pytest.mark.parametrize(
    "arguments", ["", "nonsense", "help nonsense", *(f"{verb} --nonsense" for verb in COMMANDS if verb != "help")]
)
def test_a_wrong_command_line(arguments: str) -> None:
    assert failure(run(arguments)) == (ExitCode.USAGE, "usage")


@pytest.mark.parametrize("arguments", READ_CONFIGURATION)
def test_a_wrong_configuration(arguments: str, tmp_path: Path) -> None:
    wrong = tmp_path / "config.toml"
    wrong.write_text("[agent]\nnonsense = 1\n")

    done = run(f"--config {wrong} --state-dir {tmp_path} {arguments}")

    assert failure(done) == (ExitCode.CONFIG, "config")


@pytest.mark.skipif(os.geteuid() != 0, reason="root becomes another user")
@pytest.mark.parametrize("arguments", ["check", "upgrade", "upgrade --all"])
def test_a_user_without_rights(arguments: str, agent_for_everyone: Path) -> None:
    command = ["/usr/bin/python3", "-m", "agent", *arguments.split(), "--json"]
    done = subprocess.run(
        command, cwd=agent_for_everyone, capture_output=True, text=True, check=False, user=NOBODY, group=NOBODY
    )

    assert failure(done) == (ExitCode.NEEDS_ROOT, "needs-root")


@pytest.mark.parametrize("arguments", ["history 20260101T000000Z", "history last", "explain no-such-package-anywhere"])
def test_a_subject_that_does_not_exist(arguments: str, tmp_path: Path) -> None:
    assert failure(run(f"--state-dir {tmp_path} {arguments}")) == (ExitCode.USAGE, "usage")


def test_another_job_is_running(tmp_path: Path) -> None:
    with job_lock(Store(str(tmp_path))):
        assert failure(run(f"check --state-dir {tmp_path}")) == (ExitCode.BUSY, "busy")


def test_no_exporter_is_configured(tmp_path: Path) -> None:
    empty = tmp_path / "config.toml"
    empty.write_text("")

    assert failure(run(f"report --send --config {empty}")) == (ExitCode.CONFIG, "config")


def test_an_exporter_that_fails(tmp_path: Path) -> None:
    unreachable = tmp_path / "config.toml"
    (tmp_path / "token").write_text("x" * 43)
    (tmp_path / "token").chmod(0o600)
    unreachable.write_text(f'[endpoint]\nurl = "https://127.0.0.1:9"\ntoken_file = "{tmp_path}/token"\n')

    done = run(f"report --send --config {unreachable} --state-dir {tmp_path} --run-dir {tmp_path}")

    assert json.loads(done.stdout)["schema"] == "maestro.error/1"
    assert json.loads(done.stdout)["exit_code"] == done.returncode == ExitCode.FAILED
    (found,) = json.loads(done.stdout)["exporters"]
    assert (found["exporter"], found["exit_code"]) == ("endpoint", ExitCode.FAILED)
    assert "Connection refused" in found["why"]
    assert found["why"] in json.loads(done.stdout)["error"]


def test_an_exporter_that_ends_without_a_reason_has_none_of_an_earlier_run(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("x" * 43)
    (tmp_path / "token").chmod(0o600)
    config = tmp_path / "config.toml"
    config.write_text(f'[endpoint]\nurl = "https://127.0.0.1:9"\ntoken_file = "{tmp_path}/token"\n')
    old = {"schema": "maestro.exporter/1", "exporters": {"endpoint": {"why": "the old reason"}}}
    (tmp_path / "exporter-endpoint.json").write_text(json.dumps(old))
    limits = OutboxLimits(size=1 << 30, age=timedelta(days=30))

    with open_outbox(str(tmp_path / "outbox"), host_id(), limits, given.NOW):
        done = run(f"report --send --config {config} --state-dir {tmp_path} --run-dir {tmp_path}")

    (found,) = json.loads(done.stdout)["exporters"]
    assert (found["exit_code"], found["why"]) == (ExitCode.BUSY, "")


def test_a_damaged_run(tmp_path: Path) -> None:
    history = tmp_path / "history"
    history.mkdir()
    (history / "20260101T000000Z.json").write_text("{")

    assert failure(run(f"history last --state-dir {tmp_path}")) == (ExitCode.STALE, "stale")


def test_of_several_subjects_each_failure_is_listed(tmp_path: Path) -> None:
    done = run(f"--state-dir {tmp_path} explain reboot no-such-package-anywhere no-such-package-nowhere")

    document = json.loads(done.stdout)
    assert (done.returncode, document["schema"]) == (ExitCode.USAGE, "maestro.explanations/1")
    assert [one["subject"] for one in document["explanations"]] == ["reboot"]
    assert [one["code"] for one in document["errors"]] == ["usage", "usage"]
