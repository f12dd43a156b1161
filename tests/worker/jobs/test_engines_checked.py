"""A check records Docker and Weave, and succeeds whatever they do."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from agent.core.job_kinds import JobKind
from agent.core.schemas import STATE_SCHEMA, Document
from agent.errors import HostError
from agent.state.json_reader import JsonReader
from agent.state.store import STATE
from agent.state.views import StateView
from agent.worker.jobs.explain import run as explain
from agent.worker.protocol import JobRequest
from tests.report.status.test_engines import NEWER
from tests.worker.jobs.simulator import Agent

CHECKOUT = Path(__file__).resolve().parents[3]


def recorded(agent: Agent) -> StateView:
    state = agent.store.read(STATE, STATE_SCHEMA)
    assert state is not None
    return StateView(state)


def test_a_check_without_docker_records_none(tmp_path: Path) -> None:
    agent = Agent(tmp_path)

    agent.check()

    assert (recorded(agent).docker, recorded(agent).weave) == (None, None)


def test_a_check_records_what_is_installed_and_what_runs(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    agent.machine.engines.docker_facts = NEWER

    agent.check()
    docker = recorded(agent).docker

    assert docker is not None
    assert (docker.installed, docker.running, docker.restart_pending) == ("26.1.5", "20.10.24", True)


@pytest.mark.parametrize(
    "error", [HostError("no answer"), OSError("no answer"), KeyError("no answer")], ids=["host", "os", "lookup"]
)
def test_an_engine_that_fails_is_recorded_with_the_reason(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Agent(tmp_path)

    def fail() -> None:
        raise error

    monkeypatch.setattr(agent.machine.engines, "present", lambda: True)
    monkeypatch.setattr(agent.machine.engines, "docker", fail)

    agent.check()
    docker = recorded(agent).docker

    assert docker is not None
    assert docker.unseen is not None
    assert "no answer" in docker.unseen


def test_a_held_fix_of_the_runtime_names_its_command_in_check_and_upgrade_and_waits_since_the_first_check(
    tmp_path: Path,
) -> None:
    agent = Agent(tmp_path)
    agent.machine.engines.docker_facts = NEWER
    agent.machine.offer("docker.io")

    checked = agent.check().held
    first = agent.context.record.held_fixes()
    agent.machine.time += timedelta(days=2)
    again = agent.check().held
    upgraded = agent.upgrade().held

    assert "docker_version" in checked[0].detail
    assert [one.detail for one in (*again, *upgraded)] == [checked[0].detail] * 2
    assert [one.package for one in first] == ["docker.io"]
    assert agent.context.record.held_fixes() == first


def test_explain_names_what_opens_the_gate_of_a_held_fix(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    agent.machine.engines.docker_facts = NEWER
    agent.machine.offer("docker.io")
    request = JobRequest(kind=JobKind.EXPLAIN, package="docker.io", state_dir=str(tmp_path))

    before = opens(explain(request, agent.context).document)
    agent.check()
    after = opens(explain(request, agent.context).document)

    assert "docker_version" not in before
    assert "docker_version" in after
    assert "waiting since" in after


def opens(document: Document | None) -> str:
    gates = JsonReader(document or {}, "explain").children("gates")
    return next(gate.text("opens") for gate in gates if gate.text("gate") == "runtime")


def test_without_docker_and_weave_a_check_loads_nothing_that_plans_them() -> None:
    code = "import sys, agent.worker.jobs.check, agent.worker.jobs.upgrade; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True)

    planners = {"agent.core.docker.plan", "agent.core.weave.plan", "agent.worker.steps.engines", "zoneinfo"}
    assert planners.isdisjoint(loaded.stdout.split())
