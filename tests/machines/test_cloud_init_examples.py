"""The examples of user data: accepted by cloud-init itself, and what they configure by the agent."""

from pathlib import Path

import pytest
import yaml

from tests.conftest import CHECKOUT
from tests.support import bases
from tests.support.machine import machine
from tests.support.scenario import Scenario

EXAMPLES = sorted((CHECKOUT / "docs/examples").glob("cloud-init*.yaml"))
BASE = (*bases.BOOTED, "cloud-init")


def test_cloud_init_accepts_the_examples(codename: str, agent_layer: Path) -> None:
    assert len(EXAMPLES) >= 2
    with machine(agent_layer, bases.base(codename, BASE)) as running:
        for example in EXAMPLES:
            running.write(f"/srv/{example.name}", example.read_text())
            done = running.run(f"cloud-init schema -c /srv/{example.name}")
            print(done.stdout, done.stderr)
            assert done.returncode == 0, (example.name, done.stdout, done.stderr)
            assert "eprecated" not in done.stdout
        running.write("/srv/wrong.yaml", "#cloud-config\nwrite_files: yes\n")
        assert running.run("cloud-init schema -c /srv/wrong.yaml").returncode != 0


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_what_an_example_writes_is_a_valid_configuration(host: Scenario, example: Path) -> None:
    host.machine.check("getent group maestro-agent || groupadd --system maestro-agent")
    for file in yaml.safe_load(example.read_text())["write_files"]:
        host.machine.write(file["path"], file["content"], int(file["permissions"], 8))

    checked, shown = host.agent("config check"), host.agent("config show --json")

    assert checked.code == 0, checked
    assert "first_boot" in shown.out
