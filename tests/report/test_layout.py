"""Text for people fits the terminal, breaks only between words, and holds nothing that a terminal would act on."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.report.layout import Line, Tone, columns, display_width, field, harmless, lay_out, painted

WIDTHS = (60, 61, 79, 80, 100, 110, 120)
VERSION = "1:1.22.1-9+dfsg-3ubuntu0.22.04.10+esm1"
COMMAND = "`journalctl -fu 'maestro-agent-worker@*'`"
PROSE = f"held back because it needs libssl3 (>= {VERSION}), see ({COMMAND}), and then wait; " * 3


def laid_out(*lines: str, width: int | None) -> list[str]:
    return [text for text, _ in lay_out(lines, width)]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "line",
    [PROSE, f"  {PROSE}", field("Held back", PROSE), *columns([("nginx", "1", PROSE)])],
    ids=("text", "indented", "field", "columns"),
)
def test_a_line_fits_from_sixty_columns_up_and_keeps_versions_and_commands_whole(line: str, width: int) -> None:
    found = laid_out(line, width=width)

    assert len(found) > 1
    assert max(map(len, found)) <= width
    assert " ".join(" ".join(found).split()) == " ".join(line.split())
    assert sum(VERSION in one for one in found) == PROSE.count(VERSION)
    assert sum(one.count(COMMAND) for one in found) == PROSE.count(COMMAND)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("width", WIDTHS)
def test_what_the_encoding_of_a_terminal_lacks_is_escaped_before_lines_are_broken(width: int, encoding: str) -> None:
    foreign = Line("held back: é 日本 “x” … " * 20, more="and {} more")

    found = [text for line in (foreign, str(foreign)) for text, _ in lay_out([line], width, encoding)]

    assert max(len(text.encode(encoding)) if encoding != "utf-8" else display_width(text) for text in found) <= width


@pytest.mark.parametrize(
    "line", [PROSE, field("Held back", PROSE), Line(PROSE, more="and {} more")], ids=("text", "field", "list")
)
def test_without_a_terminal_every_line_stays_whole(line: str) -> None:
    assert len(laid_out(line, width=None)) == 1


def test_continuation_lines_hang_below_the_text() -> None:
    labelled = laid_out(field("Held back", PROSE), width=80)
    plain = laid_out("  " + PROSE, width=80)

    assert {len(line) - len(line.lstrip()) for line in labelled[1:]} == {13}
    assert all(line.startswith("    ") and line[4] != " " for line in plain[1:])


def test_a_relation_stays_whole() -> None:
    text = "needs something-that-nobody-offers (>= 1:2.3.4-5) or another (<< 3), which no source offers"

    assert all("(>= 1:2.3.4-5)" in " ".join(laid_out(text, width=width)) for width in range(45, 60))
    assert not any(line.endswith(("(>=", "(<<")) for width in range(45, 60) for line in laid_out(text, width=width))


@pytest.mark.parametrize("time", ["2026-11-29 04:56 UTC", "2026-11-29 05:56 +01:00"])
def test_a_time_stays_whole(time: str) -> None:
    text = f"on: next check {time}, next upgrade {time}; verified ({time})"

    for width in range(30, 80):
        assert " | ".join(laid_out(text, width=width)).count(time) == 3


def test_a_word_wider_than_the_terminal_stays_whole() -> None:
    uri = "https://mirror.example.org/" + "a" * 100

    assert laid_out(f"  {uri}: not found", width=60) == [f"  {uri}:", "    not found"]


def test_a_hanging_indent_that_leaves_no_room_is_given_up() -> None:
    row = columns([("a-package-with-a-long-name-of-its-own", VERSION, "reason " * 20)])

    assert {len(line) - len(line.lstrip()) for line in laid_out(*row, width=60)[1:]} == {6}


def test_cells_are_aligned_whatever_they_hold() -> None:
    names = ["a", "日本語", "e\u0301e\u0301", "\x1b[31mred"]
    found = columns([(name, "1 -> 2") for name in names])

    assert {display_width(line.partition("1 ->")[0]) for line in found} == {2 + len("?[31mred") + 2}


def test_rows_of_different_length_and_no_rows_are_laid_out() -> None:
    assert columns([]) == []
    assert columns([("a", "b"), ("ccc",), ()]) == ["  a  b", "  ccc", ""]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("count", [1, 2, 7, 60])
def test_a_list_shows_as_many_elements_as_fit(width: int, count: int) -> None:
    line = Line("    " + ", ".join(f"CVE-2026-{number:05}" for number in range(count)), more="and {} more")
    (found,) = laid_out(line, width=width)
    rest = re.search(r"and ([0-9]+) more", found)

    assert len(found) <= width
    assert found.count("CVE-") + int(rest[1] if rest else 0) == count
    assert not rest or len(found) + len(", CVE-2026-00000") + 1 > width


def test_a_list_of_which_no_element_fits_is_wrapped() -> None:
    line = Line(f"{'':30}at least 2 CVEs: CVE-2026-00001, CVE-2026-00002", hang=30, more="and {} more (-v)")

    assert max(map(len, laid_out(line, width=60))) <= 60


@given(st.text())
def test_harmless_text_has_nothing_that_a_terminal_acts_on(text: str) -> None:
    found = harmless(text)

    assert not any(unicodedata.category(one) in {"Cc", "Cs", "Zl", "Zp"} for one in found)
    assert not any(unicodedata.bidirectional(one) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "PDI"} for one in found)
    assert found == found.encode("utf-8").decode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain-1.2~3", "plain-1.2~3"),
        ("\x1b]0;title\x07", "?]0;title?"),
        ("\x9b31m", "?31m"),
        ("a\nb\rc\td", "a b c d"),
        ("\ud83d", "?"),
        ("\u202egnp.exe", "?gnp.exe"),
        ("a\u2028b", "a?b"),
        ("\x00\x7f", "??"),
        ("日本 é", "日本 é"),
    ],
)
def test_control_characters_become_question_marks(text: str, shown: str) -> None:
    assert harmless(text) == shown
    assert laid_out(text, width=None) == [shown]


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("日本語", 6), ("e\u0301", 1), ("\uff46\uff55", 4), ("\u200b", 0)]
)
def test_the_width_of_a_text_is_what_a_terminal_shows(text: str, width: int) -> None:
    assert display_width(text) == width


@given(st.text(max_size=300), st.integers(min_value=1, max_value=200), st.integers(min_value=0, max_value=90))
def test_no_word_is_lost_whatever_the_text(text: str, width: int, hang: int) -> None:
    found = laid_out(Line(text, hang=hang), width=width)

    assert "".join("".join(found).split()) == "".join(harmless(text).split())


def test_a_tone_is_kept_on_every_line_of_a_wrapped_one() -> None:
    found = list(lay_out([Line(PROSE, tone=Tone.HELD)], 60))

    assert {tone for _, tone in found} == {Tone.HELD}
    assert painted("x", Tone.FAILED) == "\033[31;1mx\033[0m"
    assert painted("x", None) == "x"
