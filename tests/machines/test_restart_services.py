"""`restart-services` after a real upgrade of libraries: the same services as needrestart names, and none is left."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.core.restart.never import never_restarted
from tests.support import bases
from tests.support.booted import booted
from tests.support.machine import machine
from tests.support.recorded import RECORD, WORKER, Kept, installed_layer
from tests.support.repository import Signer

pytestmark = [pytest.mark.archive, pytest.mark.xdist_group("booted-restarts")]

SERVER = (*bases.BOOTED, "cron", "libpam-systemd", "needrestart", "nginx-light", "openssh-server", "rsyslog")
LIVES = "grep -qx sleep /proc/$(systemctl show -P MainPID dies)/comm"
LIBRARIES = "libc6 libcap2 libsystemd0 libpam0g $(dpkg-query -W -f '${Package} ' 'libssl3*')"


@pytest.fixture(scope="module", params=bases.codenames())
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def archives(release: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the archives of all pending security updates, and of libraries that every service maps."""
    directory = tmp_path_factory.mktemp(f"archives-{release}")
    with machine(bases.base(release, SERVER)) as throwaway:
        shutil.copy("/etc/resolv.conf", throwaway.path("/etc/resolv.conf"))
        line = f"deb {bases.security_mirror()} {release}-security main\n"
        throwaway.write("/etc/apt/sources.list.d/security.list", line)
        # Debian testing's Release files are valid for a week only: no reason not to test with what the archive has
        throwaway.write("/etc/apt/apt.conf.d/90valid", 'Acquire::Check-Valid-Until "false";\n')
        throwaway.check("apt-get -q update", timeout=300)
        throwaway.check("apt-get -qy --download-only upgrade", timeout=600)
        throwaway.check(f"apt-get -qy --download-only --reinstall install {LIBRARIES}", timeout=300)
        for archive in throwaway.path("/var/cache/apt/archives").glob("*.deb"):
            shutil.copy(archive, directory)
    return directory


@pytest.fixture(scope="module")
def server(
    release: str, archives: Path, deb: Path, signer: Signer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kept]:
    """Return a server with a user's manager, a transient unit and a service that dies, all libraries replaced."""
    layers = (bases.base(release, SERVER),)
    with installed_layer(release, deb, signer, tmp_path_factory.mktemp("restart"), on=layers) as installed:  # noqa: SIM117
        with booted(*installed) as running:
            host = Kept(running, signer, release)
            running.path("/srv/archives").mkdir(parents=True)
            for archive in archives.iterdir():
                shutil.copy(archive, running.path("/srv/archives"))
            running.write(
                "/etc/systemd/system/dies.service",
                "[Service]\nExecStart=sh -c 'test ! -e /run/broken && exec sleep infinity; exit 3'\n",
            )
            running.check("useradd -m -u 1000 bob && systemctl start user@1000.service")
            running.check("systemctl daemon-reload && systemctl start dies.service")
            host.wait("it lives", LIVES)
            running.check("touch /run/broken")
            running.check("systemd-run -q --unit=passing sleep infinity")
            host.wait_for_daemon()
            running.check("NEEDRESTART_SUSPEND=1 apt-get -qy --reinstall install /srv/archives/*.deb", timeout=300)
            host.check("--wait")
            outdated = "grep -q '(deleted)' /proc/$(systemctl show -P MainPID maestro-agent)/maps"
            host.wait("the daemon's own restart", f"! {outdated}", 120)
            yield host


def restart(host: Kept, options: str = "") -> tuple[int, Any]:
    """Have the worker run the job; return exit code and document."""
    done = host.agent(f"restart-services --json --wait {options}", timeout=300)
    return done.code, done.json


def brief(document: Any) -> dict[str, str]:
    return {unit["unit"]: unit["why"] or unit["result"] for unit in document["units"]}


def named_by_needrestart(host: Kept) -> set[str]:
    """Return the units that `needrestart -b` names; a user's manager is a session for 3.6 and a service for 3.11."""
    found = set()
    for line in host.machine.check("needrestart -b 2>/dev/null").splitlines():
        key, _, value = line.partition(": ")
        if key == "NEEDRESTART-SVC":
            found.add("init.scope" if value == "systemd-manager" else value)
        elif key == "NEEDRESTART-SESS" and value.endswith("user manager service"):
            uid = host.machine.check(f"id -u {value.split()[0]}").strip()
            found.add(f"user@{uid}.service")
    return found


def test_the_services_are_those_that_needrestart_names(server: Kept) -> None:
    code, plan = restart(server, "--dry-run")

    assert set(brief(plan)) == named_by_needrestart(server)
    assert (
        brief(plan).items()
        >= {
            "cron.service": "planned",
            "ssh.service": "planned",
            "dies.service": "planned",
            "dbus.service": "needs-reboot",
            "systemd-logind.service": "needs-reboot",
            "passing.service": "ends-by-itself",
            "user@1000.service": "session",
        }.items()
    )
    assert code == 10


