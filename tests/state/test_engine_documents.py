"""The documents of engine upgrades decode to the value that they were encoded from."""

import json
from dataclasses import replace

import pytest

from agent.core.docker.snapshot import DockerSnapshot, KeptArchive, Phase
from agent.core.model.docker import RestartPolicy, WeaveAttachment
from agent.core.model.engine_outcome import (
    ContainerDowntime,
    ContainerRange,
    EngineOutcome,
    EngineResult,
    OutcomeForecast,
    Rollback,
)
from agent.core.model.engine_plan import Block, Component, EngineWhy, PackageChange
from agent.core.schemas import DOCKER_SNAPSHOT_SCHEMA, ENGINE_OUTCOME_SCHEMA
from agent.errors import RecordError
from agent.state.documents.docker_snapshot import snapshot_from_document, snapshot_to_document
from agent.state.documents.engine_outcome import engine_outcome_from_document, engine_outcome_to_document
from agent.state.json_reader import JsonReader
from tests.core.docker.given_docker import container, snapshot
from tests.core.given import NOW

BEGUN = EngineOutcome(
    id="20261123T051000Z",
    component=Component.DOCKER,
    started_at=NOW,
    finished_at=None,
    result=EngineResult.INTERRUPTED,
)
FULL = EngineOutcome(
    id="20261123T051000Z",
    component=Component.DOCKER,
    started_at=NOW,
    finished_at=NOW,
    result=EngineResult.ROLLED_BACK,
    plan_id="0123456789ab",
    before="20.10.24",
    target="26.1.5",
    running="20.10.24",
    packages=(
        PackageChange(package="docker.io", before="1", after="2"),
        PackageChange(package="x", before="1", after=None),
    ),
    blocked=(Block(why=EngineWhy.NO_SPACE, values=("/", "5")),),
    engine_down_s=2.5,
    containers_down=(ContainerDowntime(name="web", down_s=2.25), ContainerDowntime(name="db", down_s=None)),
    containers_lost=("once",),
    containers_started=("job",),
    containers_stopped=("off",),
    rollback=Rollback(done=True, reason="engine-down"),
    forecast=OutcomeForecast(
        engine_s=(0.5, 7), containers=(ContainerRange(name="web", low_s=0, high_s=6.5),), removes=("once",)
    ),
    message="m",
    problem="post-docker.d/10-fill: exit code 1",
    requested_by="root",
)
FULL_CONTAINER = container(
    policy=RestartPolicy.ON_FAILURE,
    handles_stop=None,
    stopped_by_owner=None,
    exit_code=7,
    networks=("weave", "bridge"),
    published=True,
    weave=WeaveAttachment.NETWORK,
    weave_paths=True,
    weave_address="10.32.0.7/12",
    error="e",
)


@pytest.mark.parametrize("outcome", [BEGUN, FULL], ids=["begun", "full"])
def test_an_outcome_survives_its_document(outcome: EngineOutcome) -> None:
    document = json.loads(json.dumps(engine_outcome_to_document(outcome, NOW, lambda block: block.why.value)))

    assert document["schema"] == ENGINE_OUTCOME_SCHEMA
    assert engine_outcome_from_document(JsonReader(document, "x")) == outcome


def test_what_was_not_measured_is_null() -> None:
    document = engine_outcome_to_document(BEGUN, NOW, lambda _block: "")

    assert document["downtime"] == {"engine_s": None, "containers": {}}
    assert document["rollback"] is None
    assert document["running"] is None


@pytest.mark.parametrize(
    "saved",
    [snapshot(FULL_CONTAINER), snapshot(unit_active=False, containers=None, engine_version=None)],
    ids=["containers", "stopped"],
)
@pytest.mark.parametrize("phase", Phase, ids=lambda phase: phase.value)
def test_a_snapshot_survives_its_document(saved: DockerSnapshot, phase: Phase) -> None:
    kept = (KeptArchive(package="docker-cli", file="docker-cli.deb"),)
    saved = replace(saved, phase=phase, archives=kept, reason="engine-down")
    document = json.loads(json.dumps(snapshot_to_document(saved, NOW)))

    assert document["schema"] == DOCKER_SNAPSHOT_SCHEMA
    assert snapshot_from_document(JsonReader(document, "x")) == saved


def test_a_snapshot_of_an_earlier_version_is_read() -> None:
    document = snapshot_to_document(snapshot(FULL_CONTAINER), NOW)
    for field in ("archives", "main_pid", "reason"):
        del document[field]

    assert snapshot_from_document(JsonReader(document, "x")) == replace(snapshot(FULL_CONTAINER), main_pid=None)


@pytest.mark.parametrize("field", ["phase", "packages", "changes", "unit_active"])
def test_a_snapshot_without_a_field_is_an_error(field: str) -> None:
    document = snapshot_to_document(snapshot(FULL_CONTAINER), NOW)
    del document[field]

    with pytest.raises(RecordError):
        snapshot_from_document(JsonReader(document, "x"))
