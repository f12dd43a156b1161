"""What the agent sees of Weave on a real engine, and what it plans: on the double (test_weave_double.py)."""

import json
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from tests.machines.conftest import Layers
from tests.support.engines import NEWER, engine_machine
from tests.support.recorded import Kept
from tests.support.repository import Signer
from tests.support.weave_double import SCRIPT, Peer, WeaveDouble

pytestmark = pytest.mark.xdist_group("weave-5")
MANIFEST = "/etc/maestro-agent/manifest.yml"
PASSWORD = "c0rrect-Horse-77"  # noqa: S105 - an example
PEER = Peer(name="ce:2c:3b:a6:0f:10", nickname="w2", password=PASSWORD, inbound=True)
_LOOK = """
import json, sys
from dataclasses import asdict
sys.path.insert(0, "/usr/share/maestro-agent")
from agent.host.docker.observer import LocalEngines
engines = LocalEngines()
docker = engines.docker()
weave = engines.weave(docker)
seen = docker.containers if isinstance(docker.containers, tuple) else ()
found = {**asdict(weave), "running_version": weave.running_version, "kinds": {one.name: one.weave for one in seen}}
print(json.dumps(found, default=lambda one: one.value))
"""


@pytest.fixture(scope="module")
def machine(installed_beside_engine: Layers, signer: Signer) -> Iterator[tuple[Kept, WeaveDouble]]:
    with engine_machine(layers=installed_beside_engine) as engine:
        WeaveDouble(engine).load("2.8.1", "2.9.0")
        yield Kept(engine.machine, signer, "bookworm"), WeaveDouble(engine)


@pytest.fixture
def kept(machine: tuple[Kept, WeaveDouble]) -> Kept:
    return machine[0]


@pytest.fixture
def bare(machine: tuple[Kept, WeaveDouble]) -> WeaveDouble:
    """Return a machine without Weave and without a manifest, whose images are there."""
    machine[1].remove()
    machine[1].machine.run(f"rm -f {MANIFEST} {SCRIPT} /var/log/weave-double.log")
    return machine[1]


@pytest.fixture
def weave(bare: WeaveDouble) -> WeaveDouble:
    """Return Weave 2.8.1 with one peer, launched."""
    bare.install_script("2.8.1")
    bare.simulate_peers(w2=PEER)
    bare.launch("--ipalloc-range 10.32.0.0/12 w2", WEAVE_PASSWORD=PASSWORD, WEAVE_MTU="1300")
    return bare


def look(weave: WeaveDouble) -> Any:
    return json.loads(weave.machine.check(f"/usr/bin/python3 -c {shlex.quote(_LOOK)}"))


def want(double: WeaveDouble, **versions: str) -> None:
    lines = "".join(f"    {name}_version: {version}\n" for name, version in versions.items())
    double.machine.write(MANIFEST, f"docker:\n  configuration:\n{lines}")


def codes(plan: Any) -> tuple[list[str], list[str]]:
    return [one["why"] for one in plan["blocked"]], [one["code"] for one in plan["warnings"]]


def test_w1_a_machine_without_weave(kept: Kept, bare: WeaveDouble) -> None:
    answer = kept.agent("weave plan --json")

    assert (answer.code, look(bare)["kind"]) == (0, "none")
    assert (answer.json["installed"], answer.json["running"], answer.json["blocked"]) == (None, None, [])


def test_a_router_that_runs_is_seen_and_nothing_is_started_for_it(kept: Kept, weave: WeaveDouble) -> None:
    weave.run_on_network("on-network")
    weave.run_attached("attached")
    weave.run_proxied("proxied")
    weave.engine.run_container("plain")
    calls, states = weave.calls(), weave.engine.states()

    seen = look(weave)
    kept.agent("check --no-refresh")

    assert (seen["kind"], seen["vendor"], seen["container_state"]) == ("script", "weaveworks", "running")
    assert (seen["script"]["version"], seen["image"], seen["running_version"]) == (
        *("2.8.1", "weaveworks/weave:2.8.1", "2.8.1"),
    )
    assert seen["report"]["ready"]
    assert seen["report"]["peer_name"] == weave.report()["Router"]["Name"]
    assert (seen["report"]["targets"], seen["report"]["established"]) == (["w2"], [PEER.name])
    assert (seen["report"]["ipam_ready"], seen["report"]["active_addresses"]) == (True, 3)
    assert {name: seen["kinds"][name] for name in ("on-network", "attached", "proxied", "plain", "weave")} == {
        "on-network": "network", "attached": "attached", "proxied": "proxied", "plain": "none", "weave": "none",
    }  # fmt: skip
    assert kept.status()["weave"]["running"] == "2.8.1"
    assert (weave.calls(), weave.engine.states()) == (calls, states)


def test_w14_i1_i2_w1_what_the_router_was_launched_with_is_known_and_its_password_is_nowhere(
    kept: Kept, weave: WeaveDouble
) -> None:
    weave.run("stop")
    weave.launch(
        "--no-restart --ipalloc-range 10.40.0.0/16 --plugin=false w2", WEAVE_PASSWORD=PASSWORD, WEAVE_MTU="1300"
    )

    arguments = look(weave)["arguments"]
    kept.agent("check --no-refresh")
    kept.agent("weave plan")
    found = weave.machine.run(f"grep -rl {PASSWORD} /var/lib/maestro-agent /run/maestro-agent* /var/log/maestro-agent*")
    journal = weave.machine.journal("maestro-agent*")

    assert arguments["words"] == ["--ipalloc-range", "10.40.0.0/16", "--plugin=false", "w2"]
    assert arguments["environment"] == [["WEAVE_MTU", "1300"]]
    assert (arguments["encrypted"], arguments["restart"], arguments["peers"]) == (True, False, ["w2"])
    assert found.stdout == ""
    assert PASSWORD not in journal


