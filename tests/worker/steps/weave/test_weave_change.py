"""The order and the ways back of a change of Weave, on one of values; cases W3, W11, W12, W14, W15, W17, W22."""

from dataclasses import replace

import pytest

from agent.core.model.docker import DockerFacts
from agent.core.model.engine_outcome import EngineResult
from agent.core.weave.snapshot import AttachedContainer, WeavePhase, WeaveSnapshot
from agent.core.weave.verify import RouterFaultCode
from agent.errors import HostError
from agent.worker.steps.weave.change import WeaveChange, WeaveEnded
from tests.core.weave.given_weave import ARGUMENTS, NEW, OLD, OTHER_PEER, PEER, REPORT, attached, weave_snapshot
from tests.worker.steps.weave.fake_weave import PASSWORD, FakeWeave, KilledError, tools

LAUNCH = "launch --ipalloc-range 10.2.0.0/16 192.168.77.2"
STOPPED = attached("stopped", running=False, address="")
FELL = attached("fell", running=False, address="", fell=True)


def given(*containers: AttachedContainer, **fields: object) -> tuple[FakeWeave, WeaveSnapshot]:
    fake = FakeWeave(containers={one.name: one for one in containers})
    for name, value in fields.items():
        setattr(fake, name, value)
    return fake, weave_snapshot(*containers)


def codes(ended: WeaveEnded) -> list[RouterFaultCode]:
    return [one.code for one in ended.faults]


def test_w14_the_router_is_launched_with_its_words_its_environment_and_its_password() -> None:
    fake, saved = given(attached())

    ended = WeaveChange(tools(fake), saved).carry_out()

    assert ended == WeaveEnded(result=EngineResult.UPGRADED)
    assert fake.done == ["stop", "install", LAUNCH]
    images_of = {"DOCKERHUB_USER": "rajchaudhuri", "WEAVE_VERSION": NEW}
    assert fake.variables[-1] == {"WEAVE_MTU": "1400", "WEAVE_PASSWORD": PASSWORD, **images_of}
    assert [PASSWORD in str(one) for one in fake.variables[:-1]] == [False]
    assert fake.phases == [
        *(WeavePhase.STOPPING, WeavePhase.REPLACING, WeavePhase.LAUNCHING, WeavePhase.RESTORING),
    ]


def test_w17_a_unit_stops_and_starts_its_router() -> None:
    fake, saved = given()

    ended = WeaveChange(tools(fake), replace(saved, unit="weave.service")).carry_out()

    assert ended.result is EngineResult.UPGRADED
    assert fake.done == ["stop weave.service", "install", "restart weave.service"]


def test_w17_a_unit_whose_router_died_is_restarted_with_the_script_of_before() -> None:
    fake, saved = given(broken={NEW})

    ended = WeaveChange(tools(fake), replace(saved, unit="weave.service")).carry_out()

    assert ended.result is EngineResult.ROLLED_BACK
    assert (fake.done[-2:], fake.version) == (["restore", "restart weave.service"], OLD)


def test_w6_a_router_that_the_script_does_not_stop_is_stopped_by_the_engine() -> None:
    fake, saved = given(silent_stop=True)

    assert WeaveChange(tools(fake), saved).carry_out().result is EngineResult.UPGRADED
    assert fake.done == ["stop", "stop container", "install", LAUNCH]


def test_w3_only_the_script_of_a_stopped_router_is_replaced() -> None:
    fake, saved = given(state="exited")

    ended = WeaveChange(tools(fake), replace(saved, runs=False, report=None)).carry_out()

    assert (ended.result, fake.done, fake.state) == (EngineResult.UPGRADED, ["install"], "exited")


