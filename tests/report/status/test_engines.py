"""Docker and Weave in `status`: attention only where a restart is pending or the manifest asks for another version."""

from dataclasses import replace
from typing import Any

import pytest

from agent.core.docker.observed import observed_docker
from agent.core.model.docker import NO_DOCKER, DockerFacts, Flavour, RuntimePackage
from agent.core.model.engine_outcome import EngineOutcome
from agent.core.model.engine_plan import Component, EnginePlan, LostContainers
from agent.core.model.facts import Unseen
from agent.core.schemas import Document
from agent.report.engine_text import engine_plan_lines, engine_status_lines, seconds_range
from agent.report.layout import display_width, lay_out
from agent.report.status.check_line import CheckState, check_state
from agent.report.status.document import Status, build_status, status_document
from agent.report.status.engines import Engines
from agent.report.status.health import Health
from agent.report.status.lines import status_lines
from agent.report.status.needs import needs
from agent.report.status.observed import Observed, RunningJob
from agent.state.documents.engine_plan import engine_plan_to_document, unseen_engine_to_document
from agent.state.documents.plan import state_to_document
from agent.state.engine_outcome_view import EngineOutcomeView
from agent.state.engine_view import EngineView
from agent.state.json_reader import JsonReader
from agent.state.views import StateView
from tests.core import given
from tests.core.docker.given_docker import OLD_ENGINE as ENGINE
from tests.report.given_engine_outcome import BLOCKED, FAILED, INTERRUPTED, ROLLED_BACK, UPGRADED
from tests.report.given_engine_outcome import view as view_of
from tests.state.test_engine_plan_document import FULL, SENTENCES

SAME = DockerFacts(
    flavour=Flavour.DOCKER_IO,
    packages=(RuntimePackage(package="docker.io", version="20.10.24+dfsg1-1+deb12u1+b6"),),
    engine=ENGINE,
    containers=(),
)
NEWER = replace(SAME, packages=(RuntimePackage(package="docker.io", version="26.1.5+dfsg1-9+deb13u1"),))
REPLACED = replace(SAME, engine=replace(ENGINE, executable_replaced=True))
STOPPED = replace(SAME, engine=None, containers=None)


def status_of(docker: Document | None, run: EngineOutcomeView | None = None) -> Status:
    state = state_to_document(
        given.plan(),
        given.NOW,
        fresh_until=given.NOW,
        scan=given.WATCHED,
        findings={},
        engines={"docker": docker, "weave": None},
    )
    runs = {"docker": run} if run else {}
    return build_status(Observed(state=StateView(JsonReader(state, "state")), engine_runs=runs), given.NOW)


def plan_document(plan: EnginePlan) -> Document:
    return engine_plan_to_document(plan, given.NOW, SENTENCES)


@pytest.mark.parametrize(
    ("facts", "wanted", "health", "pending"),
    [
        (SAME, None, Health.HEALTHY, False),
        (SAME, "20.10.24", Health.HEALTHY, False),
        (SAME, "20.10.x", Health.HEALTHY, False),
        (SAME, "26.1.5", Health.ATTENTION, False),
        (SAME, "latest", Health.HEALTHY, False),
        (NEWER, None, Health.ATTENTION, True),
        (REPLACED, None, Health.ATTENTION, True),
        (STOPPED, None, Health.HEALTHY, False),
        (NO_DOCKER, "26.1.5", Health.ATTENTION, False),
    ],
    ids=["same", "wanted", "pattern", "differs", "latest", "newer", "replaced", "stopped", "absent-and-wanted"],
)
def test_health_follows_the_restart_and_the_manifest(
    facts: DockerFacts, wanted: str | None, health: Health, *, pending: bool
) -> None:
    status = status_of(plan_document(observed_docker(facts, given.NOW, wanted=wanted)))

    assert status.health is health
    assert status.engines.docker is not None
    assert status.engines.docker.restart_pending is pending
    assert [need.code for need in needs(status)] == (["docker-restart"] if pending else [])


def test_a_machine_without_docker_shows_nothing_of_it() -> None:
    status = status_of(None)

    assert status.health is Health.HEALTHY
    assert status_document(status)["docker"] is None
    assert not [line for line in status_lines(status) if "Docker" in line]


def test_an_engine_that_could_not_be_observed_asks_for_attention() -> None:
    status = status_of(unseen_engine_to_document(Component.DOCKER, Unseen(reason="no answer in 15 s"), given.NOW))

    assert status.health is Health.ATTENTION
    assert any("no answer in 15 s" in line for line in status_lines(status))


FAILED_CODES = ["docker-failed-needs-attention"]


