"""dpkg runs as apt would run it, hooks, options and history included, whatever the run is for."""

import re
from dataclasses import dataclass

import pytest

from tests.support.repository import Package, package
from tests.support.scenario import Scenario, names

REMOUNT = """DPkg::Pre-Invoke {"mount -o remount,rw /usr/share/site"; };
DPkg::Post-Invoke {"mount -o remount,ro /usr/share/site"; };
"""
READ_ONLY = "mkdir -p /usr/share/site; mount -t tmpfs site /usr/share/site; mount -o remount,ro /usr/share/site"
POSTINST = "touch /usr/share/site/$DPKG_MAINTSCRIPT_PACKAGE"
KILLED = "test -e /second || { touch /second; kill -9 $PPID; sleep 1; }; "


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """What an administrator, or an interrupted dpkg, left unfinished."""

    package: Package
    make: str


def left(name: str = "a", postinst: str = POSTINST, **control: str) -> Package:
    return package(name, "1", postinst=postinst, **control)


LEFTOVERS = {
    "unpacked": Leftover(package=left(), make="dpkg --unpack /srv/left.deb"),
    "half-configured": Leftover(package=left(), make="dpkg -i /srv/left.deb"),
    "triggers": Leftover(
        package=Package(
            name="a", version="1", scripts=(("postinst", POSTINST),), triggers=("interest-noawait site-trigger",)
        ),
        make="mount -o remount,rw /usr/share/site; dpkg -i /srv/left.deb; rm /usr/share/site/*; "
        "mount -o remount,ro /usr/share/site; dpkg --no-triggers -i /srv/activating.deb",
    ),
    "journal": Leftover(package=left(postinst=KILLED + POSTINST), make="dpkg -i /srv/left.deb"),
    "one-vetoed": Leftover(package=left(), make="dpkg --unpack /srv/left.deb; dpkg --unpack /srv/docker.deb"),
    "unmet-beside": Leftover(package=left(), make="dpkg --unpack /srv/left.deb; dpkg --unpack /srv/unmet.deb"),
}


@pytest.mark.every_release
@pytest.mark.parametrize("leftover", LEFTOVERS.values(), ids=list(LEFTOVERS))
def test_a_repair_runs_apts_hooks(host: Scenario, leftover: Leftover) -> None:
    """/usr is often read-only, and remounted by a hook around each run of dpkg."""
    host.repository("security")
    host.machine.check(READ_ONLY)
    for name, one in (
        ("left", leftover.package),
        ("docker", package("docker.io", "1", postinst="touch /restarted")),
        ("unmet", package("unmet", "1", depends="nowhere")),
        ("activating", Package(name="z", version="1", triggers=("activate-noawait site-trigger",))),
    ):
        host.machine.path(f"/srv/{name}.deb").write_bytes(one.build())
    host.machine.run(leftover.make)
    host.machine.write("/etc/apt/apt.conf.d/99site", REMOUNT)
    assert host.check()["repair"] != []

    done = host.upgrade()

    assert done.json["repaired"] != [], done
    assert host.versions("a") == {"a": "1"}
    assert host.machine.path("/usr/share/site/a").exists()
    assert "ro," in host.machine.check("grep /usr/share/site /proc/mounts")
    assert not host.machine.path("/restarted").exists()


HOOKS = """DPkg::Pre-Invoke {"echo pre >>/hooks"; };
DPkg::Post-Invoke {"echo post >>/hooks"; };
DPkg::Pre-Install-Pkgs {"echo packages >>/hooks"; };
DPkg::Options {"--debug=1"; };
"""


def test_a_repair_uses_dpkgs_options_and_a_hook_before_the_packages(host: Scenario) -> None:
    host.repository("security")
    host.machine.path("/srv/a.deb").write_bytes(package("a", "1", postinst="umask >/umask").build())
    host.machine.check("dpkg --unpack /srv/a.deb")
    host.machine.write("/etc/apt/apt.conf.d/99site", HOOKS)

    done = answer_with_umask(host)

    assert (done, host.machine.path("/hooks").read_text()) == (0, "pre\npackages\npost\n")
    assert host.machine.path("/umask").read_text() == "0022\n"
    log = host.agent("history last --json").json["log"]
    assert "D000001:" in host.machine.path(log).read_text()


def answer_with_umask(host: Scenario) -> int:
    return host.machine.run("umask 077; maestro-agent upgrade --json").returncode


def test_a_repair_works_while_the_package_lists_are_damaged(host: Scenario) -> None:
    host.offer("security", package("z", "1"))
    host.check()
    host.machine.path("/srv/a.deb").write_bytes(package("a", "1").build())
    host.machine.check("dpkg --unpack /srv/a.deb")
    hook = (
        'DPkg::Pre-Invoke {"for f in /var/lib/apt/lists/*_Packages; do echo broken >$f; done; echo pre >>/hooks"; };\n'
    )
    host.machine.write("/etc/apt/apt.conf.d/99site", hook)

    assert names(host.upgrade().json["repaired"]) == ["a"]


@pytest.mark.every_release
def test_apts_history_names_the_run_and_who_requested_it(host: Scenario) -> None:
    host.offer("security", package("a", "2"))
    host.machine.check("useradd alice")

    done = host.machine.run("maestro-agent upgrade --json", SUDO_USER="alice")

    assert done.returncode == 0, done
    history = host.machine.path("/var/log/apt/history.log").read_text()
    run = host.agent("history last --json").json["id"]
    assert re.findall("(?m)^Commandline: (.*)$", history) == [f"maestro-agent upgrade (run {run})"]
    assert re.findall("(?m)^Requested-By: (\\w+) ", history) == ["alice"]