def test_a_router_of_the_installed_script_is_launched_again_alone() -> None:
    fake, saved = given(script="new")
    saved = replace(saved, script=replace(saved.script, sha256="new", version=NEW), target_sha256="")

    ended = WeaveChange(tools(fake), saved).carry_out()

    assert (ended.result, fake.version, fake.script) == (EngineResult.RESTARTED, NEW, "new")
    assert fake.done == ["stop", LAUNCH]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"broken": {NEW}}, "does not run"),
        ({"waits": {NEW}}, "not ready"),
        ({"report_fields": {"peer_name": "other"}}, "name of this peer"),
        ({"report_fields": {"ipam_range": "10.32.0.0/12"}}, "range of addresses"),
        ({"report_fields": {"established": ()}}, "no peer is connected"),
    ],
    ids=["w11-dies", "w12-never-ready", "w15-peer-name", "seen-w8-range", "seen-w9-connections"],
)
def test_what_the_version_of_before_may_not_have_is_rolled_back(fields: dict[str, object], code: str) -> None:
    fake, saved = given(attached(), **fields)

    ended = WeaveChange(tools(fake), saved).carry_out()

    assert (ended.result, ended.faults) == (EngineResult.ROLLED_BACK, ())
    assert ended.rollback
    assert ended.rollback.done
    assert code in ended.rollback.reason
    assert ("no such thing" in ended.rollback.reason) is (code in {"does not run", "not ready"})
    assert PASSWORD not in ended.rollback.reason
    assert (fake.script, fake.version, fake.state) == ("old", OLD, "running")
    assert fake.done[-2:] == ["restore", LAUNCH]
    assert fake.phases[-1] is WeavePhase.ROLLING_BACK


def test_2_4_the_last_peer_may_be_connected_some_seconds_after_the_first() -> None:
    fake, saved = given(report_fields={"established": (PEER,)}, late={"established": (PEER, OTHER_PEER)})
    saved = replace(saved, report=replace(REPORT, established=(PEER, OTHER_PEER)))

    ended = WeaveChange(tools(fake), saved).carry_out()

    assert ended == WeaveEnded(result=EngineResult.UPGRADED)


def test_2_4_a_peer_that_stays_away_is_a_fault_after_a_while_and_no_reason_to_go_back() -> None:
    fake, saved = given()
    saved = replace(saved, report=replace(REPORT, established=(PEER, OTHER_PEER)))

    ended = WeaveChange(tools(fake), saved).carry_out()

    assert (ended.result, codes(ended)) == (EngineResult.UPGRADED, [RouterFaultCode.PEERS_LOST])
    assert 30 <= fake.now < 60


def test_seen_w4_a_container_is_connected_only_to_a_network_that_is_there() -> None:
    fake, saved = given(STOPPED, network_at=3.0)

    ended = WeaveChange(tools(fake), saved).carry_out()

    assert ended == WeaveEnded(result=EngineResult.UPGRADED)
    assert fake.done[-1] == "reconnect stopped"
    assert fake.containers["stopped"].network_id == fake.network_id
    assert fake.now >= 3.0


def test_d47_where_the_version_of_before_does_not_run_either_nothing_is_tried_again() -> None:
    fake, saved = given(broken={NEW, OLD})

    ended = WeaveChange(tools(fake), saved).carry_out()

    assert ended.result is EngineResult.FAILED_NEEDS_ATTENTION
    assert ended.keeps_snapshot
    assert codes(ended) == [RouterFaultCode.ROUTER_DOWN]
    assert fake.phases[-1] is WeavePhase.FAILED
    assert sum(one.startswith("launch") for one in fake.done) == 2


def test_seen_w9_a_router_whose_password_is_lost_is_not_launched_without_it() -> None:
    fake, saved = given()

    ended = WeaveChange(tools(fake, password=""), saved).carry_out()

    assert ended.result is EngineResult.FAILED_NEEDS_ATTENTION
    assert not any(one.startswith("launch") for one in fake.done)


def test_seen_m2_a_peer_whose_name_does_not_resolve_is_left_out_and_is_a_fault() -> None:
    fake, saved = given(targets=("192.168.77.2", "w3.example"))
    saved = replace(saved, report=replace(REPORT, targets=("192.168.77.2", "w3.example")))

    ended = WeaveChange(tools(fake), saved).carry_out()

    assert ended.result is EngineResult.UPGRADED
    assert fake.done[-2:] == [LAUNCH, "connect w3.example"]
    assert codes(ended) == [RouterFaultCode.TARGETS_LOST]