@pytest.mark.parametrize(
    ("outcome", "codes"),
    [
        (UPGRADED, []),
        (BLOCKED, []),
        (ROLLED_BACK, ["docker-rolled-back"]),
        (FAILED, FAILED_CODES),
        (INTERRUPTED, ["docker-interrupted"]),
        (replace(UPGRADED, problem="post-docker.d/10-fill: exit code 1"), ["docker-problem"]),
        (replace(FAILED, problem="post-docker.d/10-fill: exit code 1"), [*FAILED_CODES, "docker-problem"]),
    ],
    ids=["upgraded", "blocked", "rolled-back", "failed", "interrupted", "hook failed", "failed, and a hook"],
)
def test_an_upgrade_that_failed_needs_a_person_until_the_next_one(outcome: EngineOutcome, codes: list[str]) -> None:
    status = status_of(plan_document(observed_docker(SAME, given.NOW, wanted=None)), view_of(outcome))

    assert [need.code for need in needs(status)] == codes
    assert len(status.attention) == len(codes)


LOST = replace(UPGRADED, containers_lost=("db", "once", "web"))


@pytest.mark.parametrize(
    ("outcome", "seen", "codes"),
    [
        (LOST, None, ["docker-containers-lost"]),
        (LOST, LostContainers(run=LOST.id, names=("web",)), ["docker-containers-lost"]),
        (LOST, LostContainers(run=LOST.id, names=()), []),
        (LOST, LostContainers(run="20261101T000000Z", names=()), ["docker-containers-lost"]),
        (replace(UPGRADED, containers_lost=("once",)), None, []),
        (FAILED, None, ["docker-failed-needs-attention"]),
    ],
    ids=["not looked at", "one is down", "all are back", "of an earlier run", "announced", "failed"],
)
def test_containers_that_an_upgrade_lost_need_a_person_until_they_are_back(
    outcome: EngineOutcome, seen: LostContainers | None, codes: list[str]
) -> None:
    plan = replace(observed_docker(SAME, given.NOW), lost=seen)

    status = status_of(plan_document(plan), view_of(outcome))

    assert [need.code for need in needs(status)] == codes
    assert len(status.attention) == len(codes)
    assert check_state(status) is (CheckState.CRITICAL if codes else CheckState.OK)


def test_only_those_that_are_still_down_are_named_and_of_many_the_first() -> None:
    names = tuple(f"web-{number}" for number in range(7))
    plan = replace(observed_docker(SAME, given.NOW), lost=LostContainers(run=LOST.id, names=names))

    (text,) = status_of(plan_document(plan), view_of(LOST)).attention

    assert "web-0, web-1, web-2, web-3, web-4 and 2 more" in text
    assert "db" not in text


def test_the_status_has_the_last_upgrade_beside_the_plan() -> None:
    status = status_of(plan_document(observed_docker(SAME, given.NOW, wanted=None)), view_of(UPGRADED))

    docker = status_document(status)["docker"]
    assert isinstance(docker, dict)
    assert (docker["last_upgrade"]["result"], docker["last_upgrade"]["running"]) == ("upgraded", "26.1.5")


def test_an_upgrade_that_is_running_is_no_failure() -> None:
    running = RunningJob(1, ("docker-upgrade", INTERRUPTED.started_at))

    assert Engines(None, {"docker": view_of(INTERRUPTED)}, running).reasons == []


def view(**changes: Any) -> EngineView:
    return EngineView(JsonReader(plan_document(replace(FULL, **changes)), "plan"))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_plan_of_500_containers_fits_the_terminal(width: int) -> None:
    many = tuple(replace(FULL.containers[0], name=f"service-{number}-web") for number in range(500))
    engine = view(containers=many)

    short = list(lay_out(engine_plan_lines(engine), width))
    whole = list(lay_out(engine_plan_lines(engine, every=True), width))

    assert max(display_width(text) for text, _ in whole) <= width
    assert len(short) < 60
    assert len(whole) > 500


def test_the_most_serious_fate_is_listed_first() -> None:
    lines = engine_plan_lines(view())

    assert [line.split()[-1] for line in lines[-2:]] == ["once", "web"]


def test_the_command_for_a_plan_has_the_options_that_the_plan_was_made_with() -> None:
    lines = engine_plan_lines(view(blocked=()), allowed=["allow-major-downgrade"])

    assert " --allow-major-downgrade --plan " in lines[-1]


def test_status_counts_no_containers_where_the_record_lists_none() -> None:
    counted = len(engine_status_lines(view(), "docker", given.NOW))

    assert len(engine_status_lines(view(containers=()), "docker", given.NOW)) == counted - 1


def test_status_of_an_absent_engine_is_one_line() -> None:
    assert len(engine_status_lines(None, "docker", given.NOW)) == 1


@pytest.mark.parametrize(
    ("bounds", "text"),
    [(None, "unknown"), ((0, 0), "none"), ((0.1, 1), "0.1-1 s"), ((3, 3), "3 s"), ((2.58, 14.85), "2.6-15 s")],
    ids=["unknown", "none", "tenths", "equal", "range"],
)
def test_a_forecast_in_words(bounds: tuple[float, float] | None, text: str) -> None:
    assert seconds_range(bounds) == text
