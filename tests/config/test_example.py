"""config.example.toml is the reference of the configuration: it is complete and matches the defaults."""

import re
from pathlib import Path

import pytest

from agent.cli.config import format_value
from agent.config.fragments import read_fragments
from agent.config.load import load, merge, to_policy
from agent.config.schema import KEYS, Key
from agent.core.policy.distro import Distro, default_origins

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "config.example.toml"
DEBIAN = Distro(id="debian", codename="bookworm", version="12")
UBUNTU = Distro(id="ubuntu", codename="noble", version="24.04")


def commented() -> str:
    """Return the commented-out values of the example."""
    return "\n".join(line[4:] for line in EXAMPLE.read_text().splitlines() if line.startswith("#   "))


def test_the_example_lists_every_key_with_its_default() -> None:
    _, inputs = load(EXAMPLE, DEBIAN)

    for name, default in merge((), DEBIAN).items():
        assert inputs[name].value == default.value
        # a default that depends on the distribution can only be a comment in the example
        assert (inputs[name].source == str(EXAMPLE)) is (default.key.default is not None), name


@pytest.mark.parametrize("distro", [DEBIAN, UBUNTU], ids=lambda distro: distro.id)
def test_the_example_unchanged_equals_the_defaults(distro: Distro) -> None:
    policy, _ = load(EXAMPLE, distro)

    assert policy == to_policy(merge((), distro), distro)


@pytest.mark.parametrize("distro", [DEBIAN, UBUNTU], ids=lambda distro: distro.id)
def test_the_example_shows_the_default_origins_of_a_distribution(distro: Distro, tmp_path: Path) -> None:
    lists = [
        f"[security]\n{found}" for found in re.findall(r"origins = \[.*?\]$", commented(), re.DOTALL | re.MULTILINE)
    ]
    shown = []
    for text in lists:
        (tmp_path / "one.toml").write_text(text)
        (fragment,) = read_fragments(tmp_path / "one.toml")
        shown.append(fragment.tables)

    assert {"security": {"origins": list(default_origins(distro))}} in shown


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.path)
def test_every_key_has_a_comment_above_it(key: Key) -> None:
    lines = EXAMPLE.read_text().splitlines()
    places = [number for number, line in enumerate(lines) if re.match(rf"(#   )?{key.name} = ", line)]

    assert places
    assert all(lines[place - 1].startswith("# ") for place in places)


def test_sections_are_in_the_order_of_the_schema() -> None:
    (fragment,) = read_fragments(EXAMPLE)

    assert list(fragment.tables) == list(dict.fromkeys(key.section for key in KEYS))


@pytest.mark.parametrize("key", [key for key in KEYS if key.default is not None], ids=lambda key: str(key.path))
def test_config_show_output_is_valid_in_a_file(key: Key, tmp_path: Path) -> None:
    assert key.default is not None

    path = tmp_path / "config.toml"
    path.write_text(f"[{key.section}]\n{key.name} = {format_value(key.default)}\n")

    inputs = merge(read_fragments(path), DEBIAN)

    assert inputs[key.path].value == key.default
