"""Every example of the help, of the manual page and of the operators' pages is a command line that parses."""

import importlib
import re
import shlex

import pytest

from agent.cli.command_line import COMMANDS, parse
from tests.conftest import CHECKOUT

PAGES = ("docs/maestro-agent.8", "docs/maestro-agent.toml.5", "docs/docker.md", "docs/weave.md", "docs/reboots.md")
_ID = "0123456789ab"


def help_examples() -> list[str]:
    """Return the commands of each command's example."""
    found = []
    for verb in sorted(set(COMMANDS) - {"help"}):
        text = importlib.import_module(f"agent.cli.{verb.replace('-', '_')}").EXAMPLE.removeprefix("example: ")
        found += re.split(r"; ", text.partition("   (")[0])
    return found


def page_examples(page: str) -> list[str]:
    """Return the lines of a page that are commands, without their prompt and comment."""
    text = (CHECKOUT / page).read_text().replace("\\-", "-").replace("\\(dq", '"')
    lines = re.findall(r"(?m)^(?:    )?(?:# )?(?:\w+=\$\()?(maestro-agent [a-z].*)$", text)
    return [part.strip() for line in lines for part in line.partition("  #")[0].rstrip(")").split("; ")]


def words(example: str) -> list[str]:
    """Return the arguments of a command, up to a pipe."""
    return shlex.split(example.partition(" |")[0].replace('"$plan"', _ID))[1:]


EXAMPLES = [(page, one) for page in PAGES for one in page_examples(page)]


@pytest.mark.parametrize("example", [one for one in help_examples() if one.startswith("maestro-agent ")])
def test_an_example_of_the_help_parses(example: str) -> None:
    assert parse(words(example)).verb in COMMANDS


@pytest.mark.parametrize(("page", "example"), EXAMPLES, ids=[one for _, one in EXAMPLES])
def test_an_example_of_a_page_parses(page: str, example: str) -> None:
    assert parse(words(example)).verb in COMMANDS, page


def test_the_pages_have_examples_of_upgrades_of_engines() -> None:
    shown = {one for _, one in EXAMPLES}

    assert {"maestro-agent docker plan --json | jq -r .id", 'maestro-agent docker upgrade --plan "$plan"'} <= shown
