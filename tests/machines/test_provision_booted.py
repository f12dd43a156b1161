"""A new server provisions itself: cloud-init is waited for, everything is upgraded, one reboot, one end."""

import json
from typing import Any

import pytest

from tests.support.recorded import RECORD, UNIT, Kept
from tests.support.repository import package

pytestmark = pytest.mark.xdist_group("booted-5")
NEEDS_REBOOT = "touch /run/reboot-required; echo a >/run/reboot-required.pkgs"
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
