"""The rows of the table: which forms, indexes and faults are tried together, as what, and when."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from tests.sources.faults import FAULTS
from tests.sources.forms import FORMS
from tests.sources.indexes import INDEXES, Signed, is_nameless


@dataclass(frozen=True, kw_only=True, order=True)
class Row:
    """One row."""

    form: str
    index: str
    fault: str
    security: bool
    later: bool
    """Whether there was a good fetch before."""

    def __str__(self) -> str:
        role, when = "security" if self.security else "third", "later" if self.later else "first"
        return f"{self.form}+{self.index}+{self.fault}+{role}+{when}"


def is_possible(row: Row) -> bool:
    """Whether the row can be set up."""
    form, index, fault = FORMS[row.form], INDEXES[row.index], FAULTS[row.fault]
    if fault.http and form.scheme != "http":
        return False
    if fault.later and not row.later:
        return False
    if form.third_party_only and row.security:
        return False
    if form.scheme == "cdrom" and (fault.republishes or fault.only_signed or row.index != "inline"):
        return False
    if row.security and is_nameless(index) and form.scheme != "http":
        return False  # its pattern is `site=`, and only a URL with a host has one
    return not (fault.only_signed and index.signed in (Signed.NOT, Signed.NO_RELEASE))


def short_table() -> list[Row]:
    """Return a set that has each form, index and fault at least once, and all roles and times."""
    rows: list[Row] = []
    parts = itertools.cycle([(True, False), (False, True), (True, True), (False, False), (True, False)])
    indexes, faults = itertools.cycle(INDEXES), itertools.cycle(FAULTS)
    for number, form in enumerate(FORMS):
        rows += _first(form, indexes, itertools.repeat("none") if number % 2 else faults, next(parts))
    seen = {row.index for row in rows}, {row.fault for row in rows}
    for index in INDEXES:
        if index not in seen[0]:
            rows += _first("line", iter([index]), itertools.repeat("none"), next(parts))
    plain = itertools.cycle(["line", "deb822", "flat-dot", "mirror-http"])
    for fault in FAULTS:
        if fault not in seen[1]:
            rows += _first(next(plain), iter(["inline"]), itertools.repeat(fault), next(parts))
    return list(dict.fromkeys(rows))


def long_table() -> list[Row]:
    """Return each pair of form and fault, form and index, index and fault at least once; roles and times in turn."""
    rows: dict[Row, None] = {}
    parts = itertools.cycle(itertools.product([True, False], [True, False]))
    for (row, form), (column, fault) in itertools.product(enumerate(FORMS), enumerate(FAULTS)):
        # another index for each, so that most pairs with an index are covered, too
        indexes = itertools.islice(itertools.cycle(INDEXES), (7 * row + column) % len(INDEXES), None)
        rows.update(dict.fromkeys(_first(form, indexes, itertools.repeat(fault), next(parts))))
    seen = {(row.form, row.index) for row in rows}, {(row.index, row.fault) for row in rows}
    for form, index in itertools.product(FORMS, INDEXES):
        if (form, index) not in seen[0]:
            rows.update(dict.fromkeys(_first_possible(form, index, "none", next(parts))))
    for index, fault in itertools.product(INDEXES, FAULTS):
        if (index, fault) not in seen[1]:
            rows.update(dict.fromkeys(_first_possible("line", index, fault, next(parts))))
    return list(dict.fromkeys([*short_table(), *rows]))


def _first(form: str, indexes: Iterator[str], faults: Iterator[str], part: tuple[bool, bool]) -> list[Row]:
    """Return the first possible row, with this role and time if there is such a one; none in a hundred attempts."""
    for index, fault in itertools.islice(zip(indexes, faults, strict=False), 100):
        found = _first_possible(form, index, fault, part)
        if found:
            return found
    return []


def _first_possible(form: str, index: str, fault: str, part: tuple[bool, bool]) -> list[Row]:
    """Return the row with this role and time, else with another; none if all are impossible."""
    security, later = part
    parts = (part, (security, not later), (not security, later), (not security, not later))
    rows = (Row(form=form, index=index, fault=fault, security=role, later=time) for role, time in parts)
    return [row for row in rows if is_possible(row)][:1]
