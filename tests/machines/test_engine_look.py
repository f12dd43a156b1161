"""What the agent sees of a real engine under systemd, and that looking starts nothing."""

import json
import shlex
from typing import Any

import pytest

from tests.support.engines import NEWER, OLDER, EngineMachine
from tests.support.recorded import Kept

pytestmark = pytest.mark.xdist_group("engines-5")
_LOOK = """
import json, sys, time
from enum import Enum
from dataclasses import asdict
sys.path.insert(0, "/usr/share/maestro-agent")
from agent.host.apt.configuration import configure
from agent.host.docker.observer import LocalEngines
configure()
engines = LocalEngines()
facts = engines.docker()
engines.weave(facts)
print(json.dumps(asdict(facts), default=lambda one: one.value))
"""


def look(engine: EngineMachine) -> Any:
    return json.loads(engine.machine.check(f"/usr/bin/python3 -c {shlex.quote(_LOOK)}"))


def test_a_running_engine_is_seen_with_its_containers(kept_engine: tuple[Kept, EngineMachine]) -> None:
    _, engine = kept_engine
    engine.run_container("good", policy="always", published=8080)
    engine.run_container("bad", policy="unless-stopped", handles_stop=False, stop_timeout=3)
    engine.run_container("stopped", policy="on-failure:3")
    engine.docker("stop stopped")
    engine.run_container("passing", auto_remove=True)
    engine.run_container("with-init", handles_stop=False, options="--init")
    engine.docker(
        "run -d --name=signalled --stop-signal=SIGUSR1 busybox sh -c 'trap : USR1; while :; do sleep 1; done'"
    )

    seen = look(engine)

    by_name = {one["name"]: one for one in seen["containers"]}
    pids = engine.pids()
    assert (seen["flavour"], seen["found"]) == ("docker-io", [])
    assert seen["packages"][0]["package"] == "containerd"
    assert all(one["complete"] and not one["on_hold"] for one in seen["packages"])
    assert seen["engine"]["version"].startswith(OLDER)
    assert (seen["engine"]["api_version"], seen["engine"]["min_api_version"]) == ("1.41", "1.12")
    assert (seen["engine"]["executable_replaced"], seen["engine"]["live_restore"]) == (False, False)
    assert (seen["engine"]["swarm"], seen["engine"]["data_root"]) == ("inactive", "/var/lib/docker")
    assert seen["engine"]["runc_version"].startswith("1.1.5")
    assert seen["unit"]["main_pid"] == engine.engine_pid()
    assert (seen["unit"]["active_state"], seen["unit"]["unit_file_state"]) == ("active", "enabled")
    assert (seen["unit"]["stop_timeout_s"], seen["unit"]["socket_active"]) == (90.0, True)
    assert seen["unit"]["arguments"][:3] == ["/usr/sbin/dockerd", "-H", "fd://"]
    assert not any("$" in word for word in seen["unit"]["arguments"])
    assert {name: one["policy"] for name, one in by_name.items()} == {
        "good": "always", "bad": "unless-stopped", "stopped": "on-failure", "passing": "no", "with-init": "no",
        "signalled": "no",
    }  # fmt: skip
    assert {name: one["pid"] for name, one in by_name.items() if one["pid"]} == pids
    assert {name: one["handles_stop"] for name, one in by_name.items()} == {
        "good": True, "bad": False, "stopped": None, "passing": True, "with-init": False, "signalled": True,
    }  # fmt: skip
    assert (by_name["stopped"]["stopped_by_owner"], by_name["good"]["stopped_by_owner"]) == (True, False)
    assert (by_name["bad"]["stop_timeout_s"], by_name["good"]["stop_timeout_s"]) == (3, 10)
    assert [name for name, one in by_name.items() if one["published"]] == ["good"]
    assert [name for name, one in by_name.items() if one["auto_remove"]] == ["passing"]
    assert by_name["good"]["networks"] == ["bridge"]
    assert {one["weave"] for one in by_name.values()} == {"none"}


