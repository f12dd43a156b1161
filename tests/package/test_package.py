"""The Debian package: built from this checkout, without lintian complaints, clean from installation to purge."""

import io
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.config.schema import KEYS
from agent.version import VERSION
from tests.conftest import CHECKOUT
from tests.support import bases
from tests.support.machine import Machine, machine
from tests.support.repository import Ready, Signer
from tests.support.scenario import Scenario

pytestmark = pytest.mark.xdist_group("package")


@pytest.fixture
def bare(codename: str) -> Iterator[Machine]:
    """Return a machine without the agent."""
    with machine(bases.base(codename)) as running:
        yield running


ACCEPTED = (
    # Without systemd there is no daemon: commands do the work themselves. An override in the package would be an error
    # ("alien-tag") for newer lintians, which do not know this tag.
    "package-supports-alternative-init-but-no-init.d-script",
)


def test_lintian_has_no_complaints(deb: Path) -> None:
    changes = next(deb.parent.glob("maestro-agent_*.changes"))
    command = ["lintian", "--allow-root", "--display-info", "--pedantic", str(changes)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    assert [line for line in done.stdout.splitlines() if not any(tag in line for tag in ACCEPTED)] == []


def test_files_named_in_the_manual_are_in_the_package(deb: Path) -> None:
    listed = subprocess.run(["dpkg-deb", "-c", str(deb)], capture_output=True, text=True, check=True).stdout
    names = {line.split()[5].removesuffix(".gz") for line in listed.splitlines()}
    tree = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(deb)], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(tree)) as archive:
        (place,) = (name for name in archive.getnames() if name.endswith("/maestro-agent.service"))
        unit = archive.extractfile(place)
        assert unit is not None
        lines = unit.read().decode().splitlines()

    wanted = (
        "metrics.md",
        "documents.md",
        "endpoint/README.md",
        "examples/maestro.rules.yml",
        "examples/config.example.toml",
    )
    assert {f"./usr/share/doc/maestro-agent/{name}" for name in wanted} <= names
    assert "ReadWritePaths=-/var/lib/prometheus/node-exporter" in lines


def script(deb: Path, name: str) -> str:
    return subprocess.run(["dpkg-deb", "-I", str(deb), name], capture_output=True, text=True, check=True).stdout


def test_an_upgrade_restarts_the_daemon_and_the_socket_and_stops_no_job(deb: Path) -> None:
    upgraded = [line for line in script(deb, "postinst").splitlines() if "deb-systemd-invoke" in line]
    removed = [line for line in script(deb, "prerm").splitlines() if "deb-systemd-invoke stop" in line]

    assert [line.split("'")[1] for line in upgraded] == ["maestro-agent-worker.socket", "maestro-agent.service"]
    assert [line.split("'")[1] for line in removed] == [
        "maestro-agent.service",
        "maestro-agent-worker.socket",
        "maestro-agent-worker@*.service",
    ]
    assert script(deb, "prerm").count('"$1" = remove') == len(removed)


@pytest.mark.parametrize("package", ["maestro-agent", "maestro-endpoint"])
def test_each_package_contains_the_schemas_and_completions(deb: Path, package: str) -> None:
    file = next(deb.parent.glob(f"{package}_*_all.deb"))
    listed = subprocess.run(["dpkg-deb", "--contents", str(file)], capture_output=True, text=True, check=True).stdout
    files = {
        line.split()[-1].removeprefix("./") for line in listed.splitlines() if line.startswith("-rw-r--r-- root/root")
    }

    schemas = {f"usr/share/{package}/schemas/{path.name}" for path in (CHECKOUT / "schemas").glob("*.json")}

    assert len(schemas) >= len(("report", "event", "batch"))
    assert schemas <= files
    assert f"usr/share/bash-completion/completions/{package}" in files
    assert f"usr/share/zsh/vendor-completions/_{package}" in files
    assert f"usr/share/fish/vendor_completions.d/{package}.fish" in files


def test_needrestart_may_restart_the_daemon_and_never_a_job() -> None:
    program = """my %nrconf = (override_rc => { qr(^dbus) => 0 });
        eval do { local(@ARGV, $/) = 'debian/needrestart/maestro-agent.conf'; <> }; die $@ if $@;
        foreach my $unit (@ARGV) { foreach my $re (keys %{$nrconf{override_rc}}) {
            print "$unit $nrconf{override_rc}->{$re}\n" if $unit =~ /$re/ } }"""
    units = ["dbus.service", "maestro-agent.service", "maestro-agent-worker@7-4711-0.service"]

    done = subprocess.run(
        ["perl", "-we", f"use strict; {program}", *units], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )

    assert (done.stdout, done.stderr) == ("dbus.service 0\nmaestro-agent-worker@7-4711-0.service 0\n", "")


@pytest.mark.every_release
def test_the_package_installs_runs_and_leaves_no_trace(deb: Path, bare: Machine) -> None:
    def traces() -> str:
        return bare.check("find / -xdev -name '*maestro*' -not -path '/srv/*' -not -path '/var/lib/apt/lists/*'")

    assert traces() == ""
    bare.path("/srv/maestro-agent.deb").write_bytes(deb.read_bytes())

    bare.check("apt-get install -y /srv/maestro-agent.deb")
    version = bare.check("maestro-agent --version")
    compiled = bare.check("find /usr/share/maestro-agent -name '*.pyc' | wc -l")
    status = bare.run("maestro-agent status")
    again = bare.check("apt-get install -y --reinstall /srv/maestro-agent.deb")
    bare.check("maestro-agent check --no-refresh; test -e /var/lib/maestro-agent/state.json")
    bare.check("apt-get remove -y maestro-agent")
    kept = bare.run("test -e /var/lib/maestro-agent/state.json && ! test -e /usr/bin/maestro-agent").returncode
    bare.check("apt-get purge -y maestro-agent")

    assert version == f"maestro-agent {VERSION}\n"
    assert int(compiled) > 20
    assert (status.returncode, "never checked" in status.stdout) == (3, True)
    assert "Setting up maestro-agent" in again
    assert kept == 0
    assert traces() == ""


