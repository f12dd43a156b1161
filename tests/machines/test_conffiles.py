"""Local configuration files: prompts of dpkg are predicted, none is ever shown, and kept files are reported.

The truth is dpkg itself, run on the same package without anybody to answer it.
"""

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support import bases
from tests.support.conffiles import CASES, Case, conf, simple
from tests.support.machine import Machine, machine
from tests.support.repository import Package, Signer, package
from tests.support.scenario import Answer, Scenario, names, reasons

pytestmark = pytest.mark.xdist_group("conffiles")
HOLD = '[security]\nconffiles = "hold"\n'
ASKED = re.compile(r"\*\*\* (.+) \(Y/I/N/O/D/Z\) \[default=N\] \?")
PEERS = tuple(case for case in CASES if case.name not in {"file-as-parent", "latin", "link-loop", "pipe"})
"""What the peer is asked too: at the others it ends in a traceback or, at a pipe, waits for ever."""
IDS = [case.name for case in CASES]


def prepare(host: Scenario, cases: tuple[Case, ...]) -> None:
    """Bring a machine to where an administrator has done his part and the new versions wait."""
    host.machine.write("/etc/dpkg/dpkg.cfg.d/excluded", "path-exclude=/etc/excluded.conf\n")
    for number in range(max(len(case.first) for case in cases)):
        batch = [case.first[number] for case in cases if number < len(case.first)]
        for one in batch:
            host.machine.path(f"/srv/{number}-{one.filename}").write_bytes(one.build())
        host.machine.check(f"dpkg -i /srv/{number}-*.deb > /srv/first 2>&1")
    host.machine.path("/srv/local").write_bytes(
        "".join(f"{case.local.replace('$F', shlex.quote(case.file))}\n" for case in cases).encode(
            errors="surrogateescape"
        )
    )
    host.machine.check("sh -e /srv/local > /srv/arranged 2>&1")


def asked_by_dpkg(machine: Machine, packages: tuple[Package, ...], options: str = "") -> tuple[str, ...]:
    """Install packages with dpkg alone and nobody to answer it; return what it asked about (it ends there)."""
    machine.check("rm -f /srv/truth-*")
    for one in packages:
        machine.path(f"/srv/truth-{one.filename}").write_bytes(one.build())
    done = machine.run(f"dpkg {options} -i /srv/truth-*.deb > /srv/truth 2>&1")
    said = machine.path("/srv/truth").read_bytes().decode(errors="surrogateescape")
    asked = tuple(ASKED.findall(said))
    assert bool(asked) == (done.returncode != 0), said
    return asked


def arrived(host: Scenario, case: Case) -> bool:
    """Whether every package of a case is at the version that is offered."""
    return all(host.machine.version(item.name) == item.version for item in case.second)


