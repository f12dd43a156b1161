"""Extractors of metric values from a report. Pure.

Tuples are made of lists, not of generators: the daemon makes them for days, and CPython 3.11 keeps the memory of up to
2,000 tuples of each length that it made of a generator, unused, until a full garbage collection (findings/).

The document is only known to be JSON: a missing or malformed value is unknown, and an unknown value yields no point.
"""

from collections.abc import Callable, Iterable, Iterator
from math import isfinite

from agent.core.job_kinds import SCHEDULED_JOBS
from agent.core.model.plan import Why
from agent.core.redact import redact
from agent.core.schemas import Document
from agent.state.timestamps import parse_utc

Labels = tuple[tuple[str, str], ...]
Number = int | float
Points = Iterable[tuple[Labels, Number]]
Extractor = Callable[[Document], Points]

_JOBS = tuple(kind.value for kind in SCHEDULED_JOBS)
_LONGEST_LABEL = 200
_MOST = 1 << 63


def value_at(document: object, *path: str) -> object:
    """Return the value at a path; None if any part of the path is missing or null."""
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return document


def printable(text: str) -> str:
    """Return a text as one line of valid Unicode of bounded length, without credentials."""
    clean = redact(text).encode("utf-8", "replace").decode("utf-8")
    if not clean.isprintable():
        clean = "".join([sign if sign.isprintable() else " " for sign in clean])
    return clean[:_LONGEST_LABEL]


def items(document: object, *path: str) -> list[Document] | None:
    """Return the objects of a list at a path; None if unknown."""
    found = value_at(document, *path)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else None


def seconds(text: object) -> Number | None:
    """Return a document's time as Unix time; None if unknown."""
    if not isinstance(text, str):
        return None
    try:
        found = parse_utc(text).timestamp()
    except (ValueError, OverflowError):
        return None
    return int(found) if found.is_integer() else found


def _single(value: Number | None) -> Points:
    return () if value is None else (((), value),)


def number(*path: str) -> Extractor:
    """Return the number at a path."""
    return lambda report: _single(as_number(value_at(report, *path)))


def as_number(value: object) -> Number | None:
    """Return a number that a float and 64 bits can hold; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    whole = isinstance(value, int)
    return value if (abs(value) < _MOST if whole else isfinite(value)) else None


def flag(*path: str) -> Extractor:
    """Return 1 for a true at a path, 0 for a false."""
    return lambda report: _single(_as_flag(value_at(report, *path)))


def _as_flag(value: object) -> int | None:
    return int(value) if isinstance(value, bool) else None


def timestamp(*path: str) -> Extractor:
    """Return the time at a path as Unix time."""
    return lambda report: _single(seconds(value_at(report, *path)))


def length(*path: str) -> Extractor:
    """Return the length of the list at a path."""

    def points(report: Document) -> Points:
        found = value_at(report, *path)
        return _single(len(found) if isinstance(found, list) else None)

    return points


def states(label: str, words: tuple[str, ...], *path: str) -> Extractor:
    """Return one point per value: 1 for the current one, 0 for the others."""

    def points(report: Document) -> Points:
        held = value_at(report, *path)
        if not isinstance(held, str):
            return ()
        word = printable(held)
        known = words if word in words else (*words, word)
        return [(((label, one),), int(one == word)) for one in known]

    return points


def info(**paths: tuple[str, ...]) -> Extractor:
    """Return a 1 with the known facts as labels."""

    def points(report: Document) -> Points:
        found = ((label, value_at(report, *path)) for label, path in paths.items())
        labels = tuple([(label, printable(value)) for label, value in found if isinstance(value, str)])
        return ((labels, 1),) if labels else ()

    return points


def by_job(value: Callable[[object], Number | None], field: str) -> Extractor:
    """Return one point for each job whose field is known."""

    def points(report: Document) -> Iterator[tuple[Labels, Number]]:
        for job in _JOBS:
            found = value(value_at(report, "jobs", job, field))
            if found is not None:
                yield (("job", job),), found

    return points


def fixes_by_stage(report: Document) -> Iterator[tuple[Labels, Number]]:
    """Return the number of fixes that are not active by the step that they have reached."""
    for stage in ("pending", "installed"):
        found = as_number(value_at(report, "exposure", stage))
        if found is not None:
            yield (("stage", stage),), found


def pending(report: Document) -> Iterator[tuple[Labels, Number]]:
    """Return the number of pending updates by class: security, other."""
    for word, field in (("security", "security_pending"), ("other", "other")):
        found = as_number(value_at(report, "updates", field))
        if found is not None:
            yield (("class", word),), found


def held_reasons(report: Document) -> Points:
    """Return the number of held updates by reason; 0 for the other reasons."""
    held = items(report, "updates", "held_items")
    if held is None:
        return ()
    reasons = [printable(str(one.get("why"))) for one in held]
    words = [why.value for why in Why if why is not Why.ESM_ONLY]  # never held
    known = [*words, *sorted(set(reasons) - set(words))]
    return [((("why", word),), reasons.count(word)) for word in known]


def known_cves(report: Document) -> Points:
    """Return the number of CVEs that updates are known to fix; nothing if no changelog was read."""
    install, held = items(report, "updates", "items"), items(report, "updates", "held_items")
    if install is None or held is None:
        return ()
    read = [one["cves"] for one in (*install, *held) if isinstance(one.get("cves"), list)]
    if (install or held) and not read:
        return ()  # no changelog was read: the number is unknown, not 0
    return _single(len({str(cve) for cves in read if isinstance(cves, list) for cve in cves}))
