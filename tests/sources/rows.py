"""The rows of the table: which forms, indexes and faults are tried together, as what, and when."""

import itertools
from dataclasses import dataclass

from tests.sources.faults import FAULTS
from tests.sources.forms import FORMS
from tests.sources.indexes import INDEXES, Signed


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
    if row.security and row.index == "no-names" and form.scheme != "http":
        return False  # its pattern is `site=`, and only a URL with a host has one
    return not (fault.only_signed and index.signed in (Signed.NOT, Signed.NO_RELEASE))


def short_table() -> list[Row]:
    """Return a set that has each form, index and fault once, alternately as security source and as third party."""
    rows: list[Row] = []
    roles = itertools.cycle([True, False])
    for form in FORMS:
        rows += _first_possible(form, "inline", "none", (next(roles), False))
    roles = itertools.cycle([False, True])
    for index in list(INDEXES)[1:]:
        rows += _first_possible("line", index, "none", (next(roles), False))
    plain = itertools.cycle(["line", "deb822", "flat-dot", "line-trusted", "mirror-http"])
    parts = itertools.cycle([(True, True), (False, False), (False, True), (True, False)])
    for fault in list(FAULTS)[1:]:
        rows += _first_possible(next(plain), "inline", fault, next(parts))
    return list(dict.fromkeys(rows))


def long_table() -> list[Row]:
    """Return each pair of form and fault, form and index, index and fault at least once; roles and times in turn."""
    rows: dict[Row, None] = {}
    parts = itertools.cycle(itertools.product([True, False], [True, False]))
    indexes = itertools.cycle(INDEXES)
    for form, fault in itertools.product(FORMS, FAULTS):
        part = next(parts)
        for _ in INDEXES:
            found = _first_possible(form, next(indexes), fault, part)
            rows.update(dict.fromkeys(found))
            if found:
                break
    seen = {(row.form, row.index) for row in rows}, {(row.index, row.fault) for row in rows}
    for form, index in itertools.product(FORMS, INDEXES):
        if (form, index) not in seen[0]:
            rows.update(dict.fromkeys(_first_possible(form, index, "none", next(parts))))
    for index, fault in itertools.product(INDEXES, FAULTS):
        if (index, fault) not in seen[1]:
            rows.update(dict.fromkeys(_first_possible("line", index, fault, next(parts))))
    return list(dict.fromkeys([*short_table(), *rows]))


def _first_possible(form: str, index: str, fault: str, part: tuple[bool, bool]) -> list[Row]:
    """Return the row with this role and time, else with another; none if all are impossible."""
    security, later = part
    parts = (part, (security, not later), (not security, later), (not security, not later))
    rows = (Row(form=form, index=index, fault=fault, security=role, later=time) for role, time in parts)
    return [row for row in rows if is_possible(row)][:1]
