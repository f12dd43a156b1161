"""What dpkg, a hook or a maintainer script says of its failure is in the result, once, with the package it is about."""

from dataclasses import dataclass

import pytest

from tests.support.repository import Package, package
from tests.support.scenario import Scenario, names

LOCKER = (
    "import fcntl, time; file = open('/var/lib/dpkg/lock', 'w'); fcntl.lockf(file, fcntl.LOCK_EX); "
    "open('/locked', 'w').close(); time.sleep(10)"
)
HOOK = "printf '%s\\n' '#!/bin/sh' 'echo working' 'echo the answer is lost >&2' 'exit 4' > /hook; chmod +x /hook; "


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeFault:
    """A fault that concerns no single package: the command that makes it, and what is said of it."""

    make: str
    said: tuple[str, ...]


def hook(kind: str, command: str = "/hook") -> str:
    return HOOK + f"""echo 'DPkg::{kind} {{"{command}"; }};' > /etc/apt/apt.conf.d/99hook"""


WHOLE = {
    "option": WholeFault(
        make="echo no-such-option > /etc/dpkg/dpkg.cfg.d/site", said=("/etc/dpkg/dpkg.cfg.d/site:1", "no-such-option")
    ),
    "tar": WholeFault(make="mv /usr/bin/tar /usr/bin/tar.away", said=("'tar' not found in PATH",)),
    "rm": WholeFault(make="mv /usr/bin/rm /usr/bin/rm.away", said=("'rm' not found in PATH",)),
    "triggers": WholeFault(
        make="echo 'no trigger at all, is it' > /var/lib/dpkg/triggers/File", said=("triggers/File",)
    ),
    "diversions": WholeFault(make="printf '/a\n' > /var/lib/dpkg/diversions", said=("/var/lib/dpkg/diversions",)),
    "statoverride": WholeFault(make="echo oops > /var/lib/dpkg/statoverride", said=("statoverride",)),
    "read-only": WholeFault(
        make="mount -t tmpfs -o ro updates /var/lib/dpkg/updates",
        said=("Read-only file system", "/var/lib/dpkg/updates"),
    ),
    "full": WholeFault(
        make="mount -t tmpfs -o size=4k full /var/lib/dpkg/updates; dd if=/dev/zero of=/var/lib/dpkg/updates/x",
        said=("No space left on device",),
    ),
    "info": WholeFault(make="printf 7 > /var/lib/dpkg/info/format", said=("info database format (7)",)),
    "lock": WholeFault(
        make=f"""printf '%s' "{LOCKER}" > /locker.py; """
        + hook(
            "Pre-Invoke",
            "rm -f /locked; python3 /locker.py >/dev/null 2>&1 & until test -e /locked; do sleep 0.05; done",
        ),
        said=("lock", "process with pid"),
    ),
    "pre-invoke": WholeFault(make=hook("Pre-Invoke"), said=("DPkg::Pre-Invoke", "the answer is lost")),
    "pre-install-pkgs": WholeFault(
        make=hook("Pre-Install-Pkgs"), said=("Failure running script", "the answer is lost")
    ),
}


@pytest.mark.every_release
@pytest.mark.parametrize("fault", WHOLE.values(), ids=list(WHOLE))
def test_a_fault_of_dpkg_or_of_a_hook_is_reported_once_in_its_own_words(host: Scenario, fault: WholeFault) -> None:
    host.offer("security", package("a", "2"), package("b", "2"), package("c", "2"))
    host.machine.run(fault.make)

    done = host.upgrade()

    assert (done.code, done.json["result"], done.json["upgraded"]) == (1, "failed", [])
    assert all(words in done.json["message"] for words in fault.said), done.json["message"]
    assert (done.json["failed"], done.out.count(fault.said[-1])) == ([], 1)
    assert "returned an error code" not in done.json["message"]


