"""Obsolete kernels are removed; the running one and the newest are kept whatever apt protects. Packages of 1 KB."""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.support import peer
from tests.support.held import free_lock, lock_held, wait_for_the_wait
from tests.support.repository import Package, package
from tests.support.scenario import Scenario, answer, names

RUNNING = os.uname().release
"""Whatever runs this test: a package of that name makes it a kernel that came from a package."""
pytestmark = pytest.mark.skipif(
    re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+[a-z0-9.+-]*", RUNNING) is None,
    reason="this machine's kernel has a release that no package name can hold",
)


def debian(release: str, version: str, **image: str) -> list[Package]:
    """Return the packages of one kernel as Debian names them."""
    shared = f"linux-headers-{'-'.join(release.split('-')[:2])}-common"
    return [
        package(f"linux-image-{release}", version, architecture="amd64", **image),
        package(f"linux-headers-{release}", version, architecture="amd64", depends=shared),
        package(shared, version),
    ]


def ubuntu(release: str, version: str, **image: str) -> list[Package]:
    """Return the packages of one kernel as Ubuntu names them."""
    shared = f"linux-headers-{'-'.join(release.split('-')[:2])}"
    return [
        package(f"linux-modules-{release}", version, architecture="amd64"),
        package(f"linux-image-{release}", version, architecture="amd64", depends=f"linux-modules-{release}", **image),
        package(f"linux-modules-extra-{release}", version, architecture="amd64", depends=f"linux-image-{release}"),
        package(shared, version),
        package(f"linux-headers-{release}", version, architecture="amd64", depends=shared),
        package(f"linux-tools-{release}", version, architecture="amd64"),
    ]


def put(host: Scenario, packages: Sequence[Package], *, automatic: bool = True) -> list[str]:
    """Install packages as apt does what something else asked for; return their names."""
    host.install(*packages)
    found = [one.name for one in packages]
    if automatic:
        host.machine.check(f"apt-mark auto {shlex.join(found)}")
    return found


def up_to_date(host: Scenario) -> None:
    """Have fresh lists and nothing on offer."""
    host.repository("security")


def installed(host: Scenario) -> set[str]:
    """Return the kernel packages that are installed."""
    shown = host.machine.check("dpkg-query -W -f '${db:Status-Status} ${Package}\\n' 'linux-*'")
    return {line.split()[1] for line in shown.splitlines() if line.startswith("installed ")}


def gone(done: Any) -> list[str]:
    return sorted(name.removesuffix(":amd64") for name in done.json["removed"])


def why_kept(plan: Any) -> dict[str, str]:
    return {item["package"]: item["reason"] for item in plan["kept"]}


@pytest.mark.every_release
@pytest.mark.parametrize("kind", [debian, ubuntu])
def test_of_five_kernels_the_running_and_the_newest_are_kept(host: Scenario, kind: Any) -> None:
    if kind is ubuntu:
        host.be_ubuntu()
    old = [put(host, kind(f"{number}.1.0-{number}-generic", f"{number}")) for number in (1, 2, 4)]
    stay = put(host, kind(RUNNING, "3")) + put(host, kind("5.1.0-5-generic", "5"))
    stay += put(host, [package("linux-image-generic", "5", depends="linux-image-5.1.0-5-generic")], automatic=False)
    up_to_date(host)

    checked, done, again = host.agent("check --json"), host.upgrade(), host.upgrade()

    expected = sorted(name for names_of_one in old for name in names_of_one)
    assert checked.code == 0
    assert names(checked.json["remove"]) == expected
    assert (done.code, done.json["result"], gone(done)) == (0, "updated", expected)
    assert names(done.json["superseded"]) == expected
    assert installed(host) == set(stay)
    assert (again.json["result"], again.json["removed"]) == ("up-to-date", [])
    assert host.machine.check("dpkg --audit") == ""


