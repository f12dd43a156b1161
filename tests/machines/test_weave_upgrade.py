"""`weave upgrade` on the double of Weave (test_weave_double.py) on a real engine: cases W7, W10 to W12, W14, W17, W22.

The script is the fork's, 2.8.3, and the manifest wants 2.9.0: the vendor is never changed.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.machines.conftest import Layers
from tests.support.engines import engine_machine
from tests.support.recorded import Kept
from tests.support.repository import Signer
from tests.support.weave_double import SCRIPT, Peer, WeaveDouble, script_text

pytestmark = pytest.mark.xdist_group("engines")
OLD, NEW = "2.8.3", "2.9.0"
PASSWORD = "c0rrect-Horse-77"  # noqa: S105 - an example
PEER = Peer(name="ce:2c:3b:a6:0f:10", nickname="w2", password=PASSWORD, inbound=True)
STATE = "/var/lib/maestro-agent"
UNIT = """[Service]
Type=simple
Environment=WEAVE_PASSWORD={password} WEAVE_MTU=1300
ExecStartPre=/usr/local/bin/weave launch --no-restart w2
ExecStart=/usr/bin/docker attach --sig-proxy=false weave
ExecStop=/usr/local/bin/weave stop
"""


@pytest.fixture(scope="module")
def machine(installed_beside_engine: Layers, signer: Signer) -> Iterator[tuple[Kept, WeaveDouble]]:
    with engine_machine(layers=installed_beside_engine) as engine:
        WeaveDouble(engine).load(OLD, NEW)
        engine.machine.run("echo 192.0.2.2 w2 >> /etc/hosts; systemctl stop maestro-agent.service")
        script = script_text(NEW)
        engine.machine.write(f"/srv/weave-scripts/weave-{NEW}", script)
        engine.machine.write(
            "/etc/maestro-agent/config.d/weave.toml",
            f'[weave]\nsource = "/srv/weave-scripts"\nsha256 = {{"{NEW}" = "{_digest(script)}"}}\n',
        )
        engine.machine.write(
            "/etc/maestro-agent/manifest.yml", f"docker:\n  configuration:\n    weave_version: {NEW}\n"
        )
        yield Kept(engine.machine, signer, "bookworm"), WeaveDouble(engine)


@pytest.fixture
def kept(machine: tuple[Kept, WeaveDouble]) -> Kept:
    return machine[0]


@pytest.fixture
def bare(machine: tuple[Kept, WeaveDouble]) -> WeaveDouble:
    """Return a machine with the old script, and no router."""
    double = machine[1]
    double.remove()
    double.machine.run(f"rm -rf /var/log/weave-double.log {STATE}/*")
    double.install_script(OLD)
    double.simulate_peers(w2=PEER)
    return double


@pytest.fixture
def weave(bare: WeaveDouble) -> WeaveDouble:
    """Return the old Weave with one peer, launched."""
    bare.launch("--ipalloc-range 10.32.0.0/12 w2", WEAVE_PASSWORD=PASSWORD, WEAVE_MTU="1300")
    return bare


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def upgrade(kept: Kept) -> tuple[int, Any]:
    answer = kept.agent("weave upgrade --yes --json")
    return answer.code, answer.json


def seen(weave: WeaveDouble) -> dict[str, Any]:
    """Return what has to be the same after an upgrade."""
    shown, report = weave.inspect(), weave.report()
    return {
        "args": shown["Args"],
        "password": f"WEAVE_PASSWORD={PASSWORD}" in shown["Config"]["Env"],
        "name": report["Router"]["Name"],
        "targets": report["Router"]["Targets"],
        "connections": [one["State"] for one in report["Router"]["Connections"]],
        "range": report["IPAM"]["Range"],
    }


def script(weave: WeaveDouble) -> str:
    return weave.machine.path(SCRIPT).read_text()


def nothing_kept(weave: WeaveDouble) -> bool:
    left = weave.machine.run(f"ls {STATE}/weave-snapshot.json {STATE}/weave-kept {SCRIPT}.maestro-new").stdout
    return left == ""


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


def test_w14_the_password_is_in_no_file_of_the_agent_and_in_no_log(kept: Kept, weave: WeaveDouble) -> None:
    weave.set_fault(NEW, launch={"code": 1, "text": f"launch failed with {PASSWORD}"})

    code, outcome = upgrade(kept)

    assert (code, outcome["result"]) == (1, "rolled-back"), outcome
    assert "launch failed with" in outcome["rollback"]["reason"]
    assert PASSWORD not in str(outcome)
    found = weave.machine.run(f"grep -rl {PASSWORD} {STATE} /run/maestro-agent; journalctl | grep -F {PASSWORD}")
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
    weave.machine.write(f"/srv/weave-scripts/weave-{NEW}", script_text(NEW) + "\n")
    try:
        code, outcome = upgrade(kept)
    finally:
        weave.machine.write(f"/srv/weave-scripts/weave-{NEW}", script_text(NEW))

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
        assert bare.machine.run("systemctl is-active weave.service").stdout.strip() == "active"
        assert (seen(bare), bare.report()["Version"]) == (before, NEW)
    finally:
        bare.machine.run("systemctl stop weave.service; rm /etc/systemd/system/weave.service; systemctl daemon-reload")


@pytest.mark.parametrize("phase", ["stopping", "launching", "restoring"])
def test_a_killed_run_is_finished_by_the_next_check(kept: Kept, weave: WeaveDouble, phase: str) -> None:
    weave.run_on_network("on-network")
    before, addresses = seen(weave), weave.addresses()
    snapshot = f"{STATE}/weave-snapshot.json"
    weave.machine.check(
        "maestro-agent weave upgrade --yes >/dev/null 2>&1 & "
        f'while ! grep -q \'"phase": "{phase}"\' {snapshot}; do sleep 0.02; done; '
        f"kill -KILL $(cut -d ' ' -f 1 {STATE}/running); wait"
    )
    assert weave.machine.path(f"{STATE}/weave-snapshot.json").exists()

    kept.agent("check")

    outcome = kept.agent("history last --json").json
    assert outcome["result"] in {"upgraded", "interrupted"}, outcome
    assert (seen(weave), weave.addresses()) == (before, addresses)
    assert script(weave) == script_text(OLD if outcome["result"] == "interrupted" else NEW)
    assert nothing_kept(weave)


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
