"""A new server provisions itself: cloud-init is waited for, everything is upgraded, one reboot, one end."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import bases
from tests.support.booted import booted
from tests.support.recorded import RECORD, UNIT, WORKER, Kept, installed_layer, put_off
from tests.support.repository import Signer, package

pytestmark = pytest.mark.xdist_group("booted-7")
NEEDS_REBOOT = "touch /run/reboot-required; echo a >/run/reboot-required.pkgs"
USER_DATA = """\
#cloud-config
apt: {preserve_sources_list: true}
write_files:
  - path: /etc/maestro-agent/config.d/50-provision.toml
    content: |
      [provision]
      first_boot = true
package_update: true
package_upgrade: true
"""
FIRST_BOOT = "[provision]\nfirst_boot = true\n"


def provision_record(host: Kept) -> Any:
    file = host.machine.path(f"{RECORD}/provision.json")
    return json.loads(file.read_text()) if file.exists() else None


@pytest.mark.every_release
def test_a_new_server_is_provisioned_by_itself_with_one_reboot_inside(own: Kept) -> None:
    own.wait_for_daemon()
    own.have(package("a", "2", postinst=NEEDS_REBOOT))
    own.install(package("old", "1"), package("user", "1", depends="old"))
    main = own.repository(
        "updates",
        package("user", "2", depends="new"),
        package("new", "2", conflicts="old", replaces="old", provides="old"),
    )
    own.machine.write("/run/cloud-init/status.json", "{}")
    own.machine.write("/etc/maestro-agent/config.d/50-provision.toml", FIRST_BOOT)
    before = own.machine.leader

    own.machine.check(f"systemctl restart {UNIT}")
    own.wait_for_daemon()
    own.wait("cloud-init is waited for", "grep -q cloud-init /run/maestro-agent/daemon.json")
    waited = provision_record(own)
    own.machine.write("/run/cloud-init/result.json", "{}")
    own.tick()
    own.machine.follow_reboot(before)
    own.wait("provisioning is done", f'grep -q \'"phase": "done"\' {RECORD}/provision.json')
    own.wait_for_idle()
    leader = own.machine.leader
    main.directory = own.machine.path("/srv/updates")  # the boot has made another root of it
    main.add(package("user", "3", depends="new"))
    own.agent("check --wait")
    own.tick()
    own.wait_for_idle()
    last, runs = provision_record(own), own.runs()

    print(json.dumps(last), json.dumps(runs))
    mine = [run for run in runs if run.get("scope") == "provision"]
    assert waited is None
    assert (last["rebooted"], last["result"], last["runs"]) == (True, "up-to-date", [run["id"] for run in mine])
    assert [(run["result"], run["provision"]["phase"]) for run in mine] == [
        ("updated", "rebooting"),
        ("up-to-date", "done"),
    ]
    assert mine[0]["removed"] == ["old:amd64"]
    assert mine[1]["provision"]["done_at"] is not None
    assert [run["result"] for run in runs if run["schema"] == "maestro.reboot-outcome/1"] == ["rebooted"]
    assert own.versions("a", "user", "new", "old") == {"a": "2", "user": "2", "new": "2", "old": None}
    assert own.machine.leader == leader
    assert own.agent("provision").code == 0
    assert "Traceback" not in own.machine.journal(UNIT)


def wait_until_done(host: Kept) -> None:
    host.wait("provisioning is done", f'grep -q \'"phase": "done"\' {RECORD}/provision.json')
    host.wait_for_idle()


def test_a_job_killed_at_its_work_is_continued_by_the_daemon(own: Kept) -> None:
    own.wait_for_daemon()
    own.have(package("a", "2", postinst="test -e /srv/again || sleep 300"), package("b", "2"))
    own.machine.check("setsid maestro-agent provision --no-reboot >/srv/out 2>&1 </dev/null &")
    own.wait("dpkg at work", "pgrep -f 'a[.]postinst configure'")
    killed = provision_record(own)
    own.machine.check(
        f"touch /srv/again; pkill -KILL -f '[l]{WORKER[1:]}'; pkill -KILL -f 'a[.]postinst'; pkill -KILL dpkg; true"
    )

    own.wait_for_idle()
    own.tick()
    wait_until_done(own)
    last = provision_record(own)

    print(json.dumps(last), json.dumps(own.runs()))
    assert killed["phase"] == "upgrading"
    assert (last["reboot"], last["rebooted"], len(last["runs"]), last["requested_by"]) == (False, False, 2, "root")
    assert own.versions("a", "b") == {"a": "2", "b": "2"}


@pytest.mark.skipif(not bases.thorough(), reason="in the full run")
def test_what_cloud_init_upgrades_is_waited_for_and_told_apart(
    booted_codename: str, deb: Path, signer: Signer, tmp_path: Path
) -> None:
    on = bases.base(booted_codename, (*bases.BOOTED, "cloud-init"))
    first = tmp_path / "first"
    with installed_layer(booted_codename, deb, signer, tmp_path, on=(on,)) as layers:
        with booted(*layers, keep=first) as image:
            made = Kept.without_sources(image, signer, booted_codename)
            assert isinstance(made, Kept)
            made.have(package("a", "2", postinst=NEEDS_REBOOT))
            made.install(package("old", "1"))
            made.repository("updates", package("new", "1", conflicts="old", provides="old", replaces="old"))
            put_off(image)
            image.write("/var/lib/cloud/seed/nocloud/meta-data", "instance-id: i-1\n")
            image.write("/var/lib/cloud/seed/nocloud/user-data", USER_DATA)
            image.write("/etc/cloud/cloud.cfg.d/99-seed.cfg", "datasource_list: [NoCloud]\n")
            image.check(
                f"systemctl stop {UNIT}; cloud-init clean --logs; rm -rf {RECORD}/*; rm -f /run/reboot-required*"
            )
            image.power_off()
        with booted(first, *layers) as running:
            host = Kept(running, signer, booted_codename)
            running.follow_reboot(running.leader)
            wait_until_done(host)
            last, runs = provision_record(host), host.runs()
            print(json.dumps(last), json.dumps(runs))
            print(running.run("cloud-init status --long; cat /var/log/apt/history.log").stdout)

            assert [(one["by"], one["upgraded"]) for one in last["before"]] == [("cloud-init", 1)]
            assert (last["result"], last["rebooted"]) == ("up-to-date", True)
            assert [run["result"] for run in runs if run.get("scope") == "provision"] == ["up-to-date", "up-to-date"]
            assert host.versions("a") == {"a": "2"}


CHROOT = """
set -e
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/image
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/image
mount -t proc proc /mnt/image/proc
: >/mnt/image/etc/machine-id
printf '#!/bin/sh\\nexit 101\\n' >/mnt/image/usr/sbin/policy-rc.d
chmod 755 /mnt/image/usr/sbin/policy-rc.d
chroot /mnt/image maestro-agent provision --json
"""


def test_an_image_that_is_built_in_a_chroot_of_a_server_is_provisioned_and_the_server_is_not(own: Kept) -> None:
    own.wait_for_daemon()
    own.have(package("a", "2", postinst=NEEDS_REBOOT))
    leader = own.machine.leader

    done = own.machine.run(CHROOT)
    answer = json.loads(done.stdout)
    changed = own.machine.check(f"cd /mnt/upper; find .{RECORD} etc/machine-id -type f 2>/dev/null || true").split()

    print(done.stderr, changed)
    assert (done.returncode, answer["result"], answer["provision"]["phase"]) == (0, "updated", "done")
    assert own.machine.check("chroot /mnt/image dpkg-query -W -f '${Version}' a") == "2"
    assert own.versions("a") == {"a": "1"}
    assert changed == ["etc/machine-id"]
    assert provision_record(own) is None
    assert own.machine.leader == leader