def test_the_running_kernel_is_kept_if_it_is_the_oldest(host: Scenario) -> None:
    stay = put(host, debian(RUNNING, "1"))
    put(host, debian("7.1.0-2-amd64", "2"))
    put(host, debian("7.1.0-3-amd64", "3"))
    stay += put(host, debian("7.1.0-4-amd64", "4"))
    up_to_date(host)

    assert host.upgrade().json["result"] == "updated"
    assert installed(host) == set(stay)


@pytest.mark.skipif("-" not in RUNNING, reason="this machine's kernel has no flavour")
def test_status_shows_the_newest_kernel_of_the_running_flavour(host: Scenario) -> None:
    newer = f"9.1.0-{RUNNING.partition('-')[2]}"
    put(host, [package(f"linux-image-{RUNNING}", "9", architecture="amd64")])
    up_to_date(host)
    host.check()
    before = host.agent("status --json").json["kernel"]
    put(host, [package(f"linux-image-{newer}", "10", architecture="amd64")])
    put(host, [package("linux-image-9.2.0-another", "11", architecture="amd64")])

    host.check("--no-refresh")
    after = host.agent("status --json", user="65534").json

    assert before == {"running": RUNNING, "newest": RUNNING, "outdated": False}
    assert after["kernel"] == {"running": RUNNING, "newest": newer, "outdated": True}
    assert after["services"]["deleted_files"] == []


@pytest.mark.skipif("-" not in RUNNING, reason="this machine's kernel has no flavour")
def test_a_newer_kernel_is_a_required_reboot_wherever_it_is_shown(host: Scenario) -> None:
    newer = f"9.1.0-{RUNNING.partition('-')[2]}"
    put(host, [package(f"linux-image-{RUNNING}", "9", architecture="amd64")])
    up_to_date(host)
    host.check()
    calm = host.agent("status --json")
    put(host, [package(f"linux-image-{newer}", "10", architecture="amd64")])

    status = host.agent("status --json", user="65534")
    report = host.agent("report --show").json
    explained = host.agent("explain reboot --json").json
    text = host.agent("status").out
    needed = status.json["reboot"]

    assert (calm.code, calm.json["reboot"]) == (0, {"required": False, "packages": [], "since": None})
    assert (status.code, status.json["health"]) == (10, "attention")
    assert (needed["required"], needed["packages"]) == (True, [f"linux-image-{newer}"])
    assert needed["since"] is not None
    assert explained["conclusion"] == "required"
    assert (report["kernel"]["outdated"], report["health"]) == (True, "attention")
    for document in (report, explained, host.check("--no-refresh"), host.upgrade().json):
        assert document["reboot"] == needed
    assert "No reboot" not in text


def three(host: Scenario, kind: Any = debian, **image: str) -> list[str]:
    """Have a superseded kernel, the running one and the newest; return the names of the superseded one's packages."""
    old = put(host, kind("1.1.0-1-amd64", "1", **image))
    put(host, kind(RUNNING, "2"))
    put(host, kind("9.1.0-9-amd64", "9"))
    return old


def test_a_kernel_on_hold_is_kept_with_its_dependencies(host: Scenario) -> None:
    three(host, ubuntu)
    host.machine.check("apt-mark hold linux-image-1.1.0-1-amd64")
    up_to_date(host)

    done = host.upgrade()

    assert done.json["result"] == "updated"
    assert gone(done) == [
        "linux-headers-1.1.0-1",
        "linux-headers-1.1.0-1-amd64",
        "linux-modules-extra-1.1.0-1-amd64",
        "linux-tools-1.1.0-1-amd64",
    ]
    assert {"linux-image-1.1.0-1-amd64", "linux-modules-1.1.0-1-amd64"} <= installed(host)


def test_a_blocked_kernel_package_is_kept_with_its_dependencies(host: Scenario) -> None:
    old = three(host, ubuntu)
    host.configuration('[security]\nblocklist = ["linux-image-1.1.0-*"]\n')
    up_to_date(host)

    plan, done = host.check(), host.upgrade()

    assert why_kept(plan) == {
        "linux-image-1.1.0-1-amd64": "matches 'linux-image-1.1.0-*' in security.blocklist",
        "linux-modules-1.1.0-1-amd64": "needed by linux-image-1.1.0-1-amd64, which stays",
    }
    assert gone(done) == sorted(set(old) - set(why_kept(plan)))