TYPO = "maestro-agent config accept; echo typo >/etc/maestro-agent/config.d/99-typo.toml"


@pytest.mark.parametrize(
    ("configured", "then"),
    [("/var/lib/prometheus/node-exporter", TYPO), ("/srv/métriques \\of mine", "true")],
    ids=["accepted-and-then-broken", "never-accepted"],
)
def test_a_removed_agent_leaves_no_metrics_behind(deb: Path, bare: Machine, configured: str, then: str) -> None:
    bare.path("/srv/maestro-agent.deb").write_bytes(deb.read_bytes())
    bare.check("apt-get install -y /srv/maestro-agent.deb")
    bare.write("/etc/maestro-agent/config.toml", f"[metrics]\ntextfile = '{configured}/maestro.prom'\n")
    bare.check(f"mkdir -p '{configured}' && chgrp maestro-agent '{configured}' && chmod 1775 '{configured}'")
    bare.check(f"touch '{configured}/other.prom'; maestro-agent report --send; test -s '{configured}/maestro.prom'")
    bare.check(then)

    bare.check("apt-get remove -y maestro-agent")
    left = bare.check(f"ls '{configured}'").split()
    group = bare.check(f"stat -c %G '{configured}'").strip()
    bare.check("apt-get purge -y maestro-agent")

    assert (left, group) == (["other.prom"], "maestro-agent")
    assert bare.check(f"stat -c '%G %a' '{configured}'") == "root 755\n"


def test_a_removed_agent_with_a_broken_configuration_is_removed(deb: Path, bare: Machine) -> None:
    bare.path("/srv/maestro-agent.deb").write_bytes(deb.read_bytes())
    bare.check("apt-get install -y /srv/maestro-agent.deb")
    bare.write("/etc/maestro-agent/config.toml", "textfile = [\n")

    bare.check("apt-get purge -y maestro-agent")

    assert bare.run("test -e /etc/maestro-agent").returncode == 1


def test_installation_to_purge_is_clean_under_policy_rc_d(deb: Path, bare: Machine) -> None:
    bare.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
    bare.path("/srv/maestro-agent.deb").write_bytes(deb.read_bytes())
    steps = ["install /srv/maestro-agent.deb", "install --reinstall /srv/maestro-agent.deb"]

    done = [bare.run(f"apt-get -q -y {step}") for step in (*steps, "remove maestro-agent")]
    user = bare.run("getent passwd maestro-agent").stdout
    purged = bare.run("apt-get -q -y purge maestro-agent")

    for one in (*done, purged):
        assert one.returncode == 0, one.stderr
        output = (one.stdout + one.stderr).lower()
        assert not [word for word in ("error", "warning", "fail", "cannot", "not found") if word in output], output
    assert user.split(":")[5:] == ["/nonexistent", "/usr/sbin/nologin\n"]
    assert bare.run("getent passwd maestro-agent; getent group maestro-agent").stdout == ""


@pytest.mark.every_release
def test_the_agent_upgrades_itself_and_reports_it(deb: Path, bare: Machine, signer: Signer, codename: str) -> None:
    bare.path("/srv/maestro-agent.deb").write_bytes(deb.read_bytes())
    bare.check("apt-get install -y /srv/maestro-agent.deb")
    host = Scenario.without_sources(bare, signer, codename)
    newer = Ready(name="maestro-agent", version=f"{VERSION}+test", architecture="all", deb=deb)
    host.repository("security", newer)

    done = host.upgrade()

    assert (done.code, done.json["result"]) == (0, "updated")
    assert host.versions("maestro-agent") == {"maestro-agent": f"{VERSION}+test"}
    assert host.agent("status").code == 0
    assert bare.check("dpkg --audit") == ""


def test_the_package_depends_only_on_distribution_packages(deb: Path, bare: Machine) -> None:
    bare.path("/srv/maestro-agent.deb").write_bytes(deb.read_bytes())

    depends = bare.check("dpkg-deb -f /srv/maestro-agent.deb Depends")

    for clause in depends.split(","):
        words = [choice.split("(")[0].split(":")[0].strip() for choice in clause.split("|")]
        assert any(bare.run(f"apt-cache show {word}").returncode == 0 for word in words), clause


@pytest.mark.parametrize("place", ["debian/changelog", "CHANGELOG.md"])
def test_changelogs_have_this_version(place: str) -> None:
    text = (CHECKOUT / place).read_text()

    assert VERSION in next(line for line in text.splitlines() if line.startswith(("maestro-agent (", "## [")))


def test_the_manual_page_has_every_key_of_the_configuration() -> None:
    page = (CHECKOUT / "docs/maestro-agent.toml.5").read_text()

    assert [key.path for key in KEYS if not re.search(rf"(?m)^\.BR?.* ?{re.escape(key.path)}\b", page)] == []


@pytest.mark.parametrize("page", sorted(CHECKOUT.glob("docs/*.[1-8]")), ids=lambda page: page.name)
def test_a_manual_page_has_no_warning(page: Path) -> None:
    command = ["man", "--warnings", "-l", "-Z", "-Tutf8", str(page)]

    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
