"""What keeps `docker upgrade` from a change on a real machine: it is refused, and packages, engine and containers stay.

All tests share one machine, which none of them changes.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine_archive import ARCHIVE
from tests.support.engines import NEWER, OLDER, EngineMachine, engine_machine
from tests.support.held import held_until
from tests.support.recorded import Kept, stop_daemon
from tests.support.repository import Signer
from tests.support.scenario import Answer

pytestmark = pytest.mark.xdist_group("engines-1")
STATE = "/var/lib/maestro-agent"
HOOK = "/etc/maestro-agent/hooks/pre-docker.d/10-test"
LOCKED = """/usr/bin/python3 -c '
import fcntl, time
file = open("/var/lib/dpkg/lock-frontend", "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)'"""


class Host:
    """A machine on which the agent may upgrade Docker."""

    def __init__(self, kept: Kept, engine: EngineMachine) -> None:
        self.kept = kept
        self.engine = engine
        self.machine = engine.machine

    def upgrade(self, options: str = "") -> Answer:
        """Run `docker upgrade`."""
        return self.kept.agent(f"docker upgrade --json {options}", timeout=300)

    def seen(self) -> dict[str, object]:
        """Return what an upgrade would change."""
        return {
            "packages": self.machine.check("dpkg-query -W docker.io containerd runc"),
            "pids": self.engine.pids(),
            "engine": self.engine.engine_pid(),
        }


@pytest.fixture(scope="module")
def shared(installed_beside_engine: tuple[Path, ...], signer: Signer) -> Iterator[Host]:
    """Return the machine: Docker 20.10.24 with a container runs, the manifest wants 26.1.5."""
    with engine_machine(layers=installed_beside_engine) as engine:
        stop_daemon(engine.machine)
        engine.run_container("web", policy="always")
        manifest = f"docker:\n  configuration:\n    docker_version: {NEWER}\n"
        engine.machine.write("/etc/maestro-agent/manifest.yml", manifest)
        engine.machine.write("/etc/maestro-agent/config.d/test.toml", '[apt]\nlock_timeout = "2s"\n')
        yield Host(Kept(engine.machine, signer, "bookworm"), engine)


@pytest.fixture
def host(shared: Host) -> Iterator[Host]:
    """Return the machine, and check after the test that nothing on it changed."""
    before = shared.seen()
    shared.machine.check(f"rm -rf {STATE}/docker-packages")  # an attempt that was refused keeps them for the next
    yield shared
    assert shared.seen() == before
    assert not shared.machine.path(f"{STATE}/docker-snapshot.json").exists()


def whys(answer: Answer) -> list[str]:
    return [one["why"] for one in answer.json["blocked"]]


def test_d40_a_dpkg_that_is_locked_to_the_deadline(host: Host) -> None:
    with host.machine.start(LOCKED) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        answer = host.upgrade()
        host.machine.kill("KILL", "fcntl.lockf")

    assert (answer.code, answer.json["result"]) == (5, "blocked")
    assert "lock" in answer.json["message"]


def test_d41_an_archive_that_is_gone(host: Host) -> None:
    host.machine.check(f"mv {ARCHIVE}/trixie /srv/elsewhere")
    try:
        answer = host.upgrade()
    finally:
        host.machine.check(f"mv /srv/elsewhere {ARCHIVE}/trixie")

    assert (answer.code, whys(answer)) == (10, ["download-failed"])


def test_d42_an_archive_with_a_wrong_checksum(host: Host) -> None:
    find = f"find {ARCHIVE}/trixie -name 'docker.io_*.deb'"
    host.machine.check(f"f=$({find}); cp $f /srv/good; printf x >> $f")
    try:
        answer = host.upgrade()
    finally:
        host.machine.check(f"cp /srv/good $({find})")

    assert (answer.code, whys(answer)) == (10, ["download-failed"])


def test_d49_a_daemon_json_that_is_not_valid(host: Host) -> None:
    host.engine.configure('{"live-restore": tru')
    try:
        answer = host.upgrade()
    finally:
        host.machine.check("rm /etc/docker/daemon.json")

    assert (answer.code, whys(answer)) == (10, ["config-invalid"])


def test_d52_a_full_disk(host: Host) -> None:
    host.machine.check(
        f"mkdir /run/small; mount -t tmpfs -o size=50m none /run/small; cp -a {STATE}/. /run/small; "
        f"mount --bind /run/small {STATE}"
    )
    try:
        answer = host.upgrade()
    finally:
        host.machine.check(f"umount {STATE}; umount /run/small; rmdir /run/small")

    assert (answer.code, whys(answer)) == (10, ["no-space"])


def test_d55_two_upgrades_at_once(host: Host) -> None:
    host.machine.write(HOOK, f"#!/bin/sh\ntouch /run/began; {held_until('/run/refused')}; exit 75\n", 0o755)
    try:
        with host.machine.start("maestro-agent docker upgrade --json > /run/first.json") as first:
            host.kept.wait("the first one", "test -e /run/began")
            second = host.upgrade()
            host.machine.write("/run/refused", "")
            first.wait(timeout=60)
    finally:
        host.machine.path(HOOK).unlink()

    assert second.code == 5
    assert '"hook-deferred"' in host.machine.path("/run/first.json").read_text()


def test_d12_a_hold_stays_in_force_and_on_the_package(host: Host) -> None:
    host.machine.check("apt-mark hold docker.io")
    try:
        answer = host.upgrade()
        held = host.machine.check("apt-mark showhold").split()
    finally:
        host.machine.check("apt-mark unhold docker.io")

    assert (answer.code, whys(answer), held) == (10, ["held-by-admin"], ["docker.io"])


def test_a_dry_run_and_another_plan_change_nothing(host: Host) -> None:
    runs = len(host.kept.agent("history --json").json["runs"])

    dry = host.upgrade("--dry-run")
    other = host.upgrade("--plan 0123456789ab")

    assert (dry.code, dry.json["running"], dry.json["candidate"]) == (10, OLDER, NEWER)
    assert other.code == 6
    assert len(host.kept.agent("history --json").json["runs"]) == runs
