"""The double of Weave holds to weave-behaviour.md, section 1 and 2, by its claims (W, I, M)."""

from collections.abc import Iterator

import pytest

from tests.support.engines import NEWER, OLDER, EngineMachine, engine_machine
from tests.support.weave_double import Peer, WeaveDouble
from tests.support.weave_images import Release, load_images

pytestmark = pytest.mark.xdist_group("weave-2")
PASSWORD = "s3cr3t"  # noqa: S105 - an example
PEER = Peer(name="ce:2c:3b:a6:0f:10", nickname="w2", password=PASSWORD)


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineMachine]:
    with engine_machine(OLDER) as made:
        WeaveDouble(made).load("2.8.1", "2.8.3", "2.9.0")
        yield made


@pytest.fixture
def weave(engine: EngineMachine) -> WeaveDouble:
    """Return Weave 2.8.1 with one peer, newly launched."""
    double = WeaveDouble(engine)
    double.remove()
    double.install_script("2.8.1")
    double.simulate_peers(w2=PEER)
    double.launch("w2", WEAVE_PASSWORD=PASSWORD)
    return double


def test_i1_i2_what_docker_shows_of_the_router(weave: WeaveDouble) -> None:
    double = weave
    double.run("stop")
    double.launch(
        "--password other --no-restart --ipalloc-range 10.40.0.0/16 --plugin=false w2",
        WEAVE_MTU="1300",
        WEAVE_NO_FASTDP="1",
    )

    shown = double.inspect()

    args, env = shown["Args"], shown["Config"]["Env"]
    assert args[args.index("-H") :] == [
        *("-H", "unix:///var/run/weave/weave.sock", "--plugin", "--proxy"),
        *("--plugin=false", "w2"),
    ]
    assert args[args.index("--mtu") :][:3] == ["--mtu", "1300", "--no-fastdp"]
    assert args[args.index("--ipalloc-range") + 1] == "10.40.0.0/16"
    assert "other" not in args
    assert {"DOCKER_BRIDGE", "WEAVE_DEBUG", "CHECKPOINT_DISABLE", "WEAVE_PASSWORD=other"} <= set(env)
    assert "IPTABLES_BACKEND" not in env
    assert shown["HostConfig"]["RestartPolicy"]["Name"] == "no"
    assert shown["Config"]["Image"] == "weaveworks/weave:2.8.1"


def test_w8_w9_a_launch_with_another_password_or_range_succeeds_and_only_the_connections_show_it(
    weave: WeaveDouble,
) -> None:
    weave.run_on_network("one")
    assert weave.report()["IPAM"]["ActiveIPs"] == 1
    assert [one["State"] for one in weave.report()["Router"]["Connections"]] == ["established"]

    weave.run("stop")
    weave.launch("w2")
    without = weave.report()
    weave.run("stop")
    weave.launch("--ipalloc-range 10.40.0.0/16 w2", WEAVE_PASSWORD=PASSWORD)
    moved = weave.report()

    assert (without["Ready"], weave.get("/status")[0]) == (True, 200)
    assert [one["State"] for one in without["Router"]["Connections"]] == ["failed"]
    assert (moved["Ready"], moved["IPAM"]["ActiveIPs"]) == (True, 0)
    assert "Incompatible IP allocation ranges" in moved["Router"]["Connections"][0]["Info"]


def test_w4_a_stop_deletes_the_network_unless_a_container_runs_on_it(weave: WeaveDouble) -> None:
    weave.run_on_network("runs")
    weave.run_on_network("stopped")
    weave.engine.docker("stop stopped")
    before = weave.network_id()

    kept = weave.run("stop")
    assert (kept.returncode, weave.network_id()) == (0, before)
    assert "still attached" in kept.stderr
    weave.launch("w2", WEAVE_PASSWORD=PASSWORD)
    weave.engine.docker("start stopped")

    weave.engine.docker("stop runs stopped")
    assert weave.run("stop").returncode == 0
    assert weave.network_id() == ""
    weave.launch("w2", WEAVE_PASSWORD=PASSWORD)

    assert weave.network_id() not in {"", before}
    failed = weave.machine.run("docker start stopped")
    assert (failed.returncode, f"network {before} not found" in failed.stderr) == (1, True)
    weave.engine.docker("network disconnect -f weave stopped")
    weave.engine.docker("network connect weave stopped")
    weave.engine.docker("start stopped")
    assert len(weave.addresses()["stopped"]) == 1


