"""`docker upgrade` with Weave's router and containers of each kind, on the double (weave-behaviour.md 2.1, 2.2)."""

import hashlib
from collections.abc import Iterator

import pytest

from tests.machines.conftest import Layers
from tests.support.engines import NEWER, OLDER, engine_machine
from tests.support.forecasts import within
from tests.support.recorded import Kept
from tests.support.repository import Signer
from tests.support.weave_double import Peer, WeaveDouble, script_text

pytestmark = pytest.mark.xdist_group("weave-1")
MANIFEST = "/etc/maestro-agent/manifest.yml"
PEER = Peer(name="ce:2c:3b:a6:0f:10", nickname="w2")


@pytest.fixture
def machine(installed_beside_engine: Layers, signer: Signer) -> Iterator[tuple[Kept, WeaveDouble]]:
    """Return a machine with images of Weave, whose manifest wants the newer engine."""
    with engine_machine(layers=installed_beside_engine) as engine:
        weave = WeaveDouble(engine)
        weave.load("2.8.2", "2.9.0")
        weave.simulate_peers(w2=PEER)
        engine.machine.run("echo 192.0.2.2 w2 >>/etc/hosts; systemctl stop maestro-agent.service")
        engine.machine.write(MANIFEST, f"docker:\n  configuration:\n    docker_version: {NEWER}\n")
        yield Kept(engine.machine, signer, "bookworm"), weave


def launch(weave: WeaveDouble, version: str) -> None:
    weave.install_script(version)
    weave.launch("w2")


def test_b5_seen_w3_every_container_of_the_network_runs_again_and_those_attached_have_their_address(
    machine: tuple[Kept, WeaveDouble],
) -> None:
    kept, weave = machine
    launch(weave, "2.9.0")
    weave.run_on_network("network-always")
    weave.run_on_network("network-no", "no")
    weave.run_on_network("network-stopped", "unless-stopped")
    weave.engine.docker("stop network-stopped")
    weave.run_attached("attached")
    weave.run_proxied("proxied")
    weave.engine.run_container("plain", policy="unless-stopped")
    states, addresses, report = weave.engine.states(), weave.addresses(), weave.report()

    planned = kept.agent("docker plan --json").json
    answer = kept.agent("docker upgrade --yes --json", timeout=600)

    outcome = answer.json
    assert (outcome["result"], answer.code) == ("upgraded", 0)
    assert weave.engine.engine_version() == NEWER
    assert weave.engine.states() == states
    after = weave.addresses()
    assert {name for name, found in after.items() if found} == {name for name, found in addresses.items() if found}
    assert {name: after[name] for name in ("attached", "proxied")} == {
        name: addresses[name] for name in ("attached", "proxied")
    }
    assert weave.report()["Router"]["Name"] == report["Router"]["Name"]
    assert {one["name"]: one["will"] for one in planned["containers"]} == {
        "network-always": "needs-start",
        "network-no": "needs-start",
        "network-stopped": "stops",
        "attached": "restarts",
        "proxied": "restarts",
        "plain": "restarts",
        "weave": "restarts",
        "weavedb": "stops",
        "weavevolumes-2.9.0": "stops",
    }
    assert within(outcome["downtime"]["engine_s"], planned["downtime"]["expected_s"])


def test_with_live_restore_no_container_of_the_network_is_down_and_no_address_changes(
    machine: tuple[Kept, WeaveDouble],
) -> None:
    kept, weave = machine
    weave.engine.configure('{"live-restore": true}')
    weave.machine.check("systemctl reload docker")
    launch(weave, "2.9.0")
    weave.run_on_network("network-always")
    weave.run_attached("attached")
    weave.run_proxied("proxied")
    pids, addresses = weave.engine.pids(), weave.addresses()

    answer = kept.agent("docker upgrade --yes --json", timeout=600)

    assert (answer.json["result"], answer.code, answer.json["downtime"]["containers"]) == ("upgraded", 0, {})
    assert (weave.engine.engine_version(), weave.engine.pids(), weave.addresses()) == (NEWER, pids, addresses)
    weave.run_on_network("another")
    assert len(weave.addresses()["another"]) == 1


