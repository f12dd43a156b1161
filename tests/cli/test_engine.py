"""`docker` and `weave`: exit codes from the record alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.cli.main import main
from agent.core.docker.observed import observed_docker
from agent.core.model.docker import DockerFacts
from agent.core.model.engine_plan import Component
from agent.core.model.facts import Unseen
from agent.core.schemas import Document
from agent.state.documents.engine_plan import unseen_engine_to_document
from agent.state.record import Record
from agent.state.store import Store
from tests.core import given
from tests.report.status.test_engines import NEWER, SAME, plan_document


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


def test_an_upgrade_is_not_part_of_this_version() -> None:
    assert main(["docker", "upgrade"]) == 2
