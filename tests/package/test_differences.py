"""docs/differences.md is what the table of worlds says; `python3 -m tests.package.test_differences` writes it anew."""

import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.conftest import CHECKOUT
from tests.scenarios.table import THEMES, WORLDS
from tests.support.invariants import broken_laws
from tests.support.repository import package
from tests.support.world import Came, State, World

PAGE = CHECKOUT / "docs/differences.md"
HEAD = """# How it differs from unattended-upgrades

Each scenario below is run on two machines alike, one with maestro-agent and one with the distribution's own
unattended-upgrades, both allowed the same origins and otherwise as they come, and what came of it is read from dpkg
(`tests/machines/test_differential.py`: Debian 12 and 13, and testing in the full run). A difference that is not on this
page fails the tests, and so does one on this page that has gone. In none of them does maestro-agent take a package from
an origin that is not allowed, remove one, or touch a hold. (Superseded kernels, which it does remove, have tests of
their own.)

The page is made from the tests' own table (`python3 -m tests.package.test_differences`).
"""


def page() -> str:
    """Return the page."""
    differing = [world for world in WORLDS if world.differs is not None]
    silent = [world for world in WORLDS if world.differs is None and world.code and not world.peer_code]
    alike = [world for world in WORLDS if world.differs is None and world not in silent]
    parts = [HEAD, f"Of {len(WORLDS)} scenarios {len(differing)} end differently.\n", "## Where they differ\n"]
    for theme, worlds in THEMES.items():
        told = [difference(world) for world in worlds if world.differs is not None]
        parts += [f"### {theme}\n", *told] if told else []
    parts += [
        "## Where they do the same, and unattended-upgrades calls it a success\n",
        "It ends with exit code 0. maestro-agent names the reason and ends with 10 (something was held back) or 3\n"
        "(nothing can be known).\n",
        listing(silent),
        "## Where they do the same\n",
        listing(alike),
    ]
    return "\n".join(parts)


def difference(world: World) -> str:
    """Return one difference as a paragraph."""
    assert world.differs is not None
    ours, theirs = (spell(came) for came in (world.came, world.differs.peer))
    better = "Here unattended-upgrades does better. " if world.differs.conceded else ""
    told = f"**{sentence(world.title)}.** {better}{world.differs.because}"
    return (
        f"{textwrap.fill(told, 120)}\n\n"
        f"- maestro-agent: {ours}; exit code {world.code}\n"
        f"- unattended-upgrades: {theirs}; exit code {world.peer_code}\n"
    )


def listing(worlds: list[World]) -> str:
    """Return titles as a list, with our exit code and reasons."""
    return "".join(f"- {sentence(world.title)}.{reasons(world)}\n" for world in worlds)


def reasons(world: World) -> str:
    """Return why packages are held, in the words of the documents."""
    return f" (`{'`, `'.join(sorted(set(world.held.values())))}`)" if world.held else ""


def spell(came: Came) -> str:
    """Return what came of a run in words."""
    return ", ".join(changes(came)) or "nothing changes"


def changes(came: Came) -> Iterator[str]:
    """Return each change in words."""
    for name, now in sorted(came.items()):
        if not name.startswith("/"):
            yield f"`{name}` removed" if now == "gone" else f"`{name}` {now}"
        elif name == "/hooks":
            times = len(now.splitlines())
            yield "the hook called " + ("once" if times == 1 else f"{times} times")
        else:
            yield f"`{name}` written"


def sentence(title: str) -> str:
    """Return a title with a capital."""
    return title[0].upper() + title[1:]


def test_the_page_is_what_the_table_says() -> None:
    assert PAGE.read_text() == page()


def test_every_world_has_a_name_of_its_own() -> None:
    assert [name for name, times in Counter(world.slug for world in WORLDS).items() if times > 1] == []


def test_a_listed_difference_is_one_and_is_argued() -> None:
    for world in WORLDS:
        if world.differs is not None:
            assert world.differs.peer != world.came, world.title
            assert len(world.differs.because.split()) >= 8, world.title


BEFORE = State(
    packages={"a": "1", "h": "1", "m": "1"}, automatic=frozenset({"m"}), held=frozenset({"h"}), files={}, audit=""
)
OFFERS = {"security": (package("a", "2"), package("h", "2"), package("n", "1")), "updates": (package("a", "3"),)}


def test_the_laws_are_content_with_an_update_and_what_it_needs() -> None:
    after = replace(BEFORE, packages={**BEFORE.packages, "a": "2", "n": "1"}, automatic=frozenset({"m", "n"}))

    assert broken_laws(World(title="", offers=OFFERS), BEFORE, after) == []


@pytest.mark.parametrize(
    ("after", "broken"),
    [
        (replace(BEFORE, packages={**BEFORE.packages, "a": "3"}), "from an origin that is not allowed: a"),
        (replace(BEFORE, packages={**BEFORE.packages, "new": "1"}), "from an origin that is not allowed: new"),
        (replace(BEFORE, packages={"h": "1", "m": "1"}), "removed: a"),
        (replace(BEFORE, packages={**BEFORE.packages, "a": "config-files 1"}), "removed: a"),
        (replace(BEFORE, packages={**BEFORE.packages, "h": "2"}), "on hold and touched: h"),
        (replace(BEFORE, held=frozenset()), "hold set or taken back: h"),
        (replace(BEFORE, automatic=frozenset()), "marked otherwise: m"),
        (replace(BEFORE, automatic=frozenset({"m", "a"})), "marked otherwise: a"),
        (replace(BEFORE, audit="a is half configured"), "left unfinished: a is half configured"),
    ],
)
def test_every_law_notices_when_it_is_broken(after: State, broken: str) -> None:
    assert broken_laws(World(title="", offers=OFFERS), BEFORE, after) == [broken]


if __name__ == "__main__":
    PAGE.write_text(page())
