"""Which containers count as ended by themselves: only what ended on the engine that runs."""

from dataclasses import replace

import pytest

from agent.core.model.docker import RestartPolicy
from agent.worker.steps.docker.containers import ContainerKeeper
from tests.core.docker.given_docker import UNIT, container, docker, snapshot
from tests.worker.steps.docker.fake_engine import FakeEngine

JOB = container("job", policy=RestartPolicy.NO)
ENDED = container("job", policy=RestartPolicy.NO, state="exited")


@pytest.mark.parametrize(("engine", "state"), [(UNIT.main_pid, "exited"), (101, "running")], ids=["same", "another"])
def test_a_container_that_ended_with_0_is_left_alone_unless_the_engine_ended_meanwhile(
    engine: int | None, state: str
) -> None:
    fake = FakeEngine(docker(ENDED))
    keeper = ContainerKeeper(fake, fake, snapshot(JOB))
    keeper.restore()
    assert fake.states == {"job": "running"}

    fake.facts = docker(ENDED, unit=replace(UNIT, main_pid=engine))
    keeper.restore()

    assert fake.states == {"job": state}
    assert keeper.excused == ({"job"} if state == "exited" else set())


def test_the_first_start_after_the_snapshot_is_remembered_also_of_one_that_ended_again() -> None:
    fake = FakeEngine(docker(JOB))
    keeper = ContainerKeeper(fake, fake, snapshot(JOB))
    keeper.restore()
    assert keeper.first_starts == {}

    for second, state in ((10, "exited"), (20, "running")):
        fake.facts = docker(replace(JOB, state=state, started_at=f"2026-11-23T05:10:{second}Z"))
        keeper.restore()

    assert keeper.first_starts == {"job": "2026-11-23T05:10:10Z"}
