"""The Ansible roles, without Ansible: variables are described, secrets are not shown, and the template writes TOML.

tests/machines/test_ansible.py runs them.
"""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from tests.conftest import CHECKOUT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROLES = sorted((CHECKOUT / "ansible/roles").iterdir())
TABLES: dict[str, dict[str, object]] = {
    "agent": {"tags": ["web", "größe \U0001f600"], "upgrade": False},
    "endpoint": {},
    "limits": {"burst": 240, "share": 0.5},
    "locks": {"groups": {"default": 1, "two words": 2}, "none": {}},
    "soak": {"override": [{"match": "a-*", "security": "1d"}]},
    "windows": {"night": 'a "quoted" \\ text\twith\nlines'},
}


def of(role: Path, name: str) -> Any:
    return yaml.safe_load((role / name).read_text())


def tasks(role: Path) -> list[dict[str, Any]]:
    files = [file for name in ("tasks", "handlers") for file in sorted((role / name).iterdir())]
    return [task for file in files for task in yaml.safe_load(file.read_text())]


def test_there_is_a_role_for_each_package() -> None:
    assert [role.name for role in ROLES] == ["maestro_agent", "maestro_endpoint"]


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_each_variable_is_described_and_used(role: Path) -> None:
    options = of(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    used = "".join(file.read_text() for file in (role / "tasks").iterdir())

    assert of(role, "defaults/main.yml") == {name: option["default"] for name, option in options.items()}
    assert [name for name in options if not name.startswith(role.name) or name not in used] == []
    assert [name for name, option in options.items() if not option["description"]] == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_task_that_has_a_secret_does_not_show_it(role: Path) -> None:
    options = of(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    secrets = {name for name, option in options.items() if option.get("no_log")}

    shows = [
        task["name"]
        for task in tasks(role)
        if any(name in str(task.get("ansible.builtin.copy", {}).get("content", "")) for name in secrets)
        and not task.get("no_log")
    ]

    assert (bool(secrets), shows) == (True, [])


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_the_template_writes_the_tables_as_toml(role: Path) -> None:
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - as Ansible does
    environment.filters["to_json"] = json.dumps
    template = environment.from_string((role / "templates/config.toml.j2").read_text())

    written = template.render(maestro_tables=TABLES)

    assert tomllib.loads(written) == {name: table for name, table in TABLES.items() if table}
    assert "\n\n\n" not in written


AGENT = f"""\
#!/bin/sh
PYTHONPATH={shlex.quote(str(CHECKOUT))} exec /usr/bin/python3 -m agent "$@"
"""
WINDOW = '[windows]\nnight = "Sat 02:00-04:00 Europe/Berlin"\n'
REBOOT = '[reboot]\npolicy = "window"\nwindow = "night"\n'


def validated(fragment: str, others: dict[str, str], place: Path) -> int:
    """Return the exit status of the command that judges a new fragment on a host with these other files."""
    etc, temporary = place / "etc", place / "tmp"
    for directory in (etc / "config.d", temporary, place / "bin"):
        directory.mkdir(parents=True)
    (place / "bin/maestro-agent").write_text(AGENT)
    (place / "bin/maestro-agent").chmod(0o755)
    (place / "new").write_text(fragment)
    for name, text in others.items():
        (etc / name).write_text(text)
    (write,) = (task for task in tasks(ROLES[0]) if task["name"] == "Write the configuration")
    command = write["ansible.builtin.template"]["validate"].replace("/etc/maestro-agent", str(etc)) % (place / "new")

    environment = {**os.environ, "PATH": f"{place}/bin:{os.environ['PATH']}", "TMPDIR": str(temporary)}
    code = subprocess.run(shlex.split(command), env=environment, check=False).returncode

    assert {file.relative_to(etc).as_posix(): file.read_text() for file in etc.rglob("*.toml")} == others
    assert list(temporary.iterdir()) == []
    return code


@pytest.mark.parametrize(
    ("fragment", "others", "code"),
    [
        (WINDOW, {}, 0),
        (REBOOT, {}, 78),
        (REBOOT, {"config.d/10-provision.toml": WINDOW}, 0),
        (REBOOT, {"config.toml": WINDOW}, 0),
        ("", {"config.d/60-local.toml": REBOOT}, 78),
        ("", {"config.d/50-ansible.toml": WINDOW, "config.d/60-local.toml": REBOOT}, 78),
        (WINDOW, {"config.d/50-ansible.toml": "typo = 1\n", "config.d/60-local.toml": REBOOT}, 0),
    ],
    ids=["alone", "alone-wrong", "needs-another", "needs-the-main", "is-missed", "drops-what-is-missed", "repairs"],
)
def test_a_fragment_is_judged_together_with_the_other_files_of_the_host(
    fragment: str, others: dict[str, str], code: int, tmp_path: Path
) -> None:
    assert validated(fragment, others, tmp_path) == code