def test_seen_m3_the_peers_of_a_resumed_router_are_connected_after_its_launch() -> None:
    fake, saved = given()
    resumed = replace(ARGUMENTS, words=("--resume",), peers=())

    ended = WeaveChange(tools(fake), replace(saved, arguments=resumed)).carry_out()

    assert ended == WeaveEnded(result=EngineResult.UPGRADED)
    assert fake.done[-2:] == ["launch --resume --ipalloc-range 10.2.0.0/16", "connect 192.168.77.2"]


def test_seen_w4_what_fell_is_started_before_the_stop_and_the_network_stays() -> None:
    fake, saved = given(FELL, STOPPED)

    ended = WeaveChange(tools(fake), saved).carry_out()

    assert ended == WeaveEnded(result=EngineResult.UPGRADED)
    assert fake.done[:2] == ["start fell", "stop"]
    assert fake.network_id == "n1"
    assert not fake.containers["stopped"].running


def test_seen_w4_a_stopped_container_is_connected_to_the_new_network_and_stays_stopped() -> None:
    fake, saved = given(STOPPED)

    ended = WeaveChange(tools(fake), saved).carry_out()

    assert ended == WeaveEnded(result=EngineResult.UPGRADED)
    assert fake.done[-1] == "reconnect stopped"
    assert fake.containers["stopped"].network_id == fake.network_id != "n1"
    assert not fake.containers["stopped"].running


def test_seen_w3_what_fell_while_no_router_worked_is_connected_and_started_afterwards() -> None:
    fake, saved = given(FELL, state="restarting")

    change = WeaveChange(tools(fake), replace(saved, report=None))
    ended = change.carry_out()

    assert ended.result is EngineResult.UPGRADED
    assert fake.done == ["stop", "install", "launch --ipalloc-range 10.2.0.0/16 192.168.77.2", *fake.done[3:]]
    assert fake.done[3:] == ["reconnect fell", "start fell"]
    assert change.router.started == {"fell"}


def test_an_engine_that_cannot_be_read_after_the_stop_is_a_failure_with_everything_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake, saved = given()
    shown = fake.docker()

    def docker() -> DockerFacts:
        if "install" in fake.done:
            raise HostError("no answer")
        return shown

    monkeypatch.setattr(fake, "docker", docker)

    ended = WeaveChange(tools(fake), saved).carry_out()

    assert ended.result is EngineResult.FAILED_NEEDS_ATTENTION
    assert ended.rollback
    assert "no answer" in ended.rollback.reason


@pytest.mark.parametrize("state", ["created", "dead", "paused"])
def test_a_container_that_the_script_would_not_replace_is_removed_before_the_launch(state: str) -> None:
    fake, saved = given(state=state)

    assert WeaveChange(tools(fake), saved).carry_out().result is EngineResult.UPGRADED
    assert fake.done == ["install", "remove container", LAUNCH]


def test_w20_the_containers_of_weave_1_are_removed_after_the_stop() -> None:
    """Stopped, they would start again with Docker."""
    fake, saved = given()

    ended = WeaveChange(tools(fake), replace(saved, before="1.9.8")).carry_out()

    assert ended.result is EngineResult.UPGRADED
    assert fake.done == ["stop", "remove weaveproxy", "remove weaveplugin", "install", LAUNCH]


def test_w22_no_word_of_the_script_resets_or_removes_a_peer() -> None:
    for fields in ({}, {"broken": {NEW}}, {"broken": {NEW, OLD}}, {"silent_stop": True}):
        fake, saved = given(attached(), STOPPED, **fields)

        WeaveChange(tools(fake), saved).carry_out()

        assert {one.partition(" ")[0] for one in fake.done} <= {
            *("stop", "launch", "install", "restore", "start", "reconnect"),
        }


ACTS = 8
"""More than any run has."""


