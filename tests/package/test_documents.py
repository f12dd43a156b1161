"""Documents name files of this project only, and files that exist."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cli.command_line import COMMANDS
from tests.conftest import CHECKOUT
from tests.endpoint.commands import commands

PAGES = sorted(
    path.relative_to(CHECKOUT).as_posix()
    for path in (*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md"))
    if path.name != "CHANGELOG.md"
)
PATHS = re.compile(
    r"`((?:agent|benchmarks|bin|completion|debian|docs|endpoint|schemas|systemd|tests|tools|typings)/[\w./@-]*)`"
)
LINKS = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
OUTSIDE = re.compile(r"(?<![\w-])shared" + r"(?:/| notes)")
"""A folder of notes that was never part of the project."""
MODULES = re.compile(r"(?<![\w/.-])((?:agent|endpoint|tests|benchmarks)/[\w/]+\.py)")


def text_files() -> list[Path]:
    """Return the files of the project that git tracks, or all where this is no clone."""
    listed = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=False).stdout
    names = listed.split() or [path.relative_to(CHECKOUT).as_posix() for path in CHECKOUT.rglob("*")]
    return [CHECKOUT / name for name in names if (CHECKOUT / name).is_file()]


@pytest.mark.parametrize("page", PAGES)
def test_every_path_in_a_document_exists(page: str) -> None:
    named = PATHS.findall((CHECKOUT / page).read_text())

    assert [path for path in named if not (CHECKOUT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_between_documents_resolves(page: str) -> None:
    links = LINKS.findall((CHECKOUT / page).read_text())

    assert [link for link in links if not (CHECKOUT / page).parent.joinpath(link).exists()] == []


def test_the_architecture_names_every_room() -> None:
    text = (CHECKOUT / "docs/architecture.md").read_text()
    rooms = [path.name for path in (CHECKOUT / "agent").iterdir() if path.is_dir() and path.name != "__pycache__"]

    assert [room for room in rooms if f"`agent/{room}/`" not in text] == []


@pytest.mark.parametrize(
    ("program", "command"),
    [
        *(("maestro-agent", command) for command in COMMANDS if command != "help"),
        # `serve` is what the service runs: only its unit and the manual page name it.
        *(
            ("maestro-endpoint", command)
            for command in commands()
            if command not in ("", "serve") and " " not in command
        ),
    ],
)
def test_every_command_is_in_the_readme_or_a_page(program: str, command: str) -> None:
    pages = [page for page in PAGES if page != "CONTRIBUTING.md" and not page.startswith("docs/adr/")]
    named = re.compile(rf"(?:{program} |`){command}(?![\w-])")

    assert any(named.search((CHECKOUT / page).read_text()) for page in pages)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_a_newcomer_is_led_to_the_architecture(page: str) -> None:
    assert "(docs/architecture.md)" in (CHECKOUT / page).read_text()


def lines_with(pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Yield the place and the match of every line of the project that has one."""
    for path in text_files():
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            for match in pattern.finditer(line):
                yield f"{path.relative_to(CHECKOUT)}:{number}", match[0]


def test_no_file_refers_to_notes_outside_the_project() -> None:
    assert [place for place, _ in lines_with(OUTSIDE)] == []


def test_every_module_named_in_a_docstring_or_comment_exists() -> None:
    assert [found for found in lines_with(MODULES) if not (CHECKOUT / found[1]).exists()] == []


def test_the_sample_in_the_readme_has_the_labels_of_status() -> None:
    sample = (CHECKOUT / "README.md").read_text().partition("# maestro-agent status\n")[2].partition("```")[0]
    golden = [
        line for path in (CHECKOUT / "tests/golden").glob("status*.txt") for line in path.read_text().splitlines()
    ]
    labels = {re.split(r" {2,}", line)[0] for line in golden if re.match(r"[A-Z]", line)}

    shown = [re.split(r" {2,}", line)[0] for line in sample.splitlines() if re.match(r"[A-Z]", line)]

    assert len(shown) >= 7
    assert [label for label in shown if label not in labels] == []
