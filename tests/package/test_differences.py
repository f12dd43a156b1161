"""docs/differences.md is generated from the scenarios: `python3 -m tests.package.test_differences`."""

import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.conftest import CHECKOUT
from tests.scenarios.table import THEMES, WORLDS
from tests.support.invariants import broken_invariants
from tests.support.repository import package
from tests.support.world import Changes, State, World

PAGE = CHECKOUT / "docs/differences.md"
HEAD = """# How it differs from unattended-upgrades

Each scenario runs on two identical machines, one with maestro-agent and one with the distribution's
unattended-upgrades. Both have the same allowed origins and otherwise default settings. The result is read from dpkg
(`tests/machines/test_differential.py`: on Debian 12, one of each theme on 13, and all of them on 12, 13 and testing
in the full run). The tests fail if a difference is missing on this page, or if one on this page no longer exists. In
no scenario does maestro-agent install a package from an origin that is not allowed, remove a package, or change a
hold. (Obsolete kernels, which it does remove, are tested separately.)

This page is generated from the tests: `python3 -m tests.package.test_differences`.
"""


def page() -> str:
    """Return the page."""
    differing = [world for world in WORLDS if world.differs is not None]
    silent = [world for world in WORLDS if world.differs is None and world.code and not world.peer_code]
    alike = [world for world in WORLDS if world.differs is None and world not in silent]
    parts = [HEAD, f"Of {len(WORLDS)} scenarios, {len(differing)} end differently.\n", "## Different results\n"]
    for theme, worlds in THEMES.items():
        differences = [difference(world) for world in worlds if world.differs is not None]
        parts += [f"### {theme}\n", *differences] if differences else []
    parts += [
        "## Same result, but unattended-upgrades reports success\n",
        "unattended-upgrades exits 0. maestro-agent reports the reason and exits 10 (something is held) or 3\n"
        "(the state is unknown).\n",
        listing(silent),
        "## Same result\n",
        listing(alike),
    ]
    return "\n".join(parts)


def difference(world: World) -> str:
    """Return one difference as a paragraph."""
    assert world.differs is not None
    ours, theirs = (format_result(changes) for changes in (world.changes, world.differs.peer))
    better = "Here unattended-upgrades is better. " if world.differs.conceded else ""
    text = f"**{sentence(world.title)}.** {better}{world.differs.because}"
    return (
        f"{textwrap.fill(text, 120, break_on_hyphens=False)}\n\n"
        f"- maestro-agent: {ours}; exit code {world.code}\n"
        f"- unattended-upgrades: {theirs}; exit code {world.peer_code}\n"
    )


def listing(worlds: list[World]) -> str:
    """Return titles as a list, with the agent's reasons."""
    return "".join(f"- {sentence(world.title)}.{reasons(world)}\n" for world in worlds)


def reasons(world: World) -> str:
    """Return the `why` codes of held packages."""
    return f" (`{'`, `'.join(sorted(set(world.held.values())))}`)" if world.held else ""


def format_result(changes: Changes) -> str:
    """Return the result of a run as text."""
    return ", ".join(change_lines(changes)) or "nothing changes"


def change_lines(changes: Changes) -> Iterator[str]:
    """Return each change as text."""
    for name, now in sorted(changes.items()):
        if not name.startswith("/"):
            yield f"`{name}` removed" if now == "gone" else f"`{name}` {now}"
        elif name == "/hooks":
            times = len(now.splitlines())
            yield "the hook ran " + ("once" if times == 1 else f"{times} times")
        else:
            yield f"`{name}` written"


def sentence(title: str) -> str:
    """Return a title with a capital letter."""
    return title[0].upper() + title[1:]


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page()


def test_every_scenario_has_a_unique_name() -> None:
    assert [name for name, times in Counter(world.slug for world in WORLDS).items() if times > 1] == []


def test_a_listed_difference_exists_and_has_a_reason() -> None:
    for world in WORLDS:
        if world.differs is not None:
            assert world.differs.peer != world.changes, world.title
            assert len(world.differs.because.split()) >= 8, world.title


BEFORE = State(
    packages={"a": "1", "h": "1", "m": "1"}, automatic=frozenset({"m"}), held=frozenset({"h"}), files={}, audit=""
)
OFFERS = {"security": (package("a", "2"), package("h", "2"), package("n", "1")), "updates": (package("a", "3"),)}


def test_no_invariant_is_broken_by_an_update_and_its_dependency() -> None:
    after = replace(BEFORE, packages={**BEFORE.packages, "a": "2", "n": "1"}, automatic=frozenset({"m", "n"}))

    assert broken_invariants(World(title="", offers=OFFERS), BEFORE, after) == []


@pytest.mark.parametrize(
    ("after", "broken"),
    [
        (replace(BEFORE, packages={**BEFORE.packages, "a": "3"}), "from an origin that is not allowed: a"),
        (replace(BEFORE, packages={**BEFORE.packages, "new": "1"}), "from an origin that is not allowed: new"),
        (replace(BEFORE, packages={"h": "1", "m": "1"}), "removed: a"),
        (replace(BEFORE, packages={**BEFORE.packages, "a": "config-files 1"}), "removed: a"),
        (replace(BEFORE, packages={**BEFORE.packages, "h": "2"}), "on hold and changed: h"),
        (replace(BEFORE, held=frozenset()), "hold set or removed: h"),
        (replace(BEFORE, automatic=frozenset()), "automatic mark changed: m"),
        (replace(BEFORE, automatic=frozenset({"m", "a"})), "automatic mark changed: a"),
        (replace(BEFORE, audit="a is half configured"), "left unfinished: a is half configured"),
    ],
)
def test_every_broken_invariant_is_detected(after: State, broken: str) -> None:
    assert broken_invariants(World(title="", offers=OFFERS), BEFORE, after) == [broken]


if __name__ == "__main__":
    PAGE.write_text(page())
