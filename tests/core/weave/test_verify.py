"""What counts as a fault after an upgrade: weave-behaviour.md W4, W6, W8, W9, M1; cases W11, W12, W14, W15."""

from dataclasses import replace

import pytest

from agent.core.model.docker import WeaveAttachment
from agent.core.model.facts import Unseen
from agent.core.model.weave import RouterReport, WeaveFacts
from agent.core.weave.reattach import fallen, to_start, unusable
from agent.core.weave.snapshot import AttachedContainer, WeaveNetwork
from agent.core.weave.verify import ExpectedWeave, RouterFault, RouterFaultCode, router_faults
from tests.core.weave.given_weave import (
    NEW,
    OLD_SCRIPT,
    OTHER_PEER,
    PEER,
    REPORT,
    attached,
    network,
    weave,
    weave_snapshot,
)

EXPECTED = ExpectedWeave(version=NEW, script_sha256="new")
NOW = replace(REPORT, version=NEW)
STOPPED = attached("stopped", running=False, address="")


def codes(found: tuple[RouterFault, ...]) -> dict[str, tuple[str, ...]]:
    return {one.code.value: one.values for one in found}


def test_a_router_as_before_in_another_version_has_no_fault() -> None:
    assert router_faults(weave_snapshot(attached()), weave(), network(attached()), EXPECTED) == ()


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (weave(script=OLD_SCRIPT), {"script": ("2.8.10",)}),
        (weave(container_state="exited", report=None), {"router-down": ("exited",)}),
        (weave(container_state="restarting", report=None), {"router-down": ("restarting",)}),
        (weave(container_state="", report=None), {"router-down": ("",)}),
        (weave(report=Unseen(reason="refused")), {"router-silent": ("refused",)}),
        (weave(report=replace(NOW, ready=False)), {"not-ready": ()}),
        (weave(report=REPORT), {"wrong-router": ("2.8.10", "2.9.0")}),
        (weave(report=replace(NOW, peer_name="other")), {"peer-name": (REPORT.peer_name, "other")}),
        (weave(report=replace(NOW, ipam_range="10.32.0.0/12")), {"range": ("10.2.0.0/16", "10.32.0.0/12")}),
        (weave(report=replace(NOW, ipam_ready=False)), {"addresses-wait": ()}),
        (weave(report=replace(NOW, targets=())), {"targets-lost": ("192.168.77.2",)}),
        (weave(report=replace(NOW, established=())), {"disconnected": (PEER,)}),
    ],
    ids=[
        *("w9-script", "w11-exited", "w6-crash-loop", "no-container", "w12-silent", "w12-not-ready", "old-router"),
        *("w15-peer-name", "w8-range", "i5-ipam", "w14-targets", "w9-connections"),
    ],
)
def test_each_difference_is_a_fault(after: WeaveFacts, expected: dict[str, tuple[str, ...]]) -> None:
    assert codes(router_faults(weave_snapshot(), after, network(), EXPECTED)) == expected


@pytest.mark.parametrize(
    "reason",
    [
        "Unable to decrypt TCP msg",
        "Incompatible IP allocation ranges (received: 10.32.0.0/12, ours: 10.2.0.0/16)",
        "no password specified, but peer requested an encrypted connection",
    ],
    ids=["w9-password", "w8-range", "w9-no-password"],
)
def test_w9_a_refused_connection_rolls_back_though_the_router_is_ready(reason: str) -> None:
    after = weave(report=replace(NOW, established=(), failed=(reason,)))

    (found,) = router_faults(weave_snapshot(), after, network(), EXPECTED)

    assert found == RouterFault(code=RouterFaultCode.REFUSED, values=(reason,))
    assert found.rolls_back
    assert found.after_rollback


def test_w9_a_refusal_of_before_is_no_fault() -> None:
    reason = "Unable to decrypt TCP msg"
    before = weave_snapshot(report=replace(REPORT, failed=(reason,)))

    assert router_faults(before, weave(report=replace(NOW, failed=(reason,))), network(), EXPECTED) == ()


def test_w9_another_machine_that_is_refused_is_no_fault_while_the_peers_of_before_are_connected() -> None:
    after = weave(report=replace(NOW, failed=("Unable to decrypt TCP msg",)))

    assert router_faults(weave_snapshot(), after, network(), EXPECTED) == ()