@pytest.mark.parametrize(
    ("configuration", "reason"),
    [
        ('blocklist = ["linux-*"]', "matches 'linux-*' in security.blocklist"),
        ('allowlist = ["openssl"]', "not in security.allowlist (openssl)"),
    ],
)
def test_packages_outside_the_allowlist_or_in_the_blocklist_are_kept(
    host: Scenario, configuration: str, reason: str
) -> None:
    old = three(host)
    host.configuration(f"[security]\n{configuration}\n")
    up_to_date(host)

    plan, done = host.check(), host.upgrade()

    assert why_kept(plan) == dict.fromkeys(sorted(old), reason)
    assert (done.code, done.json["result"], gone(done)) == (0, "up-to-date", [])


def test_a_manually_installed_kernel_is_kept(host: Scenario) -> None:
    old = three(host)
    host.machine.check(f"apt-mark manual {shlex.join(old)}")
    up_to_date(host)

    plan, done = host.check(), host.upgrade()

    assert plan["remove"] == plan["kept"] == []
    assert done.json["result"] == "up-to-date"
    assert set(old) <= installed(host)


def test_without_kernel_removal_nothing_is_removed_or_reported(host: Scenario) -> None:
    old = three(host)
    host.configuration("[security]\nremove_old_kernels = false\n")
    up_to_date(host)

    plan, done = host.check(), host.upgrade()

    assert plan["remove"] == plan["kept"] == []
    assert done.json["result"] == "up-to-date"
    assert set(old) <= installed(host)


def test_a_run_that_installs_a_kernel_keeps_the_newest_one_so_far(host: Scenario) -> None:
    old = three(host)
    meta = package("linux-image-amd64", "9", depends="linux-image-9.1.0-9-amd64")
    put(host, [meta], automatic=False)
    coming = debian("9.1.0-10-amd64", "10")
    host.repository("security", replace(meta, version="10", fields=(("Depends", coming[0].name),)), *coming)

    done = host.upgrade()

    assert gone(done) == sorted(old)
    assert (names(done.json["upgraded"]), names(done.json["new"])) == (["linux-image-amd64"], [coming[0].name])
    assert {f"linux-image-{RUNNING}", "linux-image-9.1.0-9-amd64", coming[0].name} <= installed(host)
    log = host.machine.check("cat /var/log/dpkg.log")
    assert log.index(f"remove {old[0]}:amd64") < log.index(f"install {coming[0].name}:amd64")
    # what has become superseded by that is the next run's to remove, after which nothing more is
    assert gone(host.upgrade()) == [
        "linux-headers-9.1.0-9-amd64",
        "linux-headers-9.1.0-9-common",
        "linux-image-9.1.0-9-amd64",
    ]
    assert host.upgrade().json["result"] == "up-to-date"


def test_a_failed_removal_is_reported_and_stops_no_update(host: Scenario) -> None:
    old = three(host, ubuntu, prerm="echo no; exit 3")
    host.offer("security", package("a", "2"))

    done = host.upgrade()

    assert (done.code, done.json["result"], names(done.json["upgraded"])) == (1, "failed", ["a"])
    (failed,) = done.json["failed"]
    assert (failed["package"], failed["stage"]) == ("linux-image-1.1.0-1-amd64:amd64", "remove")
    assert "exit status 3" in failed["error"]
    assert set(old) & installed(host) == {"linux-image-1.1.0-1-amd64", "linux-modules-1.1.0-1-amd64"}
    assert host.machine.check("dpkg --audit") == ""


