"""The manual pages and the README have every command, option and key of the configuration, each in its own place."""

import re
import sys
from enum import Enum

import pytest

from agent.cli.command_line import COMMANDS
from agent.config.schema import KEYS
from agent.core.requests.model import Verb
from tests.cli.parsers import VERBS, actions, keywords
from tests.conftest import CHECKOUT

if sys.version_info >= (3, 11):
    import tomllib
else:  # Ubuntu 22.04
    import tomli as tomllib

AS_ANOTHER = {"weave": "docker"}
"""Commands whose entry refers to that of another one."""
GLOBAL = {"-h", "--help", "--config", "--state-dir"}
CHOICES = {
    "requests.allow": {verb.value for verb in Verb},
    **{key.path: {one.value for one in type(key.default)} for key in KEYS if isinstance(key.default, Enum)},
}
"""The known values of a key."""
README = (CHECKOUT / "README.md").read_text()


def page(name: str) -> str:
    """Return a page without changes of its font and places of its hyphenation, and with plain dashes and quotes."""
    text = (CHECKOUT / f"docs/{name}").read_text()
    return re.sub(r"\\f[A-Z]|\\:", "", text).replace("\\-", "-").replace("\\(dq", '"')


def section(title: str) -> str:
    return page("maestro-agent.8").partition(f"\n.SH {title}\n")[2].partition("\n.SH ")[0]


def has(text: str, word: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) is not None


def entries() -> dict[str, str]:
    """Return what the page has on each command, by command."""
    parts = re.split(r"(?m)^\.TP\n(?=\.B[RI]? \"?(?:" + "|".join(COMMANDS) + r")\b)", section("COMMANDS"))[1:]
    return {re.split(r"[ \"]+", part)[1]: part for part in parts}


def test_the_page_has_an_entry_for_every_command_and_no_other() -> None:
    assert entries().keys() == set(COMMANDS)


@pytest.mark.parametrize("verb", VERBS)
def test_an_entry_has_every_option_and_every_known_value_of_its_command(verb: str) -> None:
    text = entries()[verb] + entries().get(AS_ANOTHER.get(verb, ""), "")

    own = [action for action in actions(verb) if GLOBAL.isdisjoint(action.option_strings)]
    options = [action.option_strings for action in own if action.option_strings]
    values = [*keywords(verb), *(str(value) for action in own for value in action.choices or ())]

    assert [names for names in options if not any(has(text, name) for name in names)] == []
    assert [value for value in values if not has(text, value)] == []


def test_every_option_is_on_the_page_in_each_of_its_forms() -> None:
    text = page("maestro-agent.8")
    options = {option for verb in VERBS for action in actions(verb) for option in action.option_strings}

    assert [option for option in sorted(options) if not has(text, option)] == []


@pytest.mark.parametrize("option", sorted(GLOBAL - {"-h"}))
def test_options_of_every_command_have_an_entry(option: str) -> None:
    assert re.search(rf"(?m)^\.TP\n\.B[RI]? .*{option}\b", section("OPTIONS"))


def test_the_page_of_the_configuration_has_every_section_and_key_and_no_other() -> None:
    _, *parts = re.split(r"(?m)^\.SH \[([a-z_.]+)\].*\n", page("maestro-agent.toml.5"))
    text = "".join(part.partition("\n.SH ")[0] for part in parts[1::2])
    headings = re.findall(r"(?m)^\.TP\n\.B[RI]? (.*)$", text)
    named = [found for heading in headings for found in re.findall(r"(?<![\w/])[a-z_]+\.[a-z_0-9]+\b", heading)]

    assert sorted(named) == sorted(key.path for key in KEYS)
    assert set(parts[::2]) == {"windows", *(key.section for key in KEYS)}


@pytest.mark.parametrize("key", sorted(CHOICES))
def test_the_entry_of_a_key_has_each_of_its_known_values(key: str) -> None:
    (entry,) = [part for part in page("maestro-agent.toml.5").split("\n.TP\n") if part.startswith(f".BR {key} ")]

    assert {value for value in CHOICES[key] if not has(entry, value)} == set()


@pytest.mark.parametrize("verb", VERBS)
def test_the_readme_has_every_command(verb: str) -> None:
    assert re.search(rf"(maestro-agent |`){verb}(?![\w-])", README)


@pytest.mark.parametrize("text", re.findall(r"(?s)```toml\n(.*?)```", README))
def test_the_settings_in_the_readme_exist(text: str) -> None:
    found = tomllib.loads(text)

    named = {f"{section}.{name}" for section in found.keys() - {"windows"} for name in found[section]}
    assert named <= {key.path for key in KEYS}
