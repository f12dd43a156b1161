"""`--quiet`, the message of the day and the example hook: silent unless a person is needed."""

import json
import os
import subprocess
from email import message_from_bytes
from email.policy import default as email_policy
from pathlib import Path

import pytest

from agent.cli.quiet import print_needs
from agent.cli.run_job import run_quietly
from agent.core.job_control import Progress
from agent.core.job_kinds import JobKind
from agent.errors import BusyError
from agent.report.notification import notification_document
from agent.report.status.lines import status_lines
from agent.report.status.needs import Need
from agent.state.reboot_record import RebootRecord
from agent.state.store import Store
from agent.worker.protocol import JobAnswer, JobRequest
from tests.conftest import CHECKOUT
from tests.core import given
from tests.report.status.test_needs import AUTOMATIC
from tests.report.status.test_reboots import NOW, SCHEDULE, status_of
from tests.report.status.test_status import REBOOT, built

SNIPPET = CHECKOUT / "debian/update-motd"


def motd(tmp_path: Path, output: str, code: int = 0, status: str = "") -> str:
    """Run the snippet with a `maestro-agent` that prints this for `status --quiet`, and `status`."""
    (tmp_path / "status --quiet").write_text(output)
    (tmp_path / "status").write_text(status)
    program = tmp_path / "maestro-agent"
    program.write_text(f'#!/bin/sh\ncat "{tmp_path}/$*" || exit 2\nexit {code}\n')
    program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run([str(SNIPPET)], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def test_a_healthy_server_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    print_needs(built(given.plan(install=(given.step(),)), daemon=AUTOMATIC))

    assert capsys.readouterr().out == ""


def test_each_need_is_a_line_that_names_the_server(capsys: pytest.CaptureFixture[str]) -> None:
    print_needs(built(given.plan(repair=(given.REPAIR,)), daemon=AUTOMATIC, reboot=REBOOT))

    assert [line.partition(": ")[0] for line in capsys.readouterr().out.splitlines()] == ["server1", "server1"]


def test_a_quiet_job_prints_its_error_and_the_needs_and_no_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = JobRequest(kind=JobKind.CHECK, state_dir=str(tmp_path))

    code = run_quietly(request, lambda _request, _progress: JobAnswer(exit_code=1, error="no lists", document={}))

    shown = capsys.readouterr()
    assert (code, shown.err) == (1, "maestro-agent: no lists\n")
    assert "never checked" in shown.out


def test_a_quiet_job_that_finds_another_one_at_work_prints_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def busy(_request: JobRequest, _progress: Progress) -> JobAnswer:
        raise BusyError("another maestro-agent is running")

    code = run_quietly(JobRequest(kind=JobKind.CHECK, state_dir=str(tmp_path)), busy)

    assert (code, *capsys.readouterr()) == (5, "", "")


def test_the_message_of_the_day_is_empty_where_nobody_is_needed(tmp_path: Path) -> None:
    assert motd(tmp_path, "") == ""
    assert motd(tmp_path, "", code=1) == ""


def test_the_message_of_the_day_says_when_the_machine_reboots(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "record"))
    Path(store.directory).mkdir()
    RebootRecord(store).save_schedule(SCHEDULE, NOW)
    status = "".join(f"{line}\n" for line in status_lines(status_of(store)))

    assert motd(tmp_path, "", status=status).startswith(f"maestro-agent: this machine reboots at {SCHEDULE.at:%Y}-")


def test_the_message_of_the_day_has_at_most_two_lines(tmp_path: Path) -> None:
    assert motd(tmp_path, "server1: a reboot is required\n", code=10) == "maestro-agent: a reboot is required\n"
    assert motd(tmp_path, "server1: a: b\nserver1: c\nserver1: d\n", code=3).splitlines() == [
        "maestro-agent: a: b",
        "and 2 more: `maestro-agent status`",
    ]
    assert len(motd(tmp_path, f"server1: {'x' * 5000}\n")) < 400


def test_the_message_of_the_day_is_empty_where_the_agent_is_gone(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin" if not Path("/usr/bin/maestro-agent").exists() else str(tmp_path)}

    done = subprocess.run(["/bin/sh", str(SNIPPET)], env=environment, capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("", "")


def test_the_example_hook_sends_a_mail(tmp_path: Path) -> None:
    sendmail = tmp_path / "sendmail"
    sendmail.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/arguments\ncat >{tmp_path}/mail\n')
    sendmail.chmod(0o755)
    need = Need("run-failed", "the last run failed: a (unpack): Grüße\nBcc: x@example.com")
    document = notification_document(host="server1", needs=[need], known=(), job="upgrade", run="R", now=given.NOW)

    subprocess.run(
        [str(CHECKOUT / "docs/examples/notify-mail")],
        input=json.dumps(document),
        env={**os.environ, "SENDMAIL": str(sendmail)},
        text=True,
        check=True,
    )

    mail = message_from_bytes((tmp_path / "mail").read_bytes(), policy=email_policy)
    assert (tmp_path / "arguments").read_text().split() == ["-t", "-oi"]
    assert mail["To"] == "root"
    assert mail["Subject"] == "server1: the last run failed: a (unpack): Grüße Bcc: x@example.com"
    assert mail["Bcc"] is None
    assert need.text in mail.get_content()