def test_a_failed_removal_is_retried(host: Scenario) -> None:
    old = three(host, ubuntu, prerm="test -e /repaired")
    up_to_date(host)
    host.upgrade()

    again = host.upgrade()
    host.machine.write("/repaired", "")
    repaired = host.upgrade()

    assert again.json["result"] == "failed"
    assert repaired.json["result"] == "updated"
    assert set(old) & installed(host) == set()
    assert host.machine.check("apt-mark showauto 'linux-image-*'").split() == [
        f"linux-image-{RUNNING}",
        "linux-image-9.1.0-9-amd64",
    ]


def test_kernel_packages_that_others_depend_on_are_kept(host: Scenario) -> None:
    three(host)
    put(host, [package("probes", "1", depends="linux-image-1.1.0-1-amd64")])
    up_to_date(host)

    plan, done = host.check(), host.upgrade()

    assert why_kept(plan) == {"linux-image-1.1.0-1-amd64": "needed by probes, which stays"}
    assert gone(done) == ["linux-headers-1.1.0-1-amd64", "linux-headers-1.1.0-1-common"]
    assert host.versions("probes") == {"probes": "1"}


def test_a_dependency_that_every_kernel_provides_keeps_no_old_one(host: Scenario) -> None:
    old = put(host, debian("1.1.0-1-amd64", "1", provides="wireguard-modules"))
    put(host, debian(RUNNING, "2", provides="wireguard-modules"))
    put(host, debian("9.1.0-9-amd64", "9", provides="wireguard-modules"))
    put(host, [package("probes", "1", depends="wireguard-modules")])
    up_to_date(host)

    assert gone(host.upgrade()) == sorted(old)
    assert set(old) & installed(host) == set()


@pytest.mark.every_release
def test_without_protection_by_apt_the_running_and_the_newest_kernel_are_kept(host: Scenario) -> None:
    old = three(host, ubuntu)
    host.machine.write("/etc/apt/apt.conf.d/99protect", 'APT::Protect-Kernels "false";\n')
    up_to_date(host)
    before = installed(host)

    plan, done = host.check(), host.upgrade()

    assert set(why_kept(plan).values()) == {"belongs to the running kernel", "belongs to the newest kernel"}
    assert gone(done) == sorted(old)
    assert installed(host) == before - set(old)


def test_nothing_is_removed_if_no_package_owns_the_running_kernel(host: Scenario) -> None:
    kernels = [name for number in "1234" for name in put(host, debian(f"1.1.0-{number}-amd64", number))]
    up_to_date(host)

    plan, done = host.check(), host.upgrade()

    (reason,) = set(why_kept(plan).values())
    assert reason.startswith(f"the running kernel {RUNNING} belongs to no installed package")
    assert (done.code, done.json["result"]) == (0, "up-to-date")
    assert set(kernels) <= installed(host)


def test_nothing_is_removed_if_apt_knows_no_kernel_patterns(host: Scenario) -> None:
    old = three(host)
    host.machine.write("/etc/apt/apt.conf.d/99none", "#clear APT::VersionedKernelPackages;\n")
    up_to_date(host)

    assert host.check()["remove"] == []
    assert set(old) <= installed(host)


def test_only_kernels_are_removed_and_their_configuration_is_kept(host: Scenario) -> None:
    old = three(host)
    conffile = "/etc/kernel-1.1.0-1.conf"
    image = package(old[0], "1", architecture="amd64")
    put(host, [replace(image, files=((conffile, "x"),), conffiles=(conffile,)), package("libunneeded1", "1")])
    up_to_date(host)

    done = host.upgrade()

    assert gone(done) == sorted(old)
    assert host.versions("libunneeded1") == {"libunneeded1": "1"}
    assert host.machine.path(conffile).read_text() == "x"


def test_only_the_requested_plan_removes(host: Scenario) -> None:
    old = three(host)
    up_to_date(host)

    plan, other = host.check(), host.upgrade("--plan 000000000000")

    assert (other.code, set(old) <= installed(host)) == (6, True)
    assert gone(host.upgrade(f"--plan {plan['id']}")) == sorted(old)


