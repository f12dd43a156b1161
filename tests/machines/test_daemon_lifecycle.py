"""The package from installation to purge, on a booted machine and on one where systemd does not run."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import bases
from tests.support.held import held_until
from tests.support.machine import Machine, machine
from tests.support.recorded import RECORD, UNIT, WORKER, WORKER_SOCKET, Kept, newer, version_of
from tests.support.repository import Ready, Signer, package
from tests.support.scenario import Scenario

pytestmark = pytest.mark.xdist_group("booted-1")
TRACES = "find / -xdev -name '*maestro*' -not -path '/srv/*' -not -path '/proc/*' -not -path '/var/log/*'"
REFUSING = "#!/bin/sh\nexit 101\n"


def traces(host: Machine) -> list[str]:
    """Return what is left of the agent, apart from what apt remembers of any package."""
    files = host.check(
        f"{TRACES} -not -path '/var/lib/apt/*' -not -path '/var/cache/apt/*'; find /run -name '*maestro*'"
    )
    users = host.check("getent passwd; getent group")
    return [line for line in (files + users).splitlines() if "maestro" in line]


def at_work(host: Kept) -> str:
    """Return the agent's units that are anything but at rest."""
    states = "--state=active,activating,deactivating,failed"
    return host.machine.check(f"systemctl list-units --type=service,socket {states} --no-legend '*maestro*'")


def test_a_removed_agent_does_nothing_and_a_purged_one_leaves_nothing(bare: Kept) -> None:
    before = traces(bare.machine)
    bare.have(package("a", "2"))
    bare.install_agent()
    bare.upgrade("--wait")

    bare.machine.check("apt-get remove -y maestro-agent")
    at_rest = (at_work(bare), bare.machine.processes("maestro-agent"))
    listening = bare.machine.path("/run/maestro-agent-worker.sock").exists()
    kept = bare.runs()
    bare.machine.check("apt-get purge -y maestro-agent")

    assert before == []
    assert at_rest == ("", [])
    assert not listening
    assert [run["result"] for run in kept] == ["updated"]
    assert traces(bare.machine) == []
    assert bare.machine.run("systemctl list-unit-files --no-legend '*maestro*'").stdout == ""


def test_a_purged_agent_can_be_reinstalled(bare: Kept) -> None:
    bare.install_agent()
    first = bare.wait_for_daemon()
    bare.machine.check("apt-get purge -y maestro-agent")

    bare.install_agent()

    assert bare.wait_for_daemon() != first
    assert bare.machine.check(f"systemctl is-enabled {UNIT} {WORKER_SOCKET}").split() == ["enabled", "enabled"]
    assert bare.agent("check --json").code in {0, 10, 3}


def test_a_reinstalled_agent_keeps_its_history(own: Kept) -> None:
    own.have(package("a", "2"))
    own.upgrade("--wait")
    before = own.runs()

    own.machine.check("apt-get remove -y maestro-agent")
    own.machine.check("apt-get install -y maestro-agent")
    own.wait_for_daemon()

    assert own.runs() == before != []
    assert own.machine.check(f"systemctl is-active {UNIT} {WORKER_SOCKET}").split() == ["active", "active"]


def test_an_upgrade_of_the_agent_by_apt_does_not_stop_a_job(own: Kept, deb: Path) -> None:
    own.have(package("a", "2"))
    before = own.wait_for_daemon()
    agent = newer(deb, "apt")
    own.machine.path("/srv/newer.deb").write_bytes(agent.build())
    with contextlib.ExitStack() as stack:
        # What keeps the job waiting at a known place: apt's own daily job, by its lock.
        lock = "/var/lib/apt/daily_lock"
        stack.enter_context(own.machine.start(f"flock {lock} sh -c 'until test -e /go; do sleep 0.1; done'"))
        own.wait("the lock", f"test -e {lock} && ! flock -n {lock} true")
        asking = stack.enter_context(own.machine.start("exec maestro-agent upgrade --wait --json"))
        own.machine.wait_for(WORKER)
        own.wait("the job on record", f"grep -q upgrade {RECORD}/jobs.json")
        job = own.machine.processes(WORKER)

        own.machine.check("apt-get install -y /srv/newer.deb")
        went_on = own.machine.processes(WORKER)
        own.machine.write("/go", "")
        asking.communicate()

    assert went_on == job != []
    assert asking.returncode == 0
    assert own.versions("a", "maestro-agent") == {"a": "2", "maestro-agent": agent.version}
    assert [run["result"] for run in own.runs()] == ["updated"]
    assert own.wait_for_daemon(other_than=before) != before
    own.wait("its status file", f'grep -q \'"version": "{agent.version}"\' /run/maestro-agent/daemon.json')


def test_a_stopped_daemon_exits_at_once_and_its_job_continues(own: Kept) -> None:
    own.have(package("a", "2", postinst=held_until("/go")))
    own.wait_for_daemon()
    past = own.machine.check("date -ud '-1 hour' +%Y-%m-%dT%H:%M:%SZ").strip()
    own.machine.write(f"{RECORD}/jobs.json", FAILED.replace("PAST", past))
    own.machine.check(f"systemctl reload {UNIT}")
    own.machine.wait_for("a.postinst")

    own.machine.check(f"systemctl stop {UNIT}")
    under_way = own.machine.processes("a.postinst")
    ended = own.machine.check(f"systemctl show -P Result {UNIT}; systemctl show -P ExecMainStatus {UNIT}").split()
    own.machine.write("/go", "")
    own.wait_for_idle()

    assert under_way != []
    assert ended == ["success", "0"]
    assert own.versions("a") == {"a": "2"}
    assert [run["result"] for run in own.runs()] == ["updated"]


FAILED = """{"schema": "maestro.jobs/1", "generated_at": "PAST", "jobs": {"upgrade": {
"started_at": "PAST", "finished_at": "PAST", "attempted_at": "PAST", "exit_code": 1, "asked_by": "schedule",
"failures": 1}}}
"""


@pytest.fixture
def at_rest(booted_codename: str) -> Iterator[Machine]:
    """Return a machine as an image build has it: systemd is installed and does not run, no service may be started."""
    with machine(bases.base(booted_codename, bases.BOOTED)) as running:
        running.write("/usr/sbin/policy-rc.d", REFUSING, 0o755)
        yield running


def test_the_package_works_without_a_running_systemd(
    at_rest: Machine, deb: Path, signer: Signer, booted_codename: str
) -> None:
    host = Scenario.without_sources(at_rest, signer, booted_codename)
    host.repository("main", Ready(name=UNIT, version=version_of(deb), architecture="all", deb=deb))
    at_rest.check("apt-get -q update")

    at_rest.check("apt-get install -y maestro-agent")
    enabled = at_rest.check(f"systemctl is-enabled {UNIT} {WORKER_SOCKET}").split()
    agent = newer(deb, "u1")
    host.offer("security", package("a", "2"))
    host.repository("updates", agent)
    done = host.upgrade()
    at_rest.check("apt-get install -y maestro-agent")
    status = host.agent("status")
    started = at_rest.processes("maestro-agent")
    at_rest.check("apt-get remove -y maestro-agent && apt-get purge -y maestro-agent")

    assert enabled == ["enabled", "enabled"]
    assert (done.code, done.json["result"]) == (0, "updated")
    assert status.code in {0, 10}
    assert started == []
    assert traces(at_rest) == []