def test_seen_m4_a_router_that_its_owner_stopped_is_stopped_again(machine: tuple[Kept, WeaveDouble]) -> None:
    kept, weave = machine
    launch(weave, "2.9.0")
    weave.run("stop")
    states = weave.engine.states()

    answer = kept.agent("docker upgrade --yes --json", timeout=600)

    assert (answer.json["result"], answer.code) == ("upgraded", 0)
    assert weave.engine.states() == states
    assert answer.json["containers_stopped"] == ["weave"]


def test_a_rollback_brings_back_router_containers_and_attached_addresses(machine: tuple[Kept, WeaveDouble]) -> None:
    kept, weave = machine
    launch(weave, "2.9.0")
    weave.run_on_network("on-network")
    weave.run_attached("attached")
    weave.run_proxied("proxied")
    states, addresses = weave.engine.states(), weave.addresses()
    weave.machine.write(
        "/etc/systemd/system/docker.service.d/dies.conf",
        f"[Service]\nExecStartPre=/bin/sh -c '! grep -q {NEWER} /usr/sbin/dockerd'\n",
    )

    answer = kept.agent("docker upgrade --yes --json", timeout=900)

    assert (answer.json["result"], answer.code) == ("rolled-back", 1)
    assert (weave.engine.engine_version(), weave.engine.states()) == (OLDER, states)
    after = weave.addresses()
    assert len(after["on-network"]) == 1
    assert {name: after[name] for name in ("attached", "proxied")} == {
        name: addresses[name] for name in ("attached", "proxied")
    }


def test_b2_b7_weave_first_then_docker_and_each_is_reported_where_docker_is_rolled_back(
    machine: tuple[Kept, WeaveDouble],
) -> None:
    kept, weave = machine
    launch(weave, "2.8.2")
    weave.run_attached("attached")
    states, addresses = weave.engine.states(), weave.addresses()
    script = script_text("2.9.0")
    digest = hashlib.sha256(script.encode()).hexdigest()
    weave.machine.write("/srv/scripts/weave-2.9.0", script)
    weave.machine.write(
        "/etc/maestro-agent/config.d/weave.toml",
        f'[weave]\nsource = "/srv/scripts"\nsha256 = {{"2.9.0" = "{digest}"}}\n',
    )
    with weave.machine.path(MANIFEST).open("a") as manifest:
        manifest.write("    weave_version: 2.9.0\n")

    planned = kept.agent("docker plan --json").json
    too_early = kept.agent("docker upgrade --yes --json")
    first = kept.agent("weave upgrade --yes --json", timeout=300)

    assert (planned["blocked"], planned["order"][0]) == ([], "upgrade-weave-first")
    assert (too_early.code, [one["why"] for one in too_early.json["blocked"]]) == (10, ["api-too-new"])
    assert (first.code, first.json["result"], weave.report()["Version"]) == (0, "upgraded", "2.9.0")

    weave.engine.configure('{"oom-score-adjust": -500}')
    failed = kept.agent("docker upgrade --yes --json", timeout=600)
    kept.agent("check --no-refresh")

    assert (failed.code, failed.json["result"]) == (1, "rolled-back")
    assert weave.engine.engine_version() == OLDER
    status = kept.status()
    assert (status["weave"]["running"], status["docker"]["running"]) == ("2.9.0", OLDER)

    weave.engine.configure("{}")
    last = kept.agent("docker upgrade --yes --json", timeout=600)

    assert (last.code, last.json["result"], weave.engine.engine_version()) == (0, "upgraded", NEWER)
    assert weave.addresses() == addresses
    assert {**states, "weavevolumes-2.9.0": "created"} == weave.engine.states()
