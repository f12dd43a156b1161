"""Parsers of [soak]. Each raises ValueError with what it accepts, as in `agent.config.parsers`."""

from datetime import timedelta

from agent.config.package_patterns import UnmatchedNamesError, parse_package_patterns
from agent.config.parsers import duration_within, parse_words
from agent.core.packages.explain_cve import cve_id, looks_like_cve
from agent.core.pattern import lazy_pattern

_NONE = lazy_pattern(r"0[smhd]")
_COHORT = lazy_pattern(r"[0-9]{1,2}")
_AUTO = "auto"


def parse_soak(raw: object) -> timedelta:
    """Accept a duration of at most a year; "0d" for none."""
    return _or_none(raw, timedelta(days=365), 'from "0d" to "365d"')


def parse_rollout(raw: object) -> timedelta:
    """Accept a duration of at most 90 days; "0d" for none."""
    return _or_none(raw, timedelta(days=90), 'from "0d" to "90d"')


def parse_cohort(raw: object) -> str:
    """Accept "auto" or a number from 0 to 99, which is returned as text."""
    text = str(raw) if isinstance(raw, int) and not isinstance(raw, bool) else raw
    if not isinstance(text, str) or (text != _AUTO and not _COHORT.fullmatch(text)):
        raise ValueError('accepted: "auto", or a number from 0 to 99')
    return text if text == _AUTO else str(int(text))


def parse_overrides(raw: object) -> tuple[str, ...]:
    """Accept a list of CVE ids, and of shell patterns that package names can match.

    Raises:
        ValueError: it is no such list, or an entry is no CVE id although it looks like one.
        UnmatchedNamesError: as of `parse_package_patterns`.
    """
    words = parse_words(raw)
    wrong = next((word for word in words if looks_like_cve(word) and cve_id(word) is None), None)
    if wrong is not None:
        raise ValueError(f"{wrong!r} is no CVE id; accepted: CVE ids such as CVE-2026-12345, and names of packages")
    found = tuple(cve_id(word) or word for word in words)
    try:
        parse_package_patterns([word for word in found if cve_id(word) is None])
    except UnmatchedNamesError as error:
        raise UnmatchedNamesError(str(error), found) from error
    return found


def _or_none(raw: object, most: timedelta, accepted: str) -> timedelta:
    if isinstance(raw, str) and _NONE.fullmatch(raw):
        return timedelta(0)
    try:
        return duration_within(raw, timedelta(seconds=1), most, accepted)
    except ValueError as error:
        raise ValueError(f"accepted: a duration {accepted}") from error
