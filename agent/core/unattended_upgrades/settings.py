"""Reads the merged apt configuration as apt.systemd.daily(8) and unattended-upgrades do. Pure.

Lists add up over the files, the last scalar counts, and names are case-insensitive (apt.conf(5)). Intervals go through
dash: tests/machines/test_unattended_upgrades.py compares `parse_every` with the script itself.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from agent.core.pattern import lazy_pattern
from agent.core.unattended_upgrades.model import ALWAYS, JobSettings, RebootKeys

_LINE = lazy_pattern(r'(?P<key>\S+) "(?P<value>.*)";')
_DIGITS = "0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*"
_EVERY = lazy_pattern(rf"(?P<number>[+-]?(?:{_DIGITS})?)(?P<unit>[smhd]?)")
_NUMBER = lazy_pattern(rf"[+-]?(?:{_DIGITS})")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "": 86400}
_LONGEST = timedelta(days=3650)
"""No stamp is older, so that the job would never run."""
_LARGEST = 2**63 // 86400
_PERIODIC = "apt::periodic::"
_OWN = "unattended-upgrade::"
_YES = {"yes", "true", "with", "on", "enable"}
_NO = {"no", "false", "without", "off", "disable"}
AptConfiguration = Mapping[str, Sequence[str]]
"""Values by name in lower case, of a list in order; a scalar has one."""


def parse_dump(text: str) -> AptConfiguration:
    """Return what `apt-config dump` printed."""
    found: dict[str, list[str]] = {}
    for match in map(_LINE.fullmatch, text.splitlines()):
        if match:
            key = match["key"].lower()
            if key.endswith("::"):
                found.setdefault(key, []).append(match["value"])
            else:
                found[key] = [match["value"]]
    return found


def job_settings(configuration: AptConfiguration) -> JobSettings:
    """Return the settings of the daily job."""
    every = _scalar(configuration, f"{_PERIODIC}unattended-upgrade")
    return JobSettings(
        enabled=not _is_zero(_scalar(configuration, f"{_PERIODIC}enable")),
        every=parse_every(every),
        every_text=every,
        lists_text=_scalar(configuration, f"{_PERIODIC}update-package-lists"),
        origins=tuple(_origins(configuration)),
        reboot=RebootKeys(
            automatic=_flag(configuration, "automatic-reboot", default=False),
            time=_scalar(configuration, f"{_OWN}automatic-reboot-time") or "now",
            with_users=_flag(configuration, "automatic-reboot-withusers", default=True),
            with_system_users=_flag(configuration, "automatic-reboot-withsystemusers", default=True),
            ignored_users=tuple(_words(_scalar(configuration, f"{_OWN}automatic-reboot-ignoredusers"))),
        ),
        on_shutdown=_flag(configuration, "installonshutdown", default=False),
        days=tuple(_list(configuration, "update-days")),
        blacklist=tuple(_list(configuration, "package-blacklist")),
    )


def parse_every(text: str | None) -> timedelta | None:
    """Return how long the job waits after a run; None: it does not run, or apt's script fails at the value.

    "0" alone is off: an empty value, "0d" and "00" run each time. The script has the value without quotes, so that only
    its first word counts.
    """
    word = next(iter(text.split()), "") if text is not None else "0"
    if word == "0":
        return None
    if word == "always":
        return ALWAYS
    match = _EVERY.fullmatch(word)
    if match is None or match["number"] in {"+", "-"}:
        return None
    number = _number(match["number"])
    if abs(number) > _LARGEST:
        return None
    try:
        every = timedelta(seconds=max(number * _UNITS[match["unit"]], 0))
    except OverflowError:
        return None
    return every if every <= _LONGEST else None


def _number(text: str) -> int:
    """Return a number as a shell reads it: octal behind a 0."""
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text.lstrip("+"))
    if digits[:2].lower() == "0x":
        return sign * int(digits, 16)
    return sign * int(digits or "0", 8 if digits.startswith("0") else 10)


def _is_zero(text: str | None) -> bool:
    """Return whether `test TEXT -eq 0` is true."""
    return text is not None and re.fullmatch(r"\s*[+-]?0+\s*", text) is not None


def _scalar(configuration: AptConfiguration, key: str) -> str | None:
    found = configuration.get(key)
    return found[-1] if found else None


def _list(configuration: AptConfiguration, name: str) -> Iterator[str]:
    """Yield the elements of a list, with names or without."""
    prefix = f"{_OWN}{name}::"
    yield from (value for key, values in configuration.items() if key.startswith(prefix) for value in values if value)


def _origins(configuration: AptConfiguration) -> Iterator[str]:
    yield from _list(configuration, "allowed-origins")
    yield from _list(configuration, "origins-pattern")


def _flag(configuration: AptConfiguration, name: str, *, default: bool) -> bool:
    """Return a boolean as libapt's StringToBool reads it: of numbers only 0 and 1 are one, in strtol(3)'s notations."""
    text = (_scalar(configuration, f"{_OWN}{name}") or "").lower()
    number = text.lstrip()
    if _NUMBER.fullmatch(number) and _number(number) in {0, 1}:
        return _number(number) == 1
    return text in _YES or (default and text not in _NO)


def _words(text: str | None) -> Iterator[str]:
    yield from (part.strip() for part in (text or "").split(",") if part.strip())
