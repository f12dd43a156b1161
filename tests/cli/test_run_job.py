"""What a command prints of a job's answer."""

import pytest

from agent.cli.run_job import run_job
from agent.core.job_kinds import JobKind
from agent.worker.protocol import JobAnswer, JobRequest


def test_warnings_and_the_error_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    answer = JobAnswer(
        exit_code=10, document={"schema": "s"}, error="not written", warnings=("state.json: is damaged",)
    )

    code = run_job(
        JobRequest(kind=JobKind.CHECK, state_dir="/s"),
        as_json=False,
        render=lambda document: [document.text("schema")],
        runner=lambda _request, _progress: answer,
    )

    shown = capsys.readouterr()
    assert (code, shown.out) == (10, "s\n")
    assert shown.err == "maestro-agent: state.json: is damaged\nmaestro-agent: not written\n"
