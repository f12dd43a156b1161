"""Finds CVE ids in a changelog's text, also where one is written short or several are written together. Pure.

Changelogs are written by people: "CVE-2020-8616, 8617", "CVE-2014-7185/4650", "CVE-2021-{44224,44790}", "CVE-2019-1234
and -1235", "CVE 2020-1234", "CVE-2007-435[12]". A number that may also be something else, such as that of a bug, and
a range are no ids; the text is then in doubt.
"""

import re
from collections.abc import Iterator

from agent.core.frozen import frozen
from agent.core.pattern import lazy_pattern

_HYPHEN = "[-\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{EN DASH}_]"
_YEAR = "(?:19|20)[0-9]{2}"
_WRAPPED = rf"{_HYPHEN}\s{{0,40}}"
"""A line may break after either hyphen."""
_HEAD = re.compile(
    # MITRE used "CAN" for unconfirmed numbers; that is a word, too, so only with a hyphen.
    rf"(?<![a-z0-9])(?:CAN{_WRAPPED}|CVE(?:s|[-_ ]?IDs?)?(?:{_HYPHEN}|[:\#\s]){{0,40}})(?={_YEAR}|[{{(])",
    re.IGNORECASE,
)
_FULL = lazy_pattern(rf"({_YEAR}){_WRAPPED}")
_GROUP = lazy_pattern(r"([0-9]{0,9})(?:\{([^{}\n]{0,400}(?:\n[^{}\n]{0,400}){0,9})\}|\[([^\[\]\n]{0,40})\])")
_NUMBER = lazy_pattern(r"([0-9]{4,12})(?![0-9])(?!\[)(?!\{)")
_SEPARATOR = lazy_pattern(r"\s{0,40}(?:,\s{0,40}(?:and|or|&)\s|[,/;&+|]|and\s|or\s)\s{0,40}", re.IGNORECASE)
_SHORT = lazy_pattern(
    rf"{_HYPHEN}?([0-9]{{4,12}})(?![0-9])(?!\s{{0,40}}{_HYPHEN}\s?[0-9])(?![.:~+][0-9])(?![a-z_%@=*])", re.IGNORECASE
)
_BARE = lazy_pattern(r"\s{1,40}-?[0-9]{4,5}(?=[,;/)\s]|\Z)")
_RANGE = lazy_pattern(
    rf"\s{{0,40}}(?:{_HYPHEN}|to\s|through\s|thru\s|until\s|\.\.\.?|\N{{HORIZONTAL ELLIPSIS}})\s{{0,40}}"
    rf"(?:CVE{_HYPHEN})?(?:{_YEAR}{_HYPHEN})?[0-9]{{4,12}}(?![0-9])(?!\S{{0,80}}\.(?:patch|diff))",
    re.IGNORECASE,
)
_COUNTED = lazy_pattern(
    r"\s{1,40}(?:bytes?|bits?|[kmg]i?b|m?s|seconds?|minutes?|days?|years?|times?|percent|files?|lines?|users?|patches|"
    r"commits?|others?|more|further|additional|issues?|bugs?|of|release|edition|version)\b",
    re.IGNORECASE,
)
_ITEMS = lazy_pattern(r"\s*[,|;]\s*|\s+")
_SPAN = lazy_pattern(r"([0-9]{1,12})(?:\.\.|-)([0-9]{1,12})")
_MAX_SPAN = 200
_SHORTEST, _LONGEST = 4, 12
"""Digits of a number."""
_FIRST_LONG_YEAR = "2014"
"""Until 2013 every number had four digits (MITRE, "CVE-ID syntax change")."""


@frozen
class CveIds:
    """The ids in a text."""

    ids: frozenset[str]
    doubtful: bool
    """Whether the text may name further ones."""


def find_cve_ids(text: str) -> CveIds:
    """Return the CVE ids in a text."""
    scan = _Scan(text)
    for head in _HEAD.finditer(text):
        scan.read(head.end(), closed=head[0][-1:].isalnum())
    return CveIds(ids=frozenset(scan.ids), doubtful=scan.doubtful)


