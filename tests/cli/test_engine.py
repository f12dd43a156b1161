"""`docker` and `weave`: exit codes from the record alone."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.cli.engine import ALLOWANCES
from agent.cli.main import main
from agent.core.docker.observed import observed_docker
from agent.core.job_kinds import JobOption
from agent.core.model.docker import DockerFacts
from agent.core.model.engine_plan import Component, EnginePlan
from agent.core.model.facts import Unseen
from agent.core.schemas import Document
from agent.report.engine_text import engine_question, engine_summary_lines
from agent.state.documents.engine_plan import unseen_engine_to_document
from agent.state.engine_view import EngineView
from agent.state.json_reader import JsonReader
from agent.state.record import Record
from agent.state.store import Store
from tests.core import given
from tests.report.status.test_engines import NEWER, SAME, plan_document
from tests.state.test_engine_plan_document import FULL


def view(plan: EnginePlan) -> EngineView:
    return EngineView(JsonReader(plan_document(plan), "plan"))


def record(directory: Path, docker: Document | None) -> None:
    Record(Store(str(directory))).save_plan(
        given.plan(), given.NOW, fresh_until=given.NOW, scan=given.WATCHED, engines={"docker": docker, "weave": None}
    )


def seen(facts: DockerFacts) -> Document:
    return plan_document(observed_docker(facts, given.NOW))


@pytest.mark.parametrize(
    ("docker", "code"),
    [
        (None, 0),
        (seen(SAME), 0),
        (seen(NEWER), 10),
        (unseen_engine_to_document(Component.DOCKER, Unseen(reason="r"), given.NOW), 3),
    ],
    ids=["absent", "as-wanted", "restart-pending", "unseen"],
)
@pytest.mark.parametrize(
    "words", [["docker"], ["docker", "status"], ["docker", "--json"], ["explain", "docker"]], ids=" ".join
)
def test_the_exit_code_of_the_recorded_state(
    tmp_path: Path, docker: Document | None, code: int, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path, docker)

    assert main([*words, "--state-dir", str(tmp_path)]) == code

    out = capsys.readouterr().out
    found: dict[str, Any] = json.loads(out) if "--json" in words else {"schema": "maestro.engine-plan/1"}
    assert found["schema"] == "maestro.engine-plan/1"
    assert out


def test_weave_is_absent_and_an_unchecked_machine_unknown(tmp_path: Path) -> None:
    assert main(["weave", "--state-dir", str(tmp_path)]) == 3

    record(tmp_path, None)

    assert main(["weave", "--state-dir", str(tmp_path)]) == 0


@pytest.mark.parametrize(
    "words",
    [
        "docker --yes",
        "docker status --plan 0123456789ab",
        "docker --allow-downgrade",
        "docker -q",
        "docker plan --dry-run",
        "docker plan --wait",
        "docker plan --yes",
        "weave plan --allow-major-downgrade",
        "weave upgrade --remove-containers",
        "weave --allow-major",
        "docker restart",
    ],
    ids=lambda words: words.replace(" ", "_"),
)
def test_an_option_of_another_action_is_refused(tmp_path: Path, words: str) -> None:
    assert main([*words.split(), "--state-dir", str(tmp_path)]) == 2


@pytest.mark.parametrize("component", ["docker", "weave"])
def test_every_option_of_a_request_is_known_to_the_job(component: str) -> None:
    assert {JobOption(name) for name in ALLOWANCES[component]} < set(JobOption)


@pytest.mark.parametrize("words", ["docker plan", "docker upgrade --dry-run", "weave plan", "weave upgrade --dry-run"])
def test_without_an_engine_there_is_nothing_to_do(
    tmp_path: Path, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words.split(), "--json", "--state-dir", str(tmp_path)]) == 0

    assert json.loads(capsys.readouterr().out)["flavour"] == "none"


def test_a_dry_run_of_another_plan_is_refused(tmp_path: Path) -> None:
    assert main(["docker", "upgrade", "--dry-run", "--plan", "0123456789ab", "--state-dir", str(tmp_path)]) == 6


def test_the_question_names_versions_downtime_and_containers() -> None:
    whole = engine_question(view(FULL))
    alone = engine_question(view(replace(FULL, packages=(), candidate=FULL.running)))
    idle = engine_question(view(replace(FULL, restart_needed=False, containers=())))

    assert all(text in whole for text in ("Docker 20.10.24 to 26.1.5", "1.5-14 s"))
    assert "1 removed" in engine_summary_lines(view(FULL))[0]
    assert "Restart Docker" in alone
    assert "without downtime" in idle