@pytest.mark.parametrize("broken", [set(), {NEW}], ids=["upgrade", "rollback"])
@pytest.mark.parametrize("act", range(ACTS))
def test_a_kill_before_any_act_is_finished_or_rolled_back_by_the_next_run(act: int, broken: set[str]) -> None:
    fake, saved = given(FELL, STOPPED, kill_at=act, broken=broken)
    try:
        WeaveChange(tools(fake), saved).carry_out()
    except KilledError:
        assert fake.saved is not None
        ended = WeaveChange(tools(fake), fake.saved).resume()
    else:
        return

    assert ended.result in {EngineResult.UPGRADED, EngineResult.ROLLED_BACK, EngineResult.INTERRUPTED}
    assert fake.state == "running"
    assert (fake.script, fake.version) in {("old", OLD), ("new", NEW)}
    assert fake.version not in broken
    assert {one.name: one.running for one in fake.containers.values()} == {"fell": True, "stopped": False}
    assert fake.containers["stopped"].network_id == fake.network_id


@pytest.mark.parametrize(
    ("phase", "script", "result"),
    [
        (WeavePhase.PREPARED, "old", EngineResult.INTERRUPTED),
        (WeavePhase.STOPPING, "old", EngineResult.INTERRUPTED),
        (WeavePhase.REPLACING, "old", EngineResult.INTERRUPTED),
        (WeavePhase.REPLACING, "new", EngineResult.UPGRADED),
        (WeavePhase.LAUNCHING, "new", EngineResult.UPGRADED),
        (WeavePhase.RESTORING, "new", EngineResult.UPGRADED),
        (WeavePhase.ROLLING_BACK, "new", EngineResult.ROLLED_BACK),
        (WeavePhase.ROLLING_BACK, "old", EngineResult.ROLLED_BACK),
        (WeavePhase.FAILED, "new", EngineResult.FAILED_NEEDS_ATTENTION),
        (WeavePhase.LAUNCHING, "", EngineResult.FAILED_NEEDS_ATTENTION),
    ],
    ids=lambda value: getattr(value, "value", value),
)
def test_after_a_reboot_in_each_phase_the_engine_has_started_the_old_router(
    phase: WeavePhase, script: str, result: EngineResult
) -> None:
    """The stopped router starts with Docker (Seen-M4)."""
    fake, saved = given(script=script)

    ended = WeaveChange(tools(fake), replace(saved, phase=phase)).resume()

    assert ended.result is result
    if phase not in {WeavePhase.FAILED, WeavePhase.PREPARED} and script:
        assert fake.version == (NEW if result is EngineResult.UPGRADED else OLD)
        assert fake.state == "running"


TAKES_S = {"stop": 0.5, "launch": 1.0, "start": 40.0}


def test_containers_that_are_started_afterwards_are_no_downtime_of_the_router() -> None:
    fake, saved = given(FELL, takes_s=TAKES_S)
    change = WeaveChange(tools(fake), replace(saved, report=replace(REPORT, ipam_ready=False)))

    assert change.carry_out().result is EngineResult.UPGRADED
    assert (fake.done[-1], change.router.down_s) == ("start fell", 1.5)


def test_the_downtime_of_a_rollback_lasts_from_the_first_stop_to_the_router_of_before() -> None:
    fake, saved = given(report_fields={"peer_name": "other"}, takes_s=TAKES_S)
    change = WeaveChange(tools(fake), saved)

    assert change.carry_out().result is EngineResult.ROLLED_BACK
    assert change.router.down_s == fake.now


def test_no_downtime_is_claimed_where_no_router_works_at_the_end() -> None:
    fake, saved = given(report_fields={"peer_name": "other"}, broken={OLD}, takes_s=TAKES_S)
    change = WeaveChange(tools(fake), saved)

    assert change.carry_out().result is EngineResult.FAILED_NEEDS_ATTENTION
    assert change.router.down_s is None


def test_the_downtime_of_an_interrupted_run_is_unknown() -> None:
    fake, saved = given(broken={NEW}, script="new", version=NEW, state="restarting", takes_s=TAKES_S)
    change = WeaveChange(tools(fake), replace(saved, phase=WeavePhase.LAUNCHING))

    assert change.resume().result is EngineResult.ROLLED_BACK
    assert change.router.down_s is None