def test_a_dry_run_lists_the_removals(host: Scenario) -> None:
    old = three(host)
    up_to_date(host)
    host.check()

    said = host.agent("upgrade --dry-run").out

    assert "3 obsolete kernel packages to remove:\n  linux-headers-1.1.0-1-amd64 1\n" in said
    assert set(old) <= installed(host)
    assert re.search("To remove +3 obsolete kernel packages", host.agent("status").out)


@pytest.mark.every_release
@pytest.mark.parametrize("script", ["prerm", "postrm"])
def test_an_interrupted_removal_is_finished_by_the_next_run(host: Scenario, script: str) -> None:
    old = three(host, ubuntu, **{script: "test -e /again || { touch /again; sleep 60; }"})
    up_to_date(host)

    running = host.machine.start("maestro-agent upgrade --json")
    host.machine.wait_for(f".{script}")
    for words in ("maestro-agent", "dpkg", f".{script}"):
        for pid in host.machine.processes(words):
            host.machine.run(f"kill -KILL {pid}")
    running.communicate()
    cut = host.machine.check("dpkg-query -W -f '${db:Status-Abbrev}' linux-image-1.1.0-1-amd64")
    done = host.upgrade()

    assert cut.strip() in {"rF", "rH"}
    assert done.json["result"] == "updated"
    assert set(old) & installed(host) == set()
    assert host.machine.check("dpkg --audit") == ""


@pytest.mark.every_release
@pytest.mark.parametrize("kind", [debian, ubuntu])
def test_the_same_kernels_are_removed_as_by_the_peer(host: Scenario, kind: Any) -> None:
    for number in (1, 2, 4):
        put(host, kind(f"{number}.1.0-{number}-generic", f"{number}"))
    put(host, kind(RUNNING, "3"))
    put(host, kind("5.1.0-5-generic", "5"))
    put(host, [package("libunneeded1", "1")])
    host.machine.check("apt-mark hold linux-image-2.1.0-2-generic")
    up_to_date(host)

    ours = names(host.check()["remove"])
    peers = peer.dry_run(host.machine, "Removing unused kernel packages:")

    assert ours == sorted(peers)


def test_a_kernel_that_is_marked_manual_meanwhile_is_kept(host: Scenario) -> None:
    old = three(host)
    up_to_date(host)
    held = lock_held(host.machine, "/var/lib/dpkg/lock-frontend")
    with held, host.machine.start("exec maestro-agent upgrade --json") as running:
        wait_for_the_wait(host.machine, "python3")
        record = host.machine.path("/var/lib/maestro-agent/state.json")
        planned = json.loads(record.read_text())["plan"]["remove"]
        host.machine.check(f"apt-mark manual {shlex.join(old)}")
        free_lock(host.machine)
        out, _ = running.communicate(timeout=90)

    done = answer(subprocess.CompletedProcess([], running.returncode, out, ""))
    assert (done.code, done.json["result"], gone(done)) == (0, "up-to-date", [])
    assert names(planned) == sorted(old)
    assert set(old) <= installed(host)


def test_a_package_without_a_source_keeps_no_kernel(host: Scenario) -> None:
    old = three(host)
    up_to_date(host)
    put(host, [package("broken", "1")], automatic=False)
    status = host.machine.path("/var/lib/dpkg/status")
    ok, bad = (
        "Package: broken\nStatus: install ok installed",
        "Package: broken\nStatus: install reinstreq half-installed",
    )
    status.write_text(status.read_text().replace(ok, bad))

    done = host.upgrade()

    assert [one["package"] for one in done.json["failed"]] == ["broken:amd64"]
    assert gone(done) == sorted(old)


def test_a_removed_kernel_leaves_no_mark(host: Scenario) -> None:
    old = three(host)
    host.offer("security", package("a", "2"))

    host.upgrade()

    assert not host.machine.path("/var/lib/apt/extended_states.maestro-agent").exists()
    assert old[0] not in host.machine.path("/var/lib/apt/extended_states").read_text()
