"""Lays text out for people: colour, columns, and wrapping at words to the terminal's width. Light: `status` imports it.

Renderers return lines of any length, as `Line` where indent or colour matter; only `lay_out` knows a width. Without one
(a pipe) every line stays whole, so that scripts read the same text from a terminal of any size. Foreign text passes
`harmless`: it comes from repositories, scripts and files, and may hold terminal escapes.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from unicodedata import category, east_asian_width

from agent.core.pattern import lazy_pattern
from agent.core.redact import redact

NARROWEST = 20
"""Text for a narrower terminal is laid out as if it were this wide."""
_LIST_WIDTH = 100
"""Columns of a shortened list where there is no terminal: a mail with every CVE of a kernel has a line of 30,000."""
_LEAST_TEXT = 24
"""Columns that the text behind a hanging indent needs; with fewer it starts near the margin."""
_SMALL_INDENT = 4
_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2} (?:UTC|[+-][0-9]{2}:[0-9]{2})"
_WORD = lazy_pattern(rf"(?:`[^`]*`|\([<>=]{{1,2}} [^()\s]*\)|{_TIME}|\S)+")
"""A word: so is a command in backquotes, to be copied from one line, a relation ("(>= 2)"), and a time."""
_BLANKS = lazy_pattern(r"[\t\n\r]+")
_HARMFUL = ("Cc", "Cs", "Zl", "Zp")
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Bidirectional controls: they can show a line in another order than it is written (CVE-2021-42574)."""
_NO_WIDTH = ("Mn", "Me", "Cf")


class Tone(Enum):
    """Meaning of a line that a colour marks; the value is the SGR parameter (ECMA-48, 8.3.117)."""

    GOOD = "32;1"
    HELD = "33"
    ATTENTION = "33;1"
    FAILED = "31;1"


class Line(str):
    """A line before it is laid out, with more than its text."""

    __slots__ = ("hang", "more", "tone")
    hang: int
    more: str
    tone: Tone | None

    def __new__(cls, text: str, *, hang: int | None = None, tone: Tone | None = None, more: str = "") -> "Line":
        """Indent continuation lines by `hang` columns; None: two more than the text itself.

        With `more`, such as "and {} more", the text is a list separated by ", " of which one line shows as many
        elements as fit.
        """
        line = super().__new__(cls, text)
        line.hang = _leading(text) + 2 if hang is None else hang
        line.tone = tone
        line.more = more
        return line


def field(label: str, text: str, *, width: int = 13, tone: Tone | None = None) -> Line:
    """Return a line that starts with a label of the given width."""
    return Line(f"{label:<{width}}{text}", hang=width, tone=tone)


def columns(rows: Sequence[Sequence[str]], *, indent: int = 2, tone: Tone | None = None) -> list[Line]:
    """Return rows with their cells aligned; the last cell of each wraps in its column."""
    cells = [[harmless(cell) for cell in row] for row in rows]
    count = max(map(len, cells), default=0)
    widths = [max((display_width(row[at]) for row in cells if at < len(row) - 1), default=0) for at in range(count)]
    lines = []
    for row in cells:
        hang, text = indent, " " * indent
        for at, cell in enumerate(row[:-1]):
            text += cell + " " * (widths[at] - display_width(cell) + 2)
            hang += widths[at] + 2
        lines.append(Line((text + (row[-1] if row else "")).rstrip(), hang=hang, tone=tone))
    return lines


def lay_out(lines: Iterable[str], width: int | None, encoding: str | None = None) -> Iterator[tuple[str, Tone | None]]:
    """Return the final lines, each with its tone; None: no limit.

    What the terminal's encoding lacks is escaped first, because that makes a line longer; None: it lacks nothing.
    """
    for line in lines:
        one = line if isinstance(line, Line) else Line(line)
        text = encodable(harmless(one), encoding)
        limit = width or (_LIST_WIDTH if one.more else None)
        if limit is None or display_width(text) <= limit:
            yield text, one.tone
        else:
            shown = _as_many_as_fit(text, limit, one.more) if one.more else text
            yield from ((part, one.tone) for part in _wrapped(shown, max(limit, NARROWEST), one.hang))


def painted(text: str, tone: Tone | None) -> str:
    """Return text in a tone's colour."""
    return text if tone is None else f"\033[{tone.value}m{text}\033[0m"


def display_width(text: str) -> int:
    """Return how many columns of a terminal a text takes (Unicode Standard Annex 11)."""
    if text.isascii():
        return len(text)
    return sum(0 if category(one) in _NO_WIDTH else 2 if east_asian_width(one) in "WF" else 1 for one in text)


def encodable(text: str, encoding: str | None) -> str:
    """Return text as a stream shows it that escapes what its encoding lacks; None: it lacks nothing."""
    if encoding is None or text.isascii():
        return text
    return text.encode(encoding, "backslashreplace").decode(encoding)


def harmless(text: str) -> str:
    """Return text without credentials and control characters: a terminal would act on them.

    Each is replaced by "?", line breaks and tabs by a space: several problems of the configuration are one text.
    """
    text = redact(text)
    if text.isascii() and text.isprintable():
        return text
    return "".join("?" if category(one) in _HARMFUL or one in _BIDI else one for one in _BLANKS.sub(" ", text))


def _leading(text: str) -> int:
    return len(text) - len(text.lstrip(" "))


def _wrapped(text: str, width: int, hang: int) -> Iterator[str]:
    """Break a text at spaces; a word that is wider than a line stays whole."""
    near = min(_leading(text) + _SMALL_INDENT, hang)
    if width - hang < _LEAST_TEXT:
        hang = near
    line, end = "", 0
    for word in _WORD.finditer(text):
        gap, size = text[end : word.start()], display_width(word[0])
        end = word.end()
        if line.strip() and display_width(line) + len(gap) + size > width:
            yield line
            line, gap = " " * (hang if hang + size <= width else near), ""
        line += gap + word[0]
    yield line


def _as_many_as_fit(text: str, width: int, more: str) -> str:
    elements = text.split(", ")
    for count in range(len(elements) - 1, 0, -1):
        shown = ", ".join((*elements[:count], more.format(len(elements) - count)))
        if display_width(shown) <= width:
            return shown
    return ", ".join((elements[0], more.format(len(elements) - 1)))
