"""docs/docker-cases.md: every case is there once, and every test that it names exists."""

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PAGE = (CHECKOUT / "docs/docker-cases.md").read_text()
ROWS = re.findall(r"(?m)^\| ((?:Seen-)?[DWBIM]\d+) \| [^|]+ \| ([^|]+) \|$", PAGE)
NUMBERS = {
    "D": "1-4 6-8 10-12 14-17 20-30 40-44 46 47 49-53 55 56 58 60-62 64 65 67-74",
    "W": "1-7 9-15 17-20 22 23",
    "B": "1-5 7",
    "Seen-W": "1-9",
    "Seen-I": "1-16",
    "Seen-M": "1-6",
}
"""The numbers of the cases: docker-weave.md, section 5; weave-behaviour.md, section 1."""


def _expected() -> list[str]:
    found = []
    for prefix, numbers in NUMBERS.items():
        for part in numbers.split():
            first, _, last = part.partition("-")
            found += [f"{prefix}{number}" for number in range(int(first), int(last or first) + 1)]
    return found


def test_every_case_is_on_the_page_once() -> None:
    assert [case for case, _ in ROWS] == _expected()


@pytest.mark.parametrize(("case", "cell"), ROWS, ids=[case for case, _ in ROWS])
def test_every_test_on_the_page_exists(case: str, cell: str) -> None:
    for part in cell.split("<br>"):
        if part.startswith("`"):
            path, _, name = part.strip("`").partition("::")
            assert re.search(rf"(?m)^def {name}\(", (CHECKOUT / path).read_text()), f"{case}: {part}"
        else:
            assert re.match(r"not yet($|: )|cannot be run: ", part), f"{case}: {part}"