def test_2_4_the_other_vendor_needs_the_container_removed_and_keeps_name_range_and_addresses(
    weave: WeaveDouble,
) -> None:
    weave.run_on_network("one")
    weave.run_attached("two")
    before, pids, report = weave.addresses(), weave.engine.pids(), weave.report()

    weave.run("stop")
    weave.install_script("2.9.0")
    refused = weave.run("launch w2", WEAVE_PASSWORD=PASSWORD)
    weave.engine.docker("rm weave")
    launched = weave.run("launch w2", WEAVE_PASSWORD=PASSWORD)

    assert (refused.returncode, "Found another container named 'weave'" in refused.stdout) == (2, True)
    assert launched.returncode == 0
    after = weave.report()
    assert (after["Version"], after["Router"]["Name"]) == ("2.9.0", report["Router"]["Name"])
    assert (after["IPAM"]["Range"], after["IPAM"]["ActiveIPs"]) == (report["IPAM"]["Range"], 2)
    assert [one["State"] for one in after["Router"]["Connections"]] == ["established"]
    assert weave.addresses() == before
    assert {name: pid for name, pid in weave.engine.pids().items() if name != "weave"} == {
        name: pid for name, pid in pids.items() if name != "weave"
    }
    assert {"weavevolumes-2.8.1", "weavevolumes-2.9.0", "weavedb"} <= set(weave.engine.states())
    assert "IPTABLES_BACKEND" in weave.inspect()["Config"]["Env"]


def test_i11_w6_from_2_8_3_on_errors_are_on_standard_output_with_crlf(weave: WeaveDouble) -> None:
    older = weave.run("bogus")
    weave.install_script("2.8.3")
    newer = weave.run("bogus")
    shown = weave.machine.check("weave bogus | od -An -c | tr -d ' \\n'; true")

    assert (older.returncode, older.stdout, older.stderr[:5]) == (1, "", "Usage")
    assert (newer.returncode, newer.stdout[:5], newer.stderr) == (1, "Usage", "")
    assert "\\r\\n" in shown
    assert weave.run("version").stdout.splitlines() == ["weave script 2.8.3", "weave 2.8.1"]


def test_2_5_exit_codes_of_a_router_that_runs_and_of_one_that_does_not(weave: WeaveDouble) -> None:
    assert (weave.run("status").returncode, weave.run("report").returncode) == (0, 0)
    assert (weave.run("launch").returncode, weave.run("stop").returncode) == (3, 0)
    assert (weave.run("status").returncode, weave.run("report").returncode) == (1, 7)
    assert (weave.run("version").returncode, weave.run("stop").returncode) == (0, 0)
    weave.install_script("2.8.2")
    assert weave.run("launch").returncode == 125


def test_w13_the_report_asks_for_a_header(weave: WeaveDouble) -> None:
    assert weave.get("/report")[0] == 400
    assert weave.get("/report?format={{.Version}}") == (200, "2.8.1")
    assert weave.get("/status/bogus")[0] == 404
    assert weave.get("/status", port=6782)[0] == 200


def test_i4_the_reports_keys_and_null_for_what_is_empty(weave: WeaveDouble) -> None:
    weave.run("stop")
    weave.launch()

    report = weave.report()

    router, ipam = report["Router"], report["IPAM"]
    assert set(report) >= {"Ready", "Version", "VersionCheck", "Router", "IPAM", "DNS", "Proxy", "Plugin"}
    assert set(router) >= {
        *("Protocol", "ProtocolMinVersion", "ProtocolMaxVersion", "Encryption", "PeerDiscovery", "Name", "NickName"),
        *("Port", "Peers", "Connections", "Targets", "TrustedSubnets", "Interface", "UnicastRoutes", "MACs"),
        *("BroadcastRoutes", "TerminationCount", "OverlayDiagnostics", "CaptureStats"),
    }
    assert (router["Connections"], router["Targets"], router["TrustedSubnets"]) == (None, None, [])
    assert set(ipam) >= {
        *("Paxos", "Range", "RangeNumIPs", "ActiveIPs", "DefaultSubnet", "Entries", "PendingClaims"),
        "PendingAllocates",
    }
    assert (ipam["Paxos"], ipam["Entries"], ipam["ActiveIPs"]) == (None, None, 0)
    assert "         Status: idle\n" in weave.run("status").stdout


def test_m1_an_unstamped_release_needs_its_version_and_reports_a_commit(weave: WeaveDouble) -> None:
    unstamped = Release(version="2.8.3", reports="git-0123456789ab", script="unreleased")
    load_images(weave.machine, [unstamped])
    try:
        weave.run("stop")
        weave.engine.docker("rm weave")
        weave.install_script("2.8.3")
        without = weave.run("launch")
        weave.launch(WEAVE_VERSION="2.8.3")

        assert (without.returncode, without.stdout) == (1, "unable to create container: no such image\n")
        assert weave.report()["Version"] == "git-0123456789ab"
        assert weave.inspect()["Config"]["Image"] == "rajchaudhuri/weave:2.8.3"
    finally:
        weave.load("2.8.3")


