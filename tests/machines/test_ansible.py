"""The Ansible roles on a booted machine: what they install runs, a second run and --check change nothing.

In the thorough run: ansible-core comes from PyPI.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import CHECKOUT
from tests.support import bases
from tests.support.authority import Authority
from tests.support.booted import Booted, booted

pytestmark = [
    pytest.mark.xdist_group("booted-ansible"),
    pytest.mark.skipif(not bases.thorough(), reason="minutes on a booted machine, with ansible-core from PyPI"),
]
BASE = (
    *bases.BOOTED,
    *("gunicorn", "openssl", "python3-alembic", "python3-fastjsonschema", "python3-flask", "python3-jinja2"),
    *("python3-jsonschema", "python3-sqlalchemy", "python3-structlog"),
)
PORT = 8443
SSH = """\
#!/bin/sh
# Enters the machine instead of connecting to it: ssh [OPTION ...] HOST COMMAND.
for command; do :; done
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
exec nsenter -t {leader} -a sh -c "$command"
"""


@dataclass(frozen=True, kw_only=True)
class Site:
    """A booted machine, and the directory of a playbook for it."""

    machine: Booted
    directory: Path
    program: Path

    def play(self, *options: str, code: int = 0, **variables: object) -> dict[str, int]:
        """Run both roles, with this exit status; return the number of tasks by their result."""
        (self.directory / "variables.json").write_text(json.dumps(variables))
        command = [self.program, "-i", "server,", "-e", "@variables.json", *options, "playbook.yml"]
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))},
            "ANSIBLE_ROLES_PATH": str(CHECKOUT / "ansible/roles"),
            "ANSIBLE_SSH_EXECUTABLE": str(self.directory / "ssh"),
            "ANSIBLE_SSH_TRANSFER_METHOD": "piped",
            "ANSIBLE_NOCOLOR": "1",
            "HOME": str(self.directory),
        }
        done = subprocess.run(
            [str(word) for word in command],
            cwd=self.directory,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        assert done.returncode == code, done.stdout[-6000:] + done.stderr[-2000:]
        assert "secret-of" not in done.stdout + done.stderr
        return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", done.stdout.rpartition("RECAP")[2])}


@pytest.fixture(scope="module")
def program() -> Path:
    """Return ansible-playbook of the pinned ansible-core, installed if missing."""
    place = CHECKOUT / ".venv/ansible"
    if not (place / "bin/python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    group = subprocess.run(
        [sys.executable, str(CHECKOUT / "tools/dependency_group"), "ansible"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    pip = [str(place / "bin/pip"), "--quiet", "--disable-pip-version-check", "install", *group]
    subprocess.run(pip, check=True)
    return place / "bin/ansible-playbook"


@pytest.fixture
def site(codename: str, deb: Path, program: Path, tmp_path: Path) -> Iterator[Site]:
    authority = Authority.make(tmp_path / "ca")
    certificate = authority.sign("localhost")
    with booted(bases.base(codename, BASE)) as machine:
        machine.check("rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*")
        repository = tmp_path / "repository"
        publish = [CHECKOUT / "tools/publish", "--keys", tmp_path / "keys", "--uri", "file:/srv/repository", repository]
        packages = [deb, next(deb.parent.glob("maestro-endpoint_*_all.deb"))]
        subprocess.run([str(word) for word in (*publish, *packages)], check=True, stdout=subprocess.DEVNULL)
        shutil.copytree(repository, machine.path("/srv/repository"))
        (tmp_path / "maestro-agent.sources").write_text((repository / "maestro-agent.sources").read_text())
        (tmp_path / "ca.pem").write_text(authority.file.read_text())
        (tmp_path / "server.pem").write_text(certificate.file.read_text())
        (tmp_path / "server.key").write_text(certificate.key.read_text())
        (tmp_path / "playbook.yml").write_text(yaml.safe_dump([_play()]))
        (tmp_path / "ssh").write_text(SSH.format(leader=machine.leader))
        (tmp_path / "ssh").chmod(0o755)
        yield Site(machine=machine, directory=tmp_path, program=program)


def _play() -> dict[str, Any]:
    return {
        "hosts": "server",
        "gather_facts": True,
        "roles": [
            {
                "role": "maestro_endpoint",
                "vars": {
                    "maestro_endpoint_sources_file": "maestro-agent.sources",
                    "maestro_endpoint_config": {"server": {"listen": f"0.0.0.0:{PORT}"}},
                    "maestro_endpoint_certificate_file": "server.pem",
                    "maestro_endpoint_key": "{{ lookup('file', 'server.key') }}",
                },
            },
            {
                "role": "maestro_agent",
                "vars": {
                    "maestro_agent_sources_file": "maestro-agent.sources",
                    "maestro_agent_ca_file": "ca.pem",
                    "maestro_agent_config": {
                        "agent": {"tags": ["web", "customer-1"]},
                        "endpoint": {"url": f"https://127.0.0.1:{PORT}", "interval": "1m"},
                        "windows": {"night": "Sat 02:00-04:00 Europe/Berlin"},
                    },
                },
            },
        ],
    }


@pytest.mark.every_release
def test_the_roles_bring_a_host_to_the_endpoint_and_a_second_run_changes_nothing(site: Site) -> None:
    checked_first = site.play("--check")
    untouched = [site.machine.version(name) for name in ("maestro-agent", "maestro-endpoint")]
    first = site.play()
    token = site.machine.check("maestro-endpoint token add --name tests").strip()
    with_token = site.play(maestro_agent_token=token)
    again = site.play(maestro_agent_token=token)
    checked = site.play("--check", "--diff", maestro_agent_token=token)
    differs = site.play("--check", maestro_agent_token=f"{token}x")
    site.machine.check("maestro-agent check --wait >/dev/null; maestro-agent report --send")
    fleet = json.loads(site.machine.check("maestro-endpoint fleet --json"))["hosts"]

    assert (checked_first["failed"], untouched) == (0, [None, None])
    assert first["changed"] > 6
    assert [counts["changed"] for counts in (with_token, again, checked, differs)] == [3, 0, 0, 2], (
        "the last two: the token, and the reload"
    )
    assert len(fleet) == 1
    assert site.machine.check("stat -c '%a %U %G' /etc/maestro-agent/token") == "640 root maestro-agent\n"
    assert site.machine.check("systemctl is-active maestro-agent maestro-endpoint") == "active\nactive\n"
    shown = json.loads(site.machine.check("maestro-agent config show --json"))["values"]["agent.tags"]
    assert shown == {"value": ["web", "customer-1"], "source": "/etc/maestro-agent/config.d/50-ansible.toml"}


def test_a_configuration_is_judged_with_the_other_files_of_the_host_at_each_run(site: Site) -> None:
    window = {"windows": {"night": "Sat 02:00-04:00 Europe/Berlin"}}
    reboot = {"reboot": {"policy": "window", "window": "night"}}
    file = site.machine.path("/etc/maestro-agent/config.d/50-ansible.toml")

    site.play(maestro_agent_config=window)
    site.machine.write("/etc/maestro-agent/config.d/60-local.toml", '[reboot]\npolicy = "window"\nwindow = "night"\n')
    before = file.read_text()
    refused = site.play(code=2, maestro_agent_config={})
    kept = file.read_text()
    site.machine.check("mv /etc/maestro-agent/config.d/50-ansible.toml /etc/maestro-agent/config.d/10-window.toml")
    written = site.play(maestro_agent_config=reboot)
    site.machine.check("rm /etc/maestro-agent/config.d/10-window.toml")
    unchanged = site.play(code=2, maestro_agent_config=reboot)

    assert (refused["failed"], kept) == (1, before)
    assert (written["failed"], unchanged["failed"], unchanged["changed"]) == (0, 1, 0)
