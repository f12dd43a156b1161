"""`provision` on throwaway roots with real apt and dpkg: what is installed, what is removed for it, what is held."""

import json

import pytest

from tests.support.repository import Package, package
from tests.support.scenario import Answer, Scenario, names, reasons

RECORD = "/srv/record"
SUCCESSOR = package("new", "2", conflicts="old", replaces="old", provides="old")


def provision(host: Scenario, options: str = "") -> Answer:
    return host.agent(f"--state-dir {RECORD} provision --no-reboot --json {options}")


@pytest.mark.every_release
def test_everything_is_brought_to_its_latest_and_what_is_replaced_is_removed(host: Scenario) -> None:
    host.install(
        package("a", "1"),
        package("old", "1"),
        package("user", "1", depends="old"),
        package("lib1", "1"),
        package("tool", "1", depends="lib1"),
        package("doc", "1"),
    )
    host.repository("security", package("a", "2"))
    host.repository(
        "main",
        package("user", "2", depends="new"),
        SUCCESSOR,
        package("lib1t64", "1", provides="lib1", replaces="lib1", breaks="lib1"),
        package("tool", "2", depends="lib1t64, more"),
        package("more", "1", depends="manual"),
        package("manual", "1", breaks="doc", replaces="doc"),
    )

    done = provision(host)

    print(done)
    assert (done.code, done.json["result"], done.json["scope"]) == (0, "updated", "provision")
    assert sorted(done.json["removed"]) == ["doc:amd64", "lib1:amd64", "old:amd64"]
    assert {one["package"]: one["replaces"] for one in done.json["new"] if "replaces" in one} == {
        "lib1t64": ["lib1:amd64"],
        "manual": ["doc:amd64"],
        "new": ["old:amd64"],
    }
    assert host.versions("a", "user", "new", "tool", "lib1t64", "more", "old", "lib1") == {
        "a": "2",
        "user": "2",
        "new": "2",
        "tool": "2",
        "lib1t64": "1",
        "more": "1",
        "old": None,
        "lib1": None,
    }
    assert done.json["provision"]["phase"] == "done"


@pytest.mark.parametrize(
    ("candidate", "other"),
    [
        (package("a", "2", conflicts="b"), package("b", "1")),
        (package("a", "2", breaks="b"), package("b", "1")),
        (package("a", "2", breaks="b (<< 2)", replaces="b (<< 2)"), package("b", "1")),
        (package("a", "2", conflicts="b", replaces="b"), package("b", "1", essential="yes")),
        (package("a", "2", depends="new"), package("old", "1")),
    ],
    ids=[
        *("conflict-without-replacement", "break-without-replacement", "files-moved"),
        *("essential", "dependant-of-the-replaced"),
    ],
)
def test_an_update_that_removes_what_nothing_replaces_is_held(
    host: Scenario, candidate: Package, other: Package
) -> None:
    host.install(package("a", "1"), other, package("z", "1"))
    if other.name == "old":
        host.install(package("kept", "1", depends="old (= 1)"))
    host.repository("main", candidate, package("new", "2", conflicts="old", replaces="old"), package("z", "2"))

    done = provision(host)

    assert (done.code, done.json["result"]) == (10, "degraded")
    assert reasons(done.json)["a"] == "would-remove"
    assert done.json["removed"] == []
    assert host.versions("a", other.name, "z") == {"a": "1", other.name: "1", "z": "2"}


@pytest.mark.parametrize("how", ["hold", "blocklist"])
def test_what_may_not_be_touched_is_not_replaced(host: Scenario, how: str) -> None:
    host.install(package("old", "1"), package("user", "1", depends="old"))
    host.repository("main", package("user", "2", depends="new"), SUCCESSOR)
    if how == "hold":
        host.machine.check("apt-mark hold old")
    else:
        host.configuration('[security]\nblocklist = ["old"]\n')

    done = provision(host)

    assert (done.code, reasons(done.json)["user"]) == (10, "would-remove")
    assert host.versions("old", "new") == {"old": "1", "new": None}


def test_a_successor_of_a_package_installed_by_hand_counts_as_installed_by_hand(host: Scenario) -> None:
    host.install(package("old", "1"), package("user", "1", depends="old"))
    host.repository("security")
    host.repository("main", package("user", "2", depends="new, more"), SUCCESSOR, package("more", "1"))

    assert provision(host).code == 0
    assert host.machine.check("apt-mark showauto").split() == ["more"]


def test_a_server_is_provisioned_once_unless_that_is_asked_for_again(host: Scenario) -> None:
    host.install(package("a", "1"), package("b", "1"))
    host.repository("security")
    main = host.repository("main", package("a", "2"))

    first = provision(host)
    main.add(package("b", "2"))
    second = provision(host)
    between = host.versions("b")
    third = provision(host, "--force")

    assert (first.code, names(first.json["upgraded"])) == (0, ["a"])
    assert (second.code, second.json["schema"], between) == (0, "maestro.error/1", {"b": "1"})
    assert (third.code, names(third.json["upgraded"])) == (0, ["b"])


def test_in_an_image_nothing_is_recorded_that_its_servers_would_have(host: Scenario) -> None:
    host.install(package("a", "1"))
    host.repository("security", package("a", "2"))
    host.machine.check(": >/etc/machine-id; touch /run/reboot-required")
    host.machine.write("/etc/maestro-agent/notify.d/mail", "#!/bin/sh\ntouch /tmp/notified\n", 0o755)
    before = host.machine.run("find /var/lib/maestro-agent /etc/machine-id -type f -exec md5sum {} +").stdout

    done = host.agent("provision --json")
    shown = host.agent("history --json")

    assert (done.code, names(done.json["upgraded"]), done.json["provision"]["phase"]) == (0, ["a"], "done")
    assert "nothing is recorded" in done.err
    assert host.versions("a") == {"a": "2"}
    assert host.machine.run("find /var/lib/maestro-agent /etc/machine-id -type f -exec md5sum {} +").stdout == before
    assert json.loads(shown.out)["runs"] == []
    assert host.machine.run("find /tmp -name 'maestro-agent-*' -o -name notified").stdout == ""


def test_a_failure_in_an_image_names_no_file_that_is_gone(host: Scenario) -> None:
    host.install(package("a", "1"))
    host.repository("security", package("a", "2", postinst="exit 1"))

    failed = host.agent("provision --json")

    assert (failed.code, names(failed.json["failed"]), "log" in failed.json) == (1, ["a:amd64"], False)
    assert "maestro-agent-" not in host.agent("provision").out


def test_an_image_is_not_restarted_wherever_its_record_is(host: Scenario) -> None:
    host.install(package("a", "1"))
    host.repository("security", package("a", "2", postinst="touch /run/reboot-required"))

    done = host.agent(f"--state-dir {RECORD} provision --json")

    assert (done.code, done.json["reboot"]["required"], done.json["provision"]["phase"]) == (0, True, "done")
    assert "reboot_outcome" not in done.json