def test_i8_w23_another_server_on_the_port(weave: WeaveDouble) -> None:
    weave.run("stop")
    with weave.port_taken(200):
        answers = weave.run("launch")
    with weave.port_taken(404):
        other = weave.run("launch")
        log = weave.log()

    assert (answers.returncode, answers.stderr) == (1, "Weave Net is already running\n")
    assert (other.returncode, "has died" in other.stderr) == (1, True)
    assert "Unable to create http socket" in log


def test_faults_of_a_launch(weave: WeaveDouble) -> None:
    weave.run("stop")
    weave.set_fault("2.8.1", launch={"code": 1, "text": "no"})
    assert (weave.run("launch").returncode, weave.inspect()["State"]["Status"]) == (1, "exited")
    weave.set_fault("2.8.1", launch=None, dies="panic")
    assert weave.run("launch").returncode == 1
    weave.engine.wait("it is restarted again and again", "[ $(docker inspect -f {{.RestartCount}} weave) -gt 1 ]")
    assert weave.run("stop").returncode == 0
    weave.set_fault("2.8.1", dies=None, never_ready=True, peer_name="02:00:00:00:00:01")
    weave.launch()
    assert (weave.get("/status")[0], weave.report()["Ready"]) == (503, False)
    assert weave.report()["Router"]["Name"] == "02:00:00:00:00:01"


def test_m2_m3_peers_that_do_not_resolve_and_resume(weave: WeaveDouble) -> None:
    weave.run("stop")
    assert weave.run("launch w3.example").returncode == 1
    assert "lookup w3.example" in weave.log()
    weave.run("stop")
    assert weave.run("launch --resume w2").returncode == 1
    weave.run("stop")
    weave.simulate_peers(w2=PEER)
    weave.launch("w2", WEAVE_PASSWORD=PASSWORD)
    weave.run("stop")
    weave.launch("--resume", WEAVE_PASSWORD=PASSWORD)
    assert weave.report()["Router"]["Targets"] == ["w2"]


def test_2_1_w2_w3_m4_what_a_restart_of_the_engine_leaves_of_each_kind(weave: WeaveDouble) -> None:
    weave.run_on_network("network-always")
    weave.run_on_network("network-no", "no")
    weave.run_attached("attached")
    weave.run_proxied("proxied")
    before, network = weave.addresses(), weave.network_id()

    weave.engine.restart()
    weave.wait_until_ready()
    weave.engine.wait("the application of proxied", "docker exec proxied ip addr show ethwe")

    states, addresses = weave.engine.states(), weave.addresses()
    assert {name: states[name] for name in before} == {
        "network-always": "exited", "network-no": "exited", "attached": "running", "proxied": "running",
    }  # fmt: skip
    fallen = {name: weave.inspect(name)["State"] for name in ("network-always", "network-no")}
    assert {one["ExitCode"] for one in fallen.values()} == {255}
    assert "weavemesh.sock" in fallen["network-always"]["Error"]
    assert fallen["network-no"]["Error"] == ""
    assert weave.inspect("network-always")["RestartCount"] == 0
    assert (addresses["attached"], addresses["proxied"]) == ([], before["proxied"])
    assert weave.network_id() == network
    assert "Restart/resume detected" in weave.log()

    weave.engine.docker("start network-always network-no")
    assert weave.addresses()["network-always"] not in ([], before["network-always"])
    assert weave.report()["IPAM"]["ActiveIPs"] == 6
    assert weave.run("attach attached").stdout.strip() == before["attached"][0]

    weave.engine.docker("stop proxied")
    weave.run("stop")
    weave.engine.docker("rm weave weavevolumes-2.8.1")
    weave.engine.docker("volume prune -f")
    assert '"/w/w": ' in weave.machine.run("docker start proxied").stderr


def test_w5_w6_m5_an_engine_that_refuses_the_api_version() -> None:
    with engine_machine(NEWER) as engine:
        weave = WeaveDouble(engine)
        weave.load("2.8.2", "2.9.0")
        weave.install_script("2.9.0")
        weave.launch()
        weave.run("stop")
        weave.engine.docker("rm weave")
        weave.install_script("2.8.2")

        launch, stop, version = weave.run("launch"), weave.run("stop"), weave.run("version")

        assert launch.returncode == 1
        assert "unable to create container: API error (400): client version 1.18 is too old" in launch.stderr
        assert stop.returncode == 0
        assert "client version 1.21 is too old" in stop.stderr
        assert version.returncode == 0

        weave.run_router_of("2.8.2")
        weave.engine.wait("a restart loop", "docker inspect -f '{{.State.Status}}' weave | grep restarting")
        assert "Could not start proxy: API error (400): client version 1.18 is too old" in weave.log()
        assert weave.run("status").returncode == 1
        assert "not present" in weave.run("status").stderr