class _Scan:
    """Reads lists of ids, each from its head."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.ids: set[str] = set()
        self.doubtful = False

    def read(self, place: int, *, closed: bool) -> None:
        """Read the ids after "CVE-"; `closed`: nothing stands between the letters and the year."""
        year = _FULL.match(self._text, place)
        if year is None:
            self._read_years(place, closed=closed)
            return
        end = self._first(year[1], year.end())
        if end is None:
            self.doubtful = True
            return
        self._others(year[1], *end)

    def _read_years(self, place: int, *, closed: bool) -> None:
        """Read "CVE-{2020-1234,2021-5678}"; a year alone names no id."""
        group = _GROUP.match(self._text, place)
        if group is None or group[2] is None or closed:
            return
        for item in _ITEMS.split(group[2].strip()):
            found = re.fullmatch(rf"({_YEAR}){_HYPHEN}([0-9]{{4,12}})", item)
            if found is None:
                self.doubtful = True
            else:
                self._add(found[1], found[2])

    def _first(self, year: str, place: int) -> tuple[str, int] | None:
        """Read what follows the year; return its last number and where it ends."""
        group = _GROUP.match(self._text, place)
        if group is not None:
            return self._group(year, group)
        number = _NUMBER.match(self._text, place)
        if number is None:
            return None
        self._add(year, number[1])
        return number[1], number.end()

    def _group(self, year: str, group: "re.Match[str]") -> tuple[str, int] | None:
        """Read "{44224,44790}", "4422{4,5}" or "435[12]"; brackets after a whole number may be a note."""
        prefix, braces, brackets = group[1], group[2], group[3]
        items = _ITEMS.split(braces.strip()) if braces is not None else list(_characters(brackets))
        numbers = [number for item in items for number in _span(prefix, item)]
        if (
            not numbers
            or (braces is None and len(prefix) >= _SHORTEST)
            or not all(_SHORTEST <= len(one) <= _LONGEST for one in numbers)
        ):
            return None
        for number in numbers:
            self._add(year, number)
        return numbers[-1], group.end()

    def _others(self, year: str, number: str, place: int) -> None:
        """Read the rest of a list after its first id."""
        while True:
            if _RANGE.match(self._text, place):
                self.doubtful = True
            separator = _SEPARATOR.match(self._text, place)
            if separator is None:
                self.doubtful = self.doubtful or _BARE.match(self._text, place) is not None
                return
            full = _FULL.match(self._text, separator.end())
            found = self._next_full(full) if full is not None else self._next_short(year, number, separator.end())
            if found is None:
                return
            year, number, place = found

    def _next_full(self, year: "re.Match[str]") -> tuple[str, str, int] | None:
        """Read "2020-8617" in a list."""
        number = _SHORT.match(self._text, year.end())
        if number is None or number[0][0] != number[1][0] or _COUNTED.match(self._text, number.end()):
            return None  # a date, or a version
        self._add(year[1], number[1])
        return year[1], number[1], number.end()

    def _next_short(self, year: str, before: str, place: int) -> tuple[str, str, int] | None:
        """Read "8617" or "-8617" in a list; None if that is no number of an id, or not for certain."""
        group = _GROUP.match(self._text, place)
        if group is not None:
            end = self._group(year, group)
            self.doubtful = self.doubtful or end is None
            return (year, *end) if end is not None else None
        number = _SHORT.match(self._text, place)
        if number is None or _COUNTED.match(self._text, number.end()):
            return None
        if not _plausible(year, before, number[1]):
            self.doubtful = True
            return None
        self._add(year, number[1])
        return year, number[1], number.end()

    def _add(self, year: str, number: str) -> None:
        self.ids.add(f"CVE-{year}-{number}")


def _plausible(year: str, before: str, number: str) -> bool:
    """Whether a number in a list may be that of an id and of nothing else: of a bug, or a year."""
    if year < _FIRST_LONG_YEAR:
        long_enough = len(number) == len("0000")
    else:
        long_enough = len(number) <= max(len(before), len("00000"))
    return long_enough and (not _is_year(number) or _is_year(before))


def _is_year(number: str) -> bool:
    return re.fullmatch("19[89][0-9]|20[0-3][0-9]", number) is not None


def _characters(brackets: str) -> Iterator[str]:
    """Yield the alternatives of "[12]", "[1-4]" or "[1,2]"."""
    yield from re.findall(r"[0-9]-[0-9]|[^,\s|]", brackets)


def _span(prefix: str, item: str) -> list[str]:
    """Return the numbers of "44790", or of "44790..44795"; empty for anything else."""
    span = _SPAN.fullmatch(item)
    if span is None:
        return [prefix + item] if re.fullmatch("[0-9]{1,12}", item) else [""]
    first, last = int(span[1]), int(span[2])
    if not 0 <= last - first <= _MAX_SPAN:
        return [""]
    return [prefix + str(number).zfill(len(span[1])) for number in range(first, last + 1)]