def test_one_peer_of_two_may_have_gone_meanwhile() -> None:
    before = weave_snapshot(report=replace(REPORT, established=(PEER, OTHER_PEER)))

    (found,) = router_faults(before, weave(), network(), EXPECTED)

    assert (found.code, found.values, found.rolls_back) == (RouterFaultCode.PEERS_LOST, (OTHER_PEER,), False)


def test_no_connection_at_all_rolls_back_and_says_nothing_of_the_version_of_before() -> None:
    (found,) = router_faults(weave_snapshot(), weave(report=replace(NOW, established=())), network(), EXPECTED)

    assert (found.rolls_back, found.after_rollback) == (True, False)


@pytest.mark.parametrize(
    ("shown", "image", "expected"),
    [
        ("git-0123456789ab", "rajchaudhuri/weave:2.9.0", []),
        ("git-0123456789ab", "rajchaudhuri/weave:latest", ["wrong-router"]),
        ("git-0123456789ab", "rajchaudhuri/weave:2.8.3", ["wrong-router"]),
        ("2.9.0", "sha256:00", []),
    ],
    ids=["tag", "no-tag", "other-tag", "image-id"],
)
def test_m1_a_router_stamped_with_a_commit_is_known_by_its_image(shown: str, image: str, expected: list[str]) -> None:
    after = weave(image=image, report=replace(NOW, version=shown))

    assert list(codes(router_faults(weave_snapshot(), after, network(), EXPECTED))) == expected


@pytest.mark.parametrize(("state", "expected"), [("exited", []), ("", []), ("running", ["router-up"])])
def test_w3_a_stopped_router_has_to_stay_stopped(state: str, expected: list[str]) -> None:
    before = weave_snapshot(runs=False, report=None)

    assert list(codes(router_faults(before, weave(container_state=state), network(), EXPECTED))) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (attached(), network(), {"weave-containers-down": ("web",)}),
        (attached(), network(attached(running=False)), {"weave-containers-down": ("web",)}),
        (attached(), network(attached(address="10.2.0.9")), {"addresses-lost": ("web 10.2.0.1 10.2.0.9",)}),
        (
            attached(attachment=WeaveAttachment.ATTACHED, network_id=""),
            network(attached(attachment=WeaveAttachment.NONE, address="")),
            {"addresses-lost": ("web 10.2.0.1 none",)},
        ),
        (STOPPED, network(STOPPED, id="n2"), {"network-lost": ("stopped",)}),
        (STOPPED, network(replace(STOPPED, network_id="n2"), id="n2"), {}),
        (STOPPED, network(replace(STOPPED, network_id=""), id="n2"), {}),
        (attached(running=False, address="", fell=True), network(attached(address="10.2.0.7")), {}),
        (attached(address=""), network(attached(address="10.2.0.7")), {}),
    ],
    ids=[
        "removed",
        "ended",
        "other-address",
        "detached",
        "w4-network",
        "w4-repaired",
        "w4-by-name",
        "w3-started",
        "unknown",
    ],
)
def test_containers_are_compared_and_are_no_reason_to_roll_back(
    before: AttachedContainer, after: WeaveNetwork, expected: dict[str, tuple[str, ...]]
) -> None:
    found = router_faults(weave_snapshot(before), weave(), after, EXPECTED)

    assert codes(found) == expected
    assert not any(one.rolls_back for one in found)


def test_w4_what_was_unusable_before_is_no_fault_and_is_repaired_all_the_same() -> None:
    broken = replace(STOPPED, network_id="n0")

    assert router_faults(weave_snapshot(broken), weave(), network(broken), EXPECTED) == ()
    assert unusable(network(broken)) == (broken,)


def test_w3_w4_what_fell_is_started_and_what_its_owner_stopped_is_not() -> None:
    fell = attached("fell", running=False, fell=True)

    assert fallen(network(fell, STOPPED, attached())) == (fell,)
    assert to_start(network(fell, STOPPED, attached()), network(fell, STOPPED, attached(running=False))) == (
        fell,
        attached(running=False),
    )


def test_an_unknown_report_of_before_asks_nothing_of_the_present_one() -> None:
    after = weave(report=RouterReport(version=NEW, ready=True, peer_name="x", nickname="x"))

    assert router_faults(weave_snapshot(report=None), after, network(), EXPECTED) == ()
