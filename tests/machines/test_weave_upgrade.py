"""`weave upgrade` on the double of Weave (test_weave_double.py) on a real engine: cases W7, W10 to W12, W14, W17, W22.

The script is the fork's, 2.8.3, and the manifest wants 2.9.0: the vendor is never changed.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.machines.conftest import Layers
from tests.support.forecasts import within
from tests.support.recorded import RECORD, Kept
from tests.support.repository import Signer
from tests.support.weave_double import WeaveDouble, script_text
from tests.support.weave_machine import (
    NEW,
    OLD,
    PASSWORD,
    SCRIPTS,
    begin,
    launch,
    nothing_kept,
    script,
    seen,
    weave_machine,
)

pytestmark = pytest.mark.xdist_group("weave-3")
UNIT = """[Service]
Type=simple
Environment=WEAVE_PASSWORD={password} WEAVE_MTU=1300
ExecStartPre=/usr/local/bin/weave launch --no-restart w2
ExecStart=/usr/bin/docker attach --sig-proxy=false weave
ExecStop=/usr/local/bin/weave stop
"""


@pytest.fixture(scope="module")
def machine(installed_beside_engine: Layers) -> Iterator[WeaveDouble]:
    with weave_machine(installed_beside_engine) as double:
        yield double


@pytest.fixture
def kept(machine: WeaveDouble, signer: Signer) -> Kept:
    return Kept(machine.machine, signer, "bookworm")


@pytest.fixture
def bare(machine: WeaveDouble) -> WeaveDouble:
    """Return a machine with the old script, and no router."""
    begin(machine)
    return machine


@pytest.fixture
def weave(bare: WeaveDouble) -> WeaveDouble:
    """Return the old Weave with one peer, launched."""
    launch(bare)
    return bare


def upgrade(kept: Kept) -> tuple[int, Any]:
    answer = kept.agent("weave upgrade --yes --json")
    return answer.code, answer.json


def test_w14_w22_an_upgrade_keeps_router_peers_containers_and_addresses(kept: Kept, weave: WeaveDouble) -> None:
    weave.run_on_network("on-network")
    weave.run_on_network("stopped")
    weave.engine.docker("stop stopped")
    weave.run_attached("attached")
    weave.run_proxied("proxied")
    before, addresses, pids = seen(weave), weave.addresses(), weave.engine.pids()

    code, outcome = upgrade(kept)

    assert (code, outcome["result"], outcome["from"], outcome["running"]) == (0, "upgraded", OLD, NEW), outcome
    assert outcome["message"] == ""
    assert outcome["downtime"]["engine_s"] > 0
    assert (seen(weave), weave.addresses()) == (before, addresses)
    assert {name: pid for name, pid in weave.engine.pids().items() if name != "weave"} == {
        name: pid for name, pid in pids.items() if name != "weave"
    }
    assert weave.report()["Version"] == NEW
    assert script(weave) == script_text(NEW)
    assert {f"weavevolumes-{OLD}", f"weavevolumes-{NEW}"} <= weave.engine.states().keys()
    weave.engine.docker("start stopped")
    assert not {"reset", "rmpeer"} & {call.split()[1] for call in weave.calls()}
    assert nothing_kept(weave)


def test_2_5_a_route_that_overlaps_the_default_range_by_now_does_not_end_the_router(
    kept: Kept, bare: WeaveDouble
) -> None:
    bare.launch("w2", WEAVE_PASSWORD=PASSWORD)
    bare.machine.check("ip route add 10.0.0.0/8 dev lo")
    try:
        code, outcome = upgrade(kept)

        assert (code, outcome["result"]) == (0, "upgraded"), outcome
        assert bare.run("stop").returncode == 0
        assert bare.run("launch w2").returncode == 1
    finally:
        bare.machine.run("ip route del 10.0.0.0/8 dev lo")


def test_w14_the_password_is_in_no_file_of_the_agent_and_in_no_log(kept: Kept, weave: WeaveDouble) -> None:
    weave.set_fault(NEW, launch={"code": 1, "text": f"launch failed with {PASSWORD}"})

    code, outcome = upgrade(kept)

    assert (code, outcome["result"]) == (1, "rolled-back"), outcome
    assert "launch failed with" in outcome["rollback"]["reason"]
    assert PASSWORD not in str(outcome)
    found = weave.machine.run(f"grep -rl {PASSWORD} {RECORD} /run/maestro-agent; journalctl | grep -F {PASSWORD}")
    assert found.stdout == ""


def test_seen_w4_a_stopped_container_can_be_started_on_the_new_network(kept: Kept, weave: WeaveDouble) -> None:
    weave.run_on_network("stopped")
    weave.engine.docker("stop stopped")
    network = weave.network_id()

    code, outcome = upgrade(kept)

    assert (code, outcome["result"]) == (0, "upgraded"), outcome
    assert weave.network_id() != network
    assert weave.engine.states()["stopped"] == "exited"
    weave.engine.docker("start stopped")
    assert len(weave.addresses()["stopped"]) == 1


@pytest.mark.parametrize("fault", [{"dies": "FATA: no"}, {"never_ready": True}], ids=["w11-dies", "w12-never-ready"])
def test_w11_w12_a_router_that_does_not_become_ready_is_rolled_back(
    kept: Kept, weave: WeaveDouble, fault: dict[str, Any]
) -> None:
    weave.run_on_network("on-network")
    before, addresses = seen(weave), weave.addresses()
    weave.set_fault(NEW, **fault)

    code, outcome = upgrade(kept)

    assert (code, outcome["result"], outcome["running"]) == (1, "rolled-back", OLD), outcome
    assert outcome["rollback"]["done"] is True
    assert (seen(weave), weave.addresses()) == (before, addresses)
    assert script(weave) == script_text(OLD)
    assert nothing_kept(weave)


def test_w7_a_script_with_another_checksum_stops_nothing(kept: Kept, weave: WeaveDouble) -> None:
    pid = weave.engine.pids()["weave"]
    weave.machine.write(f"{SCRIPTS}/weave-{NEW}", script_text(NEW) + "\n")
    try:
        code, outcome = upgrade(kept)
    finally:
        weave.machine.write(f"{SCRIPTS}/weave-{NEW}", script_text(NEW))

    assert (code, [one["why"] for one in outcome["blocked"]]) == (10, ["download-failed"])
    assert script(weave) == script_text(OLD)
    assert weave.engine.pids()["weave"] == pid
    assert nothing_kept(weave)


def test_w10_i13_an_image_that_cannot_be_pulled_stops_nothing(kept: Kept, weave: WeaveDouble) -> None:
    pid = weave.engine.pids()["weave"]
    weave.engine.docker(f"tag rajchaudhuri/weaveexec:{NEW} kept")
    weave.engine.docker(f"rmi rajchaudhuri/weaveexec:{NEW}")
    try:
        code, outcome = upgrade(kept)
    finally:
        weave.engine.docker(f"tag kept rajchaudhuri/weaveexec:{NEW}")

    assert (code, [one["why"] for one in outcome["blocked"]]) == (10, ["download-failed"])
    assert "weaveexec" in outcome["blocked"][0]["detail"]
    assert weave.engine.pids()["weave"] == pid
    assert nothing_kept(weave)


def test_w17_a_unit_launches_its_router(kept: Kept, bare: WeaveDouble) -> None:
    bare.machine.write("/etc/systemd/system/weave.service", UNIT.format(password=PASSWORD))
    try:
        bare.machine.check("systemctl daemon-reload; systemctl start weave.service")
        before = seen(bare)

        code, outcome = upgrade(kept)

        assert (code, outcome["result"]) == (0, "upgraded"), outcome
        assert within(outcome["downtime"]["engine_s"], outcome["forecast"]["engine_s"])
        assert bare.machine.run("systemctl is-active weave.service").stdout.strip() == "active"
        assert (seen(bare), bare.report()["Version"]) == (before, NEW)
    finally:
        bare.machine.run("systemctl stop weave.service; rm /etc/systemd/system/weave.service; systemctl daemon-reload")


def test_seen_w6_a_router_in_a_restart_loop_is_replaced(kept: Kept, weave: WeaveDouble) -> None:
    before = seen(weave)
    weave.set_fault(OLD, dies="FATA: client version 1.18 is too old")
    weave.engine.docker("restart weave")
    weave.engine.wait(  # the engine waits longer each time
        "the router was restarted some times",
        "test $(docker inspect -f '{{.RestartCount}}' weave) -gt 6 && docker ps -a --format '{{.State}}' | grep resta",
    )

    code, outcome = upgrade(kept)

    assert (code, outcome["result"], outcome["from"], outcome["running"]) == (0, "upgraded", None, NEW), outcome
    assert seen(weave) == before
