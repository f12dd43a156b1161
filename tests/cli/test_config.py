"""`maestro-agent config`: what it shows is what was written, and it names what it passes over."""

import json
import sys
from pathlib import Path

import pytest

from agent.cli.main import main

if sys.version_info >= (3, 11):
    import tomllib
else:  # Ubuntu 22.04
    import tomli as tomllib


WRITTEN = """\
[agent]
splay = "0s"
[security]
origins = ["origin=Debian,label=", 'label=a\\,b "c"']
[endpoint]
url = "https://endpoint.example.org"
token_file = "/etc/token"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "config.toml").write_text(WRITTEN)
    (tmp_path / "config.d").mkdir()
    return tmp_path


def test_every_shown_value_is_toml_and_reads_back_as_written(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--config", str(config / "config.toml"), "config", "show"])
    shown = tomllib.loads("\n".join(line.partition("    #")[0] for line in capsys.readouterr().out.splitlines()))

    written = tomllib.loads(WRITTEN)
    assert code == 0
    assert {section: {key: shown[section][key] for key in keys} for section, keys in written.items()} == written


@pytest.mark.parametrize("action", ["check", "show"])
def test_drop_ins_that_are_passed_over_are_named(action: str, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config / "config.d" / ".90-mine.toml").write_text("nonsense")
    (config / "config.d" / "90-mine.toml.dpkg-old").write_text("nonsense")

    code = main(["--config", str(config / "config.toml"), "config", action])
    named = capsys.readouterr().err
    main(["--config", str(config / "config.toml"), "config", action, "--json"])
    document = json.loads(capsys.readouterr().out)

    assert code == 0
    assert ".90-mine.toml" in named
    assert "90-mine.toml.dpkg-old" in named
    assert len(document["ignored"]) == 2


@pytest.mark.parametrize("blocked", ["^linux-.*", "nginx:amd64", "Nginx"])
def test_a_pattern_that_blocks_nothing_is_a_configuration_error(
    blocked: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (config / "config.d" / "90.toml").write_text(f'[security]\nblocklist = ["{blocked}"]\n')

    assert main(["--config", str(config / "config.toml"), "config", "check"]) == 78
    assert "did you mean" in capsys.readouterr().err


def test_only_the_configuration_of_the_machine_can_be_accepted(config: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"

    assert main(["--config", str(config / "config.toml"), "--state-dir", str(state), "config", "accept"]) == 2
    assert not state.exists()


@pytest.fixture
def manifest(config: Path) -> Path:
    """Return a manifest that the configuration names."""
    path = config / "manifest.yml"
    path.write_text("docker:\n  configuration:\n    docker_version: 27.10\n")
    (config / "config.d" / "50-docker.toml").write_text(f'[docker]\nmanifest = "{path}"\n')
    return path


def test_the_manifest_is_shown_as_written_with_its_line(
    config: Path, manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--config", str(config / "config.toml"), "config", "show"])
    shown = capsys.readouterr().out.splitlines()
    main(["--config", str(config / "config.toml"), "config", "show", "--json"])
    document = json.loads(capsys.readouterr().out)

    tomllib.loads("\n".join(shown))
    assert f'# manifest: docker_version = "27.10"    # {manifest}:3' in shown
    assert document["manifest"] == {"docker_version": {"value": "27.10", "source": f"{manifest}:3"}}


@pytest.mark.parametrize("action", ["check", "show"])
def test_a_mistake_in_the_manifest_is_a_configuration_error(
    action: str, config: Path, manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest.write_text("docker:\n  configuration:\n    docker_verison: 27.10\n")

    code = main(["--config", str(config / "config.toml"), "config", action])

    message = capsys.readouterr().err
    assert code == 78
    assert f"{manifest}:3: " in message
    assert "docker_verison" in message
