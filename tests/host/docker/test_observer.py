"""A machine without Docker pays nothing for it, and odd installations are recognised."""

import subprocess
import sys
from pathlib import Path

import pytest

from agent.host.docker.presence import docker_signs, rootless_users, weave_signs
from agent.host.docker.unit import engine_process

CHECKOUT = Path(__file__).resolve().parents[3]
_WITHOUT = """
import sys
from agent.core.model.docker import NO_DOCKER
from agent.core.model.weave import NO_WEAVE
from agent.host.docker import observer
observer.docker_signs = lambda: False
observer.weave_signs = lambda: False
engines = observer.LocalEngines()
assert engines.docker() is NO_DOCKER
assert engines.weave(NO_DOCKER) is NO_WEAVE
print([one for one in sys.modules if one in {"http.client", "subprocess", "apt_pkg"}
       or one.startswith(("agent.host.docker.", "agent.host.weave."))])
"""


def test_without_docker_nothing_that_reads_it_is_imported() -> None:
    done = subprocess.run([sys.executable, "-c", _WITHOUT], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.strip() == "['agent.host.docker.presence', 'agent.host.docker.observer']"


def test_an_empty_machine_has_no_signs(tmp_path: Path) -> None:
    assert not docker_signs(str(tmp_path))
    assert not weave_signs(str(tmp_path))


@pytest.mark.parametrize(
    "path",
    [
        "usr/bin/dockerd",
        "snap/bin/docker",
        "run/docker.sock",
        "var/lib/dpkg/info/docker.io.list",
        "run/user/1000/docker.sock",
    ],
)
def test_each_installation_leaves_a_sign(tmp_path: Path, path: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text("")
    assert docker_signs(str(tmp_path))


def test_users_with_an_engine_of_their_own_are_found(tmp_path: Path) -> None:
    for user, name in (("1000", "docker.sock"), ("1001", "bus")):
        (tmp_path / "run/user" / user).mkdir(parents=True)
        (tmp_path / "run/user" / user / name).write_text("")
    assert rootless_users(str(tmp_path)) == ("1000",)


@pytest.mark.parametrize("text", ["", "x", "1", "4194305", "-1"])
def test_a_process_file_counts_only_if_that_process_is_an_engine(tmp_path: Path, text: str) -> None:
    (tmp_path / "docker.pid").write_text(text)
    assert engine_process(str(tmp_path / "docker.pid")) is None