def test_an_upgrade_that_waits_for_the_restart_is_seen(kept_engine: tuple[Kept, EngineMachine]) -> None:
    _, engine = kept_engine
    engine.configure('{"live-restore": true}')
    engine.machine.check("systemctl reload docker")
    engine.install_engine(NEWER)
    engine.machine.check("apt-mark hold docker.io")

    seen = look(engine)

    assert seen["engine"]["version"].startswith(OLDER)
    assert (seen["engine"]["executable_replaced"], seen["engine"]["live_restore"]) == (True, True)
    assert seen["config"]["live_restore"] is True
    assert {one["package"] for one in seen["packages"] if one["on_hold"]} == {"docker.io"}
    assert next(one["version"] for one in seen["packages"] if one["package"] == "docker.io").startswith(NEWER)


def test_looking_does_not_start_a_stopped_engine(kept_engine: tuple[Kept, EngineMachine]) -> None:
    """docker.socket stays active, so that any connect(2) would start the engine."""
    kept, engine = kept_engine
    engine.machine.check("systemctl stop docker.service; systemctl start docker.socket")

    seen = look(engine)
    kept.machine.run("maestro-agent check --no-refresh")

    assert engine.machine.run("systemctl is-active docker.service").stdout.strip() == "inactive"
    assert (seen["unit"]["active_state"], seen["unit"]["socket_active"]) == ("inactive", True)
    assert (seen["flavour"], seen["engine"], seen["containers"]) == ("docker-io", None, None)


def test_an_engine_that_hangs_is_seen_as_one_that_does_not_answer(kept_engine: tuple[Kept, EngineMachine]) -> None:
    _, engine = kept_engine
    pid = engine.engine_pid()
    engine.machine.check(f"kill -STOP {pid}")
    try:
        seen = look(engine)
    finally:
        engine.machine.check(f"kill -CONT {pid}")

    assert seen["unit"]["active_state"] == "active"
    assert seen["engine"]["reason"].endswith("it does not answer")
    assert seen["containers"]["reason"] == seen["engine"]["reason"]


def test_an_unreadable_configuration_is_a_problem_with_its_place(kept_engine: tuple[Kept, EngineMachine]) -> None:
    _, engine = kept_engine
    engine.configure('{"live-restore": true,\n "debug" yes}')

    config = look(engine)["config"]

    assert config["present"]
    assert config["problem"].startswith("line 2, column 10")


def test_installations_beside_and_without_packages_are_seen(kept_engine: tuple[Kept, EngineMachine]) -> None:
    _, engine = kept_engine
    run = engine.machine.check

    run("mkdir -p /snap/bin && ln -s /usr/bin/snap /snap/bin/docker")
    assert sorted(look(engine)["found"]) == ["docker-io", "snap"]

    run("rm -r /snap; cp /usr/sbin/dockerd /usr/local/bin/dockerd")
    assert (look(engine)["flavour"], sorted(look(engine)["found"])) == ("several", ["docker-io", "static"])

    run("systemctl stop docker.service docker.socket; systemctl mask docker.service")
    masked = look(engine)
    assert (masked["unit"]["load_state"], masked["engine"]) == ("masked", None)

    run("systemctl unmask docker.service; apt-get -q -y remove docker.io; rm -f /run/docker.sock")
    run("systemctl daemon-reload")
    run("nohup /usr/local/bin/dockerd --pidfile /run/docker.pid >/var/log/dockerd 2>&1 & sleep 0.1")
    engine.wait(
        "an engine started by hand",
        "python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"/run/docker.sock\")'",
    )
    static = look(engine)
    assert (static["flavour"], static["unit"]) == ("static", None)
    assert static["engine"]["version"].startswith(OLDER)

    run("kill $(cat /run/docker.pid)")
    engine.wait("its end", "! test -e /run/docker.pid")
    run("rm /usr/local/bin/dockerd")
    assert look(engine)["flavour"] == "none"


def test_a_package_that_dpkg_was_killed_in_is_seen_as_incomplete(kept_engine: tuple[Kept, EngineMachine]) -> None:
    _, engine = kept_engine
    status = "s/^Status: .*/Status: install reinstreq half-installed/"
    engine.machine.check(f"sed -i '/^Package: docker.io$/,/^$/{status}' /var/lib/dpkg/status")

    seen = look(engine)

    assert {one["package"] for one in seen["packages"] if not one["complete"]} == {"docker.io"}
    assert (seen["flavour"], seen["engine"]["executable_replaced"]) == ("docker-io", False)
