"""Containers that `weave attach` attached: a restart of the engine takes their address, the change gives it back."""

from dataclasses import replace

import pytest

from agent.core.docker.verify import FaultCode
from agent.core.model.docker import Container, WeaveAttachment
from agent.core.model.engine_outcome import EngineResult
from agent.core.model.weave import NO_WEAVE, RouterArguments, RouterReport, Vendor, WeaveFacts, WeaveKind, WeaveScript
from agent.worker.steps.docker.change import EngineChange
from tests.core.docker.given_docker import OLD_ENGINE, container, docker
from tests.worker.steps.docker.fake_engine import FakeEngine, change_of, given_snapshot

ATTACHED = container("attached", weave=WeaveAttachment.ATTACHED, weave_address="10.32.0.7/12")
REPORT = RouterReport(version="2.9.0", ready=True, peer_name="p", nickname="n")
WEAVE = WeaveFacts(
    kind=WeaveKind.SCRIPT,
    script=WeaveScript(path="/usr/local/bin/weave", version="2.9.0", sha256=""),
    arguments=RouterArguments(words=(), environment=(("WEAVE_HTTP_ADDR", "127.0.0.1:7784"),), encrypted=False),
    report=REPORT,
    image="rajchaudhuri/weave:2.9.0",
    vendor=Vendor.RAJCHAUDHURI,
)
NOT_YET = replace(WEAVE, report=replace(REPORT, ready=False))


def given(*weaves: WeaveFacts) -> tuple[FakeEngine, EngineChange]:
    containers: tuple[Container, ...] = (ATTACHED, container("plain"))
    engine = FakeEngine(docker(*containers, engine=OLD_ENGINE), weaves=list(weaves))
    return engine, change_of(engine, given_snapshot(containers=containers))


def test_it_is_attached_with_its_address_once_the_router_is_ready() -> None:
    engine, change = given(NOT_YET, NOT_YET, WEAVE)

    ended = change.carry_out()

    assert (ended.result, ended.faults, change.attachments.errors) == (EngineResult.UPGRADED, (), {})
    assert engine.done == ["install", "restart", "attach 10.32.0.7/12 attached"]
    assert engine.waited == 3


def test_the_script_is_tried_at_the_deadline_although_the_router_is_not_ready() -> None:
    engine, change = given(NOT_YET)

    assert change.carry_out().faults == ()
    assert engine.done[-1] == "attach 10.32.0.7/12 attached"


@pytest.mark.parametrize(
    ("weave", "unable", "error"),
    [
        (NO_WEAVE, frozenset(), "weave attach"),
        (WEAVE, frozenset({"attached"}), "no address is free"),
    ],
    ids=["no-script", "refused"],
)
def test_one_that_stays_without_address_is_a_fault_and_no_reason_to_go_back(
    weave: WeaveFacts, unable: frozenset[str], error: str
) -> None:
    engine, change = given(weave)
    engine.unable_to_attach = set(unable)

    ended = change.carry_out()

    assert ended.result is EngineResult.UPGRADED
    assert [(one.code, one.values) for one in ended.faults] == [(FaultCode.ADDRESSES_LOST, ("attached",))]
    assert error in change.attachments.errors["attached"]


def test_with_live_restore_it_keeps_its_address() -> None:
    engine, change = given(WEAVE)
    engine.keeps_addresses = True

    assert change.carry_out().faults == ()
    assert engine.done == ["install", "restart"]
