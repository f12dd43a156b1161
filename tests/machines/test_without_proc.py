"""A machine whose /proc is not mounted (a chroot), or shows each user only the own processes: no traceback."""

import pytest

from tests.support.repository import package
from tests.support.scenario import Scenario


@pytest.mark.parametrize("change", ["umount --lazy /proc", "mount -o remount,hidepid=2 /proc"])
def test_every_command_works(host: Scenario, change: str) -> None:
    host.install(package("a", "1"))
    host.offer("security", package("a", "2"))
    host.machine.check(change)

    codes = {command: host.agent(command).code for command in ("check", "explain a", "explain reboot", "report --show")}
    user = host.agent("status --json", user="65534")
    done = host.upgrade()

    assert codes == {"check": 10, "explain a": 10, "explain reboot": 0, "report --show": 0}
    assert (user.code, user.json["health"]) == (10, "attention")
    assert (done.code, done.json["result"]) == (0, "updated")
    assert host.versions("a") == {"a": "2"}
    assert host.agent("status").code == 0
