"""A recorded plan has the maintenance window of the configuration; it blocks nothing that a person requests."""

from dataclasses import replace
from pathlib import Path

from agent.core.manifest import Manifest
from agent.core.model.engine_plan import Component
from agent.core.schemas import Document
from agent.state.engine_view import EngineView
from agent.state.json_reader import JsonReader
from agent.worker.steps.engines import planned_answer
from tests.core.docker.given_docker import NEW, OLD
from tests.worker.jobs.simulator import Agent
from tests.worker.steps.docker.fake_engine import CONTAINERS


def plan(directory: Path, window: str) -> tuple[int, Document]:
    agent = Agent(directory)
    agent.manifest = Manifest(docker_version="26.1.5")
    agent.machine.engines.install_engine(*CONTAINERS)
    agent.machine.engines.offered = {"docker.io": (NEW, OLD), "docker-cli": (NEW,)}
    policy = agent.context.policy
    context = replace(agent.context, policy=replace(policy, docker=replace(policy.docker, window=window)))
    answer = planned_answer(context, Component.DOCKER)
    assert answer.document is not None
    return answer.exit_code, answer.document


def test_the_plan_has_the_window_and_is_not_blocked_by_it(tmp_path: Path) -> None:
    code, document = plan(tmp_path, "daily 02:00-04:00 Europe/Berlin")
    view = EngineView(JsonReader(document, "plan"))

    assert (code, view.blocked) == (10, [])
    assert view.window is not None
    assert view.window.text == "daily 02:00-04:00 Europe/Berlin"
    assert view.window.opens_at is not None
    assert view.window.closes_at is not None
    assert view.window.closes_at > view.at


def test_without_a_window_the_plan_has_none_and_the_same_id(tmp_path: Path) -> None:
    _, with_window = plan(tmp_path / "a", "daily 02:00-04:00")
    _, without = plan(tmp_path / "b", "")

    assert without["window"] is None
    assert with_window["id"] == without["id"]