@contextmanager
def offered(release: str, signer: Signer, cases: tuple[Case, ...], *layers: Path) -> Iterator[Scenario]:
    """Run a machine on which all these cases are prepared and their new versions offered."""
    with machine(*layers, bases.base(release)) as running:
        host = Scenario.without_sources(running, signer, release)
        host.repository("security", *(package for case in cases for package in case.second))
        prepare(host, cases)
        yield host


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A machine after an upgrade, and what that said."""

    host: Scenario
    done: Answer


@pytest.fixture(scope="module", params=bases.table_codenames())
def release(request: pytest.FixtureRequest) -> str:
    """Return each release in turn."""
    return str(request.param)


@pytest.fixture(scope="module")
def asked(release: str) -> Iterator[dict[str, tuple[str, ...]]]:
    """Return the base names of what dpkg alone asks about, by case."""
    with machine(bases.base(release)) as alone:
        prepare(Scenario.on(alone, release), CASES)
        yield {case.name: asked_by_dpkg(alone, case.second) for case in CASES}


@pytest.fixture(scope="module")
def keeping(release: str, agent_layer: Path, signer: Signer) -> Iterator[Ran]:
    """Run an upgrade of all cases at once that keeps local files."""
    with offered(release, signer, CASES, agent_layer) as host:
        yield Ran(host=host, done=host.upgrade())


@pytest.fixture(scope="module")
def holding(release: str, agent_layer: Path, signer: Signer) -> Iterator[Ran]:
    """Run an upgrade of all cases at once that holds back what dpkg would ask about."""
    with offered(release, signer, CASES, agent_layer) as host:
        host.configuration(HOLD)
        yield Ran(host=host, done=host.upgrade())


@pytest.fixture(scope="module")
def held_by_the_peer(release: str, signer: Signer) -> Iterator[set[str]]:
    """Return the packages that unattended-upgrade holds back for a configuration file."""
    with offered(release, signer, PEERS) as host:
        host.machine.check("apt-get -q update")
        said = host.machine.run("timeout -s KILL 200 unattended-upgrade --dry-run -v 2>&1", timeout=240)
        assert "Traceback" not in said.stdout, said.stdout[-3000:]
        yield set(re.findall(r"Package (\S+) has conffile prompt", said.stdout))


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_the_table_records_what_dpkg_asks(asked: dict[str, tuple[str, ...]], case: Case) -> None:
    assert asked[case.name] == tuple(file.rpartition("/")[2] for file in case.asks[:1])


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_exactly_the_packages_that_dpkg_would_ask_about_are_held(holding: Ran, case: Case) -> None:
    held = {item["package"]: item for item in holding.done.json["held"]}
    waiting = [held[item.name] for item in case.second if item.name in held]

    assert bool(waiting) == case.held
    assert {item["why"] for item in waiting} <= {"conffile"}
    details = " ".join(item["detail"] for item in waiting)
    assert all(file in details for file in case.asks if waiting)
    assert arrived(holding.host, case) is not case.held


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_an_upgrade_that_keeps_local_files_upgrades_every_package(keeping: Ran, case: Case) -> None:
    file = shlex.quote(case.file)

    shown = keeping.host.machine.run(f"test -f {file} && cat {file}")

    assert arrived(keeping.host, case)
    assert (shown.stdout if shown.returncode == 0 else None) == case.after


def test_an_upgrade_that_keeps_local_files_lists_exactly_those(keeping: Ran) -> None:
    done = keeping.done

    assert (done.code, done.json["result"], done.json["failed"]) == (0, "updated", [])
    assert done.json["conffiles_kept"] == sorted(file for case in CASES for file in case.listed)


def test_an_upgrade_that_holds_is_degraded_and_still_lists_kept_files(holding: Ran) -> None:
    done = holding.done

    assert (done.code, done.json["result"], done.json["failed"]) == (10, "degraded", [])
    assert done.json["conffiles_kept"] == sorted(file for case in CASES if not case.held for file in case.listed)


@pytest.mark.parametrize("case", PEERS, ids=lambda case: case.name)
def test_the_peer_holds_what_the_table_records(held_by_the_peer: set[str], case: Case) -> None:
    held = held_by_the_peer & {item.name for item in case.second}

    assert bool(held) == (bool(case.asks) if case.peer is None else case.peer)


# what the administrator has configured in dpkg

CHANGES = (
    simple("modified", "echo mine > $F", asks=True),
    simple("modified-same", "echo mine > $F", new="one\n"),
    simple("deleted", "rm $F", asks=True),
    simple("deleted-same", "rm $F", new="one\n"),
    simple("foreign", "echo mine > $F", old=None, asks=True),
    simple("unmodified"),
)
ALL = {case.name for case in CHANGES}
ASKS = {"modified", "deleted", "foreign"}


@pytest.mark.parametrize(
    ("file", "text", "asks"),
    [
        ("/etc/dpkg/dpkg.cfg", "force-confdef\n", set()),
        ("/etc/dpkg/dpkg.cfg.d/local", "force-confold\n", set()),
        ("/etc/dpkg/dpkg.cfg.d/local.bak", "force-confold\n", ASKS),
        ("/root/.dpkg.cfg", "force-confnew\n", set()),
        ("/etc/dpkg/dpkg.cfg", "force-confmiss\n", {"modified", "foreign"}),
        ("/etc/dpkg/dpkg.cfg", "force-confask\n", ASKS | {"modified-same", "deleted-same"}),
        ("/etc/dpkg/dpkg.cfg", "force-confask\nforce=confold\n", set()),
        ("/etc/dpkg/dpkg.cfg", "force-confold\nrefuse-confold\n", ASKS),
        ("/etc/apt/apt.conf.d/99local", 'DPkg::Options { "--force-confold"; };\n', set()),
        ("/etc/apt/apt.conf.d/99local", 'DPkg::Options { "--force-confmiss"; };\n', {"modified", "foreign"}),
    ],
)
def test_a_forced_answer_in_the_configuration_of_dpkg_prevents_the_prompt(
    codename: str, agent_layer: Path, signer: Signer, file: str, text: str, asks: set[str]
) -> None:
    with machine(bases.base(codename)) as alone:
        prepare(Scenario.on(alone, codename), CHANGES)
        alone.write(file, text)
        options = " ".join(re.findall(r"--force-\w+", text))
        truth = {case.name for case in CHANGES if asked_by_dpkg(alone, case.second, options)}
    with offered(codename, signer, CHANGES, agent_layer) as host:
        host.configuration(HOLD)
        host.machine.write(file, text)

        done = host.upgrade()

        assert truth == asks
        assert reasons(done.json) == dict.fromkeys(sorted(asks), "conffile")
        assert set(names([*done.json["upgraded"], *done.json["new"]])) == ALL - asks
        if "modified" not in asks:
            assert host.machine.path("/etc/modified.conf").read_text() == "mine\n"
            assert "/etc/modified.conf" in done.json["conffiles_kept"]


def test_the_forced_options_match_those_of_dpkg(host: Scenario) -> None:
    host.machine.write("/etc/dpkg/dpkg.cfg.d/B", "force-all\n")
    host.machine.write("/etc/dpkg/dpkg.cfg.d/a", "no-force-confold\n")
    host.machine.write("/etc/dpkg/dpkg.cfg", "# force-confold\nrefuse-confdef \n")
    host.machine.write("/root/.dpkg.cfg", "no-force-confnew\n")
    script = (
        "import sys; sys.path.insert(0, '/usr/share/maestro-agent')\n"
        "from agent.host.apt.configuration import configure\n"
        "from agent.host.dpkg.conffiles import administrators_options\n"
        "configure(); print(*sorted(administrators_options().forced))"
    )

    ours = host.machine.run(f"/usr/bin/python3 -c {shlex.quote(script)}", DPKG_FORCE="confmiss")
    said = host.machine.run("dpkg --force-help", DPKG_FORCE="confmiss").stdout.splitlines()[-1]

    assert ours.stdout.split() == sorted(re.findall(r"conf\w{3,4}\b", said.replace("configure-any", "")))
    assert ours.stdout.split() == ["confask", "confmiss"]


# beside each other


def test_a_package_that_dpkg_would_ask_about_is_held_with_its_dependants_only(host: Scenario) -> None:
    host.install(conf("lib", "1", "one\n"), package("app", "1"), package("z", "1"))
    host.repository("security", conf("lib", "2", "two\n"), package("app", "2", depends="lib (>= 2)"), package("z", "2"))
    host.configuration(HOLD)
    host.machine.write("/etc/lib.conf", "mine\n")

    done = host.upgrade()

    assert (done.code, done.json["result"]) == (10, "degraded")
    assert reasons(done.json) == {"app": "conffile", "lib": "conffile"}
    for held in done.json["held"]:
        assert "/etc/lib.conf was changed on this machine" in held["detail"]
        assert 'security.conffiles = "keep"' in held["detail"]
    assert host.versions("lib", "app", "z") == {"lib": "1", "app": "1", "z": "2"}
    assert host.machine.check("ls /var/cache/apt/archives").split() == ["lock", "partial"]


def test_a_run_with_only_such_a_package_is_degraded_and_changes_nothing(host: Scenario) -> None:
    host.install(conf("a", "1", "one\n"))
    host.repository("security", conf("a", "2", "two\n"))
    host.configuration(HOLD)
    host.machine.write("/etc/a.conf", "mine\n")

    done = host.upgrade()
    status = host.agent("status --json")

    assert (done.code, done.json["result"], reasons(done.json)) == (10, "degraded", {"a": "conffile"})
    assert (status.code, status.json["health"]) == (10, "attention")
    assert done.json["lock"]["held_s"] == 0
    assert not host.machine.path("/etc/a.conf.dpkg-new").exists()


def test_conffile_prompts_are_unknown_before_the_download(host: Scenario) -> None:
    host.install(conf("a", "1", "one\n"))
    host.repository("security", conf("a", "2", "two\n"))
    host.configuration(HOLD)
    host.machine.write("/etc/a.conf", "mine\n")

    plan = host.check()
    gates = {gate["gate"]: gate["verdict"] for gate in host.agent("explain a --json").json["gates"]}

    assert names(plan["install"]) == ["a"]
    assert gates["conffiles"] == "unknown"


def test_every_architecture_of_a_package_is_held(host: Scenario) -> None:
    both = [conf("a", version, text, architecture=arch, multi_arch="same")
            for version, text in (("1", "one\n"), ("2", "two\n")) for arch in ("amd64", "i386")]  # fmt: skip
    host.machine.check("dpkg --add-architecture i386")
    host.install(*both[:2])
    made = host.repository("security", *both[2:])
    source = f"deb [signed-by=/etc/apt/keyrings/test.asc] file:/srv/security {made.codename} main\n"
    host.machine.write("/etc/apt/sources.list.d/security.list", source)
    host.configuration(HOLD)
    host.machine.write("/etc/a.conf", "mine\n")

    held = host.upgrade()
    host.configuration("")
    kept = host.upgrade()

    assert [(item["architecture"], item["why"]) for item in held.json["held"]] == [
        ("amd64", "conffile"),
        ("i386", "conffile"),
    ]
    assert (kept.code, kept.json["conffiles_kept"]) == (0, ["/etc/a.conf"])
    assert host.machine.path("/etc/a.conf").read_text() == "mine\n"


# half-way


def test_a_kept_file_is_listed_if_the_package_fails_afterwards(host: Scenario) -> None:
    host.install(conf("a", "1", "one\n"))
    host.repository("security", conf("a", "2", "two\n", postinst="exit 1"))
    host.machine.write("/etc/a.conf", "mine\n")

    done = host.upgrade()

    assert (done.code, done.json["result"]) == (1, "failed")
    assert done.json["conffiles_kept"] == ["/etc/a.conf"]


def test_no_kept_file_is_listed_if_the_package_fails_before(host: Scenario) -> None:
    host.install(conf("a", "1", "one\n"))
    host.repository("security", conf("a", "2", "two\n", preinst="exit 1"))
    host.machine.write("/etc/a.conf", "mine\n")

    done = host.upgrade()

    assert (done.code, done.json["conffiles_kept"]) == (1, [])


def test_an_unpacked_package_lists_files_that_differ_from_the_new_version(host: Scenario) -> None:
    host.install(conf("a", "1", "one\n"), conf("b", "1", "one\n"), package("broken", "1"))
    waiting = {"depends": "broken (>= 2)"}
    host.repository(
        "security",
        conf("a", "2", "two\n", **waiting),
        conf("b", "2", "two\n", **waiting),
        package("broken", "2", postinst="exit 1"),
    )
    host.machine.write("/etc/a.conf", "mine\n")

    done = host.upgrade()

    assert host.machine.path("/etc/a.conf.dpkg-new").exists()
    assert host.machine.path("/etc/b.conf.dpkg-new").exists()
    assert done.json["conffiles_kept"] == ["/etc/a.conf"]


def test_after_a_killed_dpkg_only_local_changes_are_listed(host: Scenario) -> None:
    files = ("/etc/a.conf", "/etc/b.conf")
    kills = '[ "$1" = upgrade ] && kill -9 $PPID && sleep 1; exit 0'
    one, two = (
        replace(package("a", version, postrm=kills), files=tuple((file, text) for file in files), conffiles=files)
        for version, text in (("1", "one\n"), ("2", "two\n"))
    )
    host.install(one)
    host.repository("security", two)
    host.machine.write("/etc/a.conf", "mine\n")

    done = host.upgrade()

    assert (done.code, [item["package"] for item in done.json["failed"]]) == (1, ["a:amd64"])
    assert host.machine.path("/etc/b.conf.dpkg-new").exists()
    assert done.json["conffiles_kept"] == ["/etc/a.conf"]


def test_a_file_kept_by_a_repair_is_listed_under_every_policy(host: Scenario) -> None:
    host.install(conf("a", "1", "one\n"))
    host.repository("security")
    host.configuration(HOLD)
    host.machine.write("/etc/a.conf", "mine\n")
    host.machine.path("/srv/a2.deb").write_bytes(conf("a", "2", "two\n").build())
    host.machine.check("dpkg --unpack /srv/a2.deb")

    done = host.upgrade()

    assert (done.code, names(done.json["repaired"])) == (0, ["a"])
    assert done.json["conffiles_kept"] == ["/etc/a.conf"]
    assert host.machine.path("/etc/a.conf").read_text() == "mine\n"


def test_files_kept_in_an_earlier_run_are_not_listed_again(host: Scenario) -> None:
    host.install(conf("a", "1", "one\n"))
    made = host.repository("security", conf("a", "2", "two\n"))
    host.machine.write("/etc/a.conf", "mine\n")
    first = host.upgrade()
    made.packages[:] = [conf("a", "3", "two\n")]
    made.publish()

    second = host.upgrade()

    assert first.json["conffiles_kept"] == ["/etc/a.conf"]
    assert (names(second.json["upgraded"]), second.json["conffiles_kept"]) == (["a"], [])


@pytest.mark.parametrize("policy", ["", HOLD], ids=["keep", "hold"])
def test_a_link_to_a_device_fails_in_dpkg_and_affects_no_other_package(host: Scenario, policy: str) -> None:
    host.install(conf("a", "1", "one\n"), package("b", "1"))
    host.repository("security", conf("a", "2", "two\n"), package("b", "2"))
    host.configuration(policy)
    host.machine.check("ln -sf /dev/null /etc/a.conf")

    done = host.upgrade()

    assert [one["package"] for one in done.json["failed"]] == ["a:amd64"]
    assert "/etc/a.conf.dpkg-new" in done.json["failed"][0]["error"]
    assert host.versions("a", "b") == {"a": "1", "b": "2"}


# archives


class NotAnArchive(Package):
    """A package whose archive is none."""

    def build(self) -> bytes:
        return b"no archive\n"


def test_an_unreadable_archive_holds_its_package_alone(host: Scenario) -> None:
    host.install(package("a", "1"), package("b", "1"))
    host.repository("security", NotAnArchive(name="a", version="2"), package("b", "2"))
    host.configuration(HOLD)

    done = host.upgrade()

    assert reasons(done.json) == {"a": "conffile"}
    assert "its configuration files cannot be read" in done.json["held"][0]["detail"]
    assert host.versions("a", "b") == {"a": "1", "b": "2"}


def test_a_large_archive_is_read_in_little_memory(host: Scenario) -> None:
    large = conf("a", "2", "two\n", file="/etc/a.conf")
    host.install(conf("a", "1", "one\n"))
    host.machine.write("/etc/a.conf", "mine\n")
    host.machine.path("/srv/a_2_all.deb").write_bytes(
        replace(large, files=(("/usr/share/large", "x" * 200_000_000), *large.files)).build()
    )
    script = (
        "import sys; sys.path.insert(0, '/usr/share/maestro-agent')\n"
        "from pathlib import Path\nfrom resource import RUSAGE_SELF, getrusage\n"
        "from agent.core.model.plan import Step\nfrom agent.host.apt.configuration import configure\n"
        "from agent.host.dpkg.conffiles import conffile_prompts\n"
        "configure(); before = getrusage(RUSAGE_SELF).ru_maxrss\n"
        "step = Step(package='a', architecture='amd64', installed='1', candidate='2', origin='', archive='',\n"
        "            security=True, download_bytes=0)\n"
        "prompts = conffile_prompts({step.id: Path('/srv/a_2_all.deb')}, [step])\n"
        "print(*prompts, getrusage(RUSAGE_SELF).ru_maxrss - before)"
    )

    name, kilobytes = host.machine.check(f"/usr/bin/python3 -c {shlex.quote(script)}").split()

    assert name == "a:amd64"
    assert int(kilobytes) < 20_000