def test_a_hook_that_fails_after_the_work_is_reported_and_nothing_is_installed_again(host: Scenario) -> None:
    host.offer("security", package("a", "2"), package("b", "2"))
    host.machine.run(hook("Post-Invoke"))

    done = host.upgrade()

    assert (done.code, done.json["result"], done.json["failed"]) == (10, "degraded", [])
    assert names(done.json["upgraded"]) == ["a", "b"]
    assert done.json["message"].count("the answer is lost") == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFault:
    """A package that fails, and what is said of it."""

    bad: Package
    said: tuple[str, ...]
    make: str = "true"
    stage: str = "unpack"
    beside: tuple[Package, ...] = ()
    """Further packages of the transaction."""


TALKS = "echo starting; echo >&2; printf 'disk \\033[31mquota\\033[0m exceeded\\n' >&2; exit 7"
SAYS = ("exit status 7", "starting / disk quota exceeded")
FAULTS = {
    "preinst": PackageFault(bad=package("bad", "2", preinst=TALKS), said=SAYS),
    "postinst": PackageFault(bad=package("bad", "2", postinst=TALKS), said=SAYS, stage="configure"),
    "unpack": PackageFault(
        bad=Package(name="bad", version="2", files=(("/usr/share/bad/file", "x"),)),
        make="mkdir -p /usr/share/bad; mount -t tmpfs -o ro bad /usr/share/bad",
        said=("/usr/share/bad/file", "Read-only file system"),
    ),
    "full": PackageFault(
        bad=Package(name="bad", version="2", files=(("/usr/share/bad/file", "x" * 20000),)),
        make="mkdir -p /usr/share/bad; mount -t tmpfs -o size=8k bad /usr/share/bad",
        said=("/usr/share/bad/file", "No space left on device"),
    ),
    "clash": PackageFault(
        bad=Package(name="bad", version="2", files=(("/usr/share/own", "x"),)),
        make="true",
        said=("trying to overwrite '/usr/share/own', which is also in package own",),
    ),
    "trigger": PackageFault(
        bad=Package(
            name="bad",
            version="2",
            scripts=(("postinst", f'[ "$1" != triggered ] && [ ! -e /failed ] || {{ touch /failed; {TALKS}; }}'),),
            triggers=("interest-noawait bad-trigger",),
        ),
        beside=(package("z", "2", depends="bad (>= 2)", postinst="dpkg-trigger --no-await bad-trigger"),),
        said=SAYS,
        stage="configure",
    ),
}


@pytest.mark.every_release
@pytest.mark.parametrize("others", [2, 7], ids=["few", "many"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_a_package_fails_with_the_words_of_dpkg_and_the_last_lines_of_its_script(
    host: Scenario, fault: PackageFault, others: int
) -> None:
    host.install(Package(name="own", version="1", files=(("/usr/share/own", ""),)))
    more = [*(package(f"p{number}", "2") for number in range(others)), *fault.beside]
    host.install(*(package(one.name, "1") for one in (*more, fault.bad)))
    host.repository("security", *more, fault.bad)
    host.machine.run(fault.make)

    done = host.upgrade()

    assert [(one["package"], one["stage"]) for one in done.json["failed"]] == [("bad:amd64", fault.stage)]
    error = done.json["failed"][0]["error"]
    assert all(words in error for words in fault.said), error
    assert sorted(names(done.json["upgraded"])) == sorted(one.name for one in more)


def test_a_failed_run_names_the_file_with_dpkgs_output(host: Scenario) -> None:
    host.offer("security", package("bad", "2", postinst="exit 3"))

    shown = host.agent("upgrade")

    log = host.agent("history last --json").json["log"]
    assert (shown.code, "exit status 3" in host.machine.path(log).read_text()) == (1, True)
    assert log in shown.out
    assert host.agent("history last").out.count(log) == 1


@pytest.mark.every_release
@pytest.mark.parametrize("script", ["preinst", "postinst"])
def test_a_script_that_hangs_is_killed_and_the_timeout_is_the_reason(host: Scenario, script: str) -> None:
    host.offer("security", package("a", "2"), package("bad", "2", **{script: "echo waiting for the lock; sleep 600"}))
    host.configuration('[apt]\nstall_timeout = "2s"\n')

    done = host.upgrade()

    (failed,) = done.json["failed"]
    assert (failed["package"], names(done.json["upgraded"])) == ("bad:amd64", ["a"])
    assert "(apt.stall_timeout)" in failed["error"]
    assert "waiting for the lock" in failed["error"]