def test_w4_three_versions_that_differ(kept: Kept, weave: WeaveDouble) -> None:
    weave.install_script("2.9.0", user="weaveworks")

    answer = kept.agent("weave plan --json").json

    assert (answer["installed"], answer["running"], answer["restart_pending"]) == ("2.9.0", "2.8.1", True)
    assert "mismatch" in codes(answer)[1]


@pytest.mark.parametrize("stamped", ["unreleased", None])
def test_w5_a_script_without_a_version(kept: Kept, weave: WeaveDouble, stamped: str | None) -> None:
    weave.install_script("2.8.1", stamped=stamped)

    answer = kept.agent("weave plan --json").json

    assert (answer["installed"], answer["running"]) == ("2.8.1", "2.8.1")


def test_w3_a_stopped_router_is_upgraded_and_not_launched(kept: Kept, weave: WeaveDouble) -> None:
    weave.run("stop")
    want(weave, weave="2.8.0")

    seen, answer = look(weave), kept.agent("weave plan --json").json

    assert (seen["container_state"], seen["report"], seen["running_version"]) == ("exited", None, None)
    assert (answer["running"], answer["running_known"], answer["restart_needed"]) == (None, True, False)
    assert (answer["candidate"], answer["packages"]) == (
        "2.8.0",
        [{"package": "weave", "from": "2.8.1", "to": "2.8.0"}],
    )
    assert (answer["order"][:1], "launch" in answer["order"]) == (["save"], False)


def test_w6_w12_i5_a_router_that_does_not_get_ready_and_one_that_loops(weave: WeaveDouble) -> None:
    weave.set_fault("*", never_ready=True, awaiting_consensus=True)
    waits = look(weave)["report"]
    weave.set_fault("*", dies="panic")
    weave.engine.docker("restart weave")
    state = "[ $(docker inspect -f '{{.State.Status}} {{.RestartCount}}' weave | sed -n 's/^restarting //p') -gt 4 ]"
    weave.engine.wait("a restart loop with long pauses", state)
    found = (look(weave) for _ in range(5))  # it may just run again
    loops = next(one for one in found if one["container_state"] == "restarting")

    assert (waits["ready"], waits["ipam_ready"], waits["version"]) == (False, False, "2.8.1")
    assert (loops["container_state"], loops["running_version"]) == ("restarting", None)


def test_w9_a_router_with_the_wrong_password_is_ready_and_warned_of(kept: Kept, weave: WeaveDouble) -> None:
    weave.run("stop")
    weave.launch("w2", WEAVE_PASSWORD=PASSWORD[::-1])

    report, answer = look(weave)["report"], kept.agent("weave plan --json").json

    assert (report["ready"], report["established"], report["failed"]) == (True, [], ["Unable to decrypt TCP msg"])
    assert "connections-failed" in codes(answer)[1]


def test_w15_a_router_with_another_name_is_seen(weave: WeaveDouble) -> None:
    before = look(weave)["report"]["peer_name"]
    weave.run("stop")
    weave.set_fault("*", peer_name="02:00:00:00:00:01")
    weave.launch("w2", WEAVE_PASSWORD=PASSWORD)

    assert look(weave)["report"]["peer_name"] == "02:00:00:00:00:01" != before


def test_i8_another_server_on_the_port_is_no_router(kept: Kept, weave: WeaveDouble) -> None:
    weave.run("stop")
    with weave.port_taken(200):
        weave.engine.docker("start weave")
        weave.engine.wait("it has died", "[ $(docker inspect -f {{.RestartCount}} weave) -gt 0 ]")
        answer = kept.agent("weave plan --json").json

    assert answer["running"] is None


def test_w18_weave_of_kubernetes_is_not_ours(kept: Kept, bare: WeaveDouble) -> None:
    bare.engine.run_container("k8s_weave_weave-net-x1_kube-system_0")
    want(bare, weave="2.8.1")

    answer = kept.agent("weave plan --json").json

    assert (look(bare)["kind"], codes(answer)[0]) == ("plugin", ["unsupported-flavour"])


def test_b1_a_newer_docker_is_blocked_by_the_api_version_of_this_weave(kept: Kept, weave: WeaveDouble) -> None:
    want(weave, docker=NEWER)

    answer = kept.agent("docker plan --json")

    block = next(one for one in answer.json["blocked"] if one["why"] == "api-too-new")
    assert answer.code == 10
    assert block["values"] == [NEWER, "1.24", "2.8.1", "1.18", "upgrade-weave"]
    assert weave.engine.engine_version() != NEWER


def test_b1_a_stopped_router_counts_since_the_engine_starts_it_again(kept: Kept, weave: WeaveDouble) -> None:
    weave.run("stop")
    want(weave, docker=NEWER)

    assert "api-too-new" in codes(kept.agent("docker plan --json").json)[0]


def test_w2_without_an_engine_only_the_script_is_known(kept: Kept, weave: WeaveDouble) -> None:
    """docker.socket stays active, so that any connect(2) would start the engine."""
    weave.machine.check("systemctl stop docker.service; systemctl start docker.socket", timeout=200)
    try:
        seen, answer = look(weave), kept.agent("weave plan --json").json
        active = weave.machine.run("systemctl is-active docker.service").stdout.strip()
    finally:
        weave.machine.check("systemctl reset-failed docker.service docker.socket; systemctl start docker", timeout=200)

    assert (seen["script"]["version"], seen["container_state"], active) == ("2.8.1", "", "inactive")
    assert (answer["installed"], answer["running"]) == ("2.8.1", None)