def test_afterwards_none_is_left_but_those_that_are_never_restarted(server: Kept) -> None:
    pids = "systemctl show -P MainPID dbus.service systemd-logind.service maestro-agent.service"
    before = server.machine.check(pids)
    failed = set(server.machine.check("systemctl list-units --failed --plain --no-legend | cut -d' ' -f1").split())

    code, done = restart(server)

    left = {unit for unit, result in brief(done).items() if result not in {"restarted", "failed"}}
    assert brief(done)["dies.service"] == "failed"
    assert {unit for unit, result in brief(done).items() if result == "failed"} == {"dies.service"}
    assert (code, done["result"]) == (1, "degraded")
    assert set(done["remaining"]) == left == named_by_needrestart(server)
    assert all(never_restarted(unit) or unit == "passing.service" for unit in left)
    assert server.machine.check(pids) == before
    now = set(server.machine.check("systemctl list-units --failed --plain --no-legend | cut -d' ' -f1").split())
    assert now - failed == {"dies.service"}


def test_the_run_is_in_history_status_and_journal(server: Kept) -> None:
    _, again = restart(server)
    last = server.agent("history last --json").json
    status = server.status()

    assert (again["result"], last["schema"], last["id"]) == ("unchanged", "maestro.restart-outcome/1", again["id"])
    assert status["services"]["deleted_files"] == again["remaining"]
    assert server.machine.log_entries("MAESTRO_EVENT=services.failed", "MAESTRO_JOB=restart-services")


def test_status_gives_what_helps_each_unit_and_names_the_service_that_did_not_survive(server: Kept) -> None:
    _, plan = restart(server, "--dry-run")
    dead = server.status()
    server.machine.check("rm -f /run/broken; systemctl reset-failed dies; systemctl start dies")
    server.wait("it lives", LIVES)
    server.check("--wait")
    well = server.status()

    services = dead["services"]
    assert {one["unit"]: one["why"] for one in services["restarts"]} == {
        one["unit"]: one["why"] for one in plan["units"]
    }
    assert {one["unit"]: one["remedy"] for one in services["restarts"]}["passing.service"] == "restart what started it"
    assert services["failed_restarts"] == [{"unit": "dies.service", "active_state": "failed"}]
    assert [reason for reason in dead["reasons"] if "systemctl status dies" in reason]
    assert well["services"]["failed_restarts"] == []


def test_a_kill_leaves_the_restart_to_systemd_and_the_next_job_ends_the_record(server: Kept) -> None:
    server.machine.write("/etc/systemd/system/cron.service.d/slow.conf", "[Service]\nExecStartPre=sleep 15\n")
    server.machine.check("systemctl daemon-reload")
    server.machine.check("cp -a /usr/sbin/cron /usr/sbin/cron.new && mv /usr/sbin/cron.new /usr/sbin/cron")
    command = server.machine.start("maestro-agent restart-services --json --wait")
    server.wait("the restart", f"grep -q '\"restarting\"' {RECORD}/history/*.json", 60)

    server.machine.kill("KILL", WORKER)
    command.communicate(timeout=60)
    left = server.agent("history last --json").json
    server.check("--wait")
    ended = server.agent("history last --json").json

    assert brief(left)["cron.service"] == "restarting"
    assert (left["result"], left["finished_at"]) == ("interrupted", None)
    assert (ended["id"], ended["result"], ended["finished_at"] is None) == (left["id"], "interrupted", False)
    assert command.returncode == 1
    server.wait("cron", "systemctl is-active -q cron", 60)


def test_nothing_of_the_agent_rebooted_the_machine(server: Kept) -> None:
    assert server.machine.check("journalctl -q -t systemd-logind --grep 'System is rebooting' || true") == ""


def test_the_own_list_covers_that_of_needrestart(server: Kept) -> None:
    """Each line of needrestart.conf, as an example of a unit's name that it matches."""
    text = server.machine.path("/etc/needrestart/needrestart.conf").read_text()
    section = text[text.index("$nrconf{override_rc} = {") : text.index("};", text.index("$nrconf{override_rc} = {"))]
    patterns = [line.split("=>")[0].strip() for line in section.splitlines() if line.strip().startswith("qr(")]

    examples = [example for pattern in patterns for example in _examples(pattern.removeprefix("qr(").removesuffix(")"))]

    assert len(patterns) > 35
    assert [example for example in examples if never_restarted(example) is None] == []


def _examples(pattern: str) -> list[str]:
    """Return names that one of needrestart's patterns matches: its alternatives, with a number for what varies."""
    found = re.match(r"\^\(([^)]*)\)(.*)", pattern)
    starts = [f"{word}{found[2]}" for word in found[1].split("|")] if found else [pattern.removeprefix("^")]
    plain = [re.sub(r"\\d\+|\.\+|\.\*", "1", start).replace("\\", "").rstrip("$") for start in starts]
    return [name if name.endswith(".service") else f"{name}.service" for name in plain]
