"""`maestro.engine-plan/1` decodes to the plan that it was encoded from."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from agent.core.model.engine_plan import (
    Block,
    Component,
    ContainerForecast,
    Downtime,
    EnginePlan,
    EngineStep,
    EngineWarning,
    EngineWhy,
    EngineWindow,
    Fate,
    FixRoute,
    HeldFix,
    LostContainers,
    Notice,
    PackageChange,
)
from agent.core.model.facts import Unseen
from agent.core.schemas import Document
from agent.errors import RecordError
from agent.state.documents.engine_plan import (
    EngineSentences,
    engine_plan_from_document,
    engine_plan_to_document,
    unseen_engine_to_document,
)
from agent.state.json_reader import JsonReader
from tests.core.given import NOW

SENTENCES = EngineSentences(block=lambda one: one.why.name, warning=lambda one: one.code.name)
ABSENT = EnginePlan(component=Component.DOCKER, seen_at=NOW, flavour="none", installed=None, running=None)
FULL = EnginePlan(
    component=Component.DOCKER,
    seen_at=NOW,
    flavour="docker-io",
    installed="26.1.5",
    running="20.10.24",
    wanted="26.1.x",
    candidate="26.1.5",
    packages=(
        PackageChange(package="docker-cli", before=None, after="26.1.5+dfsg1-9"),
        PackageChange(package="docker.io", before="20.10.24+dfsg1-1", after="26.1.5+dfsg1-9"),
    ),
    restart_needed=True,
    restart_pending=True,
    downtime=Downtime(low_s=1.5, high_s=14, basis=("slow-containers 3",)),
    containers=(
        ContainerForecast(
            id="a" * 64, name="web", state="running", policy="always", will=Fate.RESTARTS, low_s=1, high_s=14.5
        ),
        ContainerForecast(id="b" * 64, name="once", state="running", policy="no", will=Fate.IS_REMOVED),
    ),
    blocked=(Block(why=EngineWhy.NO_SPACE, values=("/var", "5")),),
    warnings=(Notice(code=EngineWarning.SLOW_STOP, values=("db",)),),
    order=(EngineStep.SAVE, EngineStep.RESTART),
    window=EngineWindow(
        text="Sat 02:00-04:00", opens_at=NOW + timedelta(days=5), closes_at=NOW + timedelta(days=5, hours=2)
    ),
    lost=LostContainers(run="20261123T051000Z", names=("web",)),
    held_fixes=(
        HeldFix(
            package="docker.io",
            version="26.1.5+dfsg1-9",
            since=NOW,
            route=FixRoute.DOCKER_UPGRADE,
            downtime=Downtime(low_s=1.5, high_s=14, basis=()),
        ),
        HeldFix(package="runc", version="1.1.15", since=NOW, route=FixRoute.UPGRADE),
    ),
)


def encoded(plan: EnginePlan) -> Document:
    found: Document = json.loads(json.dumps(engine_plan_to_document(plan, NOW, SENTENCES)))
    return found


@pytest.mark.parametrize(
    "plan", [ABSENT, FULL, replace(FULL, running=None, running_known=False)], ids=["absent", "full", "running-unknown"]
)
def test_a_plan_survives_its_document(plan: EnginePlan) -> None:
    assert engine_plan_from_document(JsonReader(encoded(plan), "plan")) == plan


def test_a_component_that_could_not_be_observed_keeps_the_reason() -> None:
    document = unseen_engine_to_document(Component.DOCKER, Unseen(reason="no answer"), NOW)

    assert engine_plan_from_document(JsonReader(document, "plan")) == Unseen(reason="no answer")


def test_codes_have_their_sentences() -> None:
    document = encoded(FULL)

    assert document["blocked"] == [{"why": "no-space", "detail": "NO_SPACE", "values": ["/var", "5"]}]
    assert document["warnings"] == [{"code": "slow-stop", "detail": "SLOW_STOP", "values": ["db"]}]


def test_the_id_stays_while_the_work_does() -> None:
    assert replace(FULL, downtime=None, warnings=()).id == FULL.id
    assert replace(FULL, packages=()).id != FULL.id
    assert replace(FULL, containers=()).id != FULL.id


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("component", "podman"),
        ("order", ["explode"]),
        ("downtime", {"expected_s": [1], "basis": []}),
        ("downtime", {"expected_s": [2, 1], "basis": []}),
        ("containers", [{}]),
        ("blocked", [{"why": "mood", "detail": "", "values": []}]),
    ],
    ids=["component", "order", "one-bound", "bounds-swapped", "container", "why"],
)
def test_a_malformed_plan_is_an_error_of_the_record(key: str, value: object) -> None:
    with pytest.raises(RecordError):
        engine_plan_from_document(JsonReader({**encoded(FULL), key: value}, "plan"))
