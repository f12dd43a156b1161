"""The section [windows]: named maintenance windows, and the keys that name one."""

import importlib
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta, tzinfo
from functools import lru_cache
from types import ModuleType

from agent.config.cross_checks import Found
from agent.config.schema import Key
from agent.core.model.facts import Unseen
from agent.core.pattern import lazy_pattern
from agent.core.policy.policy import AgentPolicy, RebootPolicy
from agent.core.reboot.opening import RebootRules
from agent.core.windows import Window, parse_window

SECTION = "windows"
_NAME = lazy_pattern(r"[a-z0-9][a-z0-9_-]{0,39}")
_USERS = ("agent.upgrade_window", "docker.window", "weave.window", "reboot.window")
"""Keys whose value is a window's name."""


def window_of(text: str) -> Window:
    """Return the window of a value of [windows].

    Raises:
        ValueError: it is none, or this machine's database does not have its time zone.
    """
    return parse_window(text, _zone)


def reboot_rules(policy: RebootPolicy) -> RebootRules:
    """Return what decides about reboots, from a policy whose window is its text."""
    try:
        return RebootRules(policy=policy, window=window_of(policy.window) if policy.window else None)
    except ValueError as error:  # the time zone has gone from the database
        return RebootRules(policy=policy, window_problem=f"reboot.window: {error}")


def upgrade_window(policy: AgentPolicy) -> Window | Unseen | None:
    """Return the window of the daily upgrade, from a policy whose window is its text; None: there is none."""
    try:
        return window_of(policy.upgrade_window) if policy.upgrade_window else None
    except ValueError as error:  # the time zone has gone from the database
        return Unseen(reason=f"agent.upgrade_window: {error}")


def window_key(name: str) -> Key | None:
    """Return the key of a window by its dotted name; None for a key of another section. Names of windows are free."""
    section, _, window = name.partition(".")
    if section != SECTION:
        return None
    return Key(section=SECTION, name=window, parse=_parse if _NAME.fullmatch(window) else _refuse_name, default="")


def window_problems(found: Found) -> Iterator[str]:
    """Yield one message for each key that names a window that is not there."""
    names = [name.partition(".")[2] for name in found if name.startswith(f"{SECTION}.")]
    for key in _USERS:
        value, source = found[key]
        if value and value not in names:
            known = f"; known: {', '.join(sorted(names))}" if names else ""
            yield f'{source}: {key} = {value!r}: accepted: the name of a window in [windows], or "" for none{known}'
    yield from _too_short(found)


def _too_short(found: Found) -> Iterator[str]:
    """Yield a message if no opening of the window of reboots has room for one."""
    name, source = found["reboot.window"]
    text, _ = found.get(f"{SECTION}.{name}", ("", ""))
    expected, warning = found["reboot.expected"][0], found["reboot.warning"][0]
    if not text or not isinstance(expected, timedelta) or not isinstance(warning, timedelta):
        return
    window = window_of(str(text))
    if timedelta(minutes=window.end - window.start) < expected + warning:
        yield f"{source}: reboot.window = {name!r}: shorter than reboot.expected and reboot.warning together"


def resolved(values: Mapping[str, object]) -> Mapping[str, object]:
    """Return the values of the keys that name a window, each with the window itself in place of its name."""
    return {key: values[f"{SECTION}.{values[key]}"] if values[key] else "" for key in _USERS}


def _parse(raw: object) -> str:
    if not isinstance(raw, str) or not raw:
        raise ValueError('accepted: a window, such as "Sat 02:00-04:00 Europe/Berlin"')
    return window_of(raw).text


def _refuse_name(_raw: object) -> str:
    raise ValueError("accepted as the name of a window: lower-case letters, digits, - and _, 40 at most")


def _zone(name: str) -> tzinfo:
    try:
        return _read_zone(name, _zone_version(name))
    except (OSError, ValueError, LookupError) as error:  # ZoneInfoNotFoundError is a LookupError
        raise ValueError(f"{name!r} is not a time zone of this machine's database, such as Europe/Berlin") from error


@lru_cache(maxsize=8)
def _read_zone(name: str, _version: tuple[int, ...]) -> tzinfo:
    """Return a zone of the database; kept while its file is the same. `ZoneInfo(name)` keeps it for ever."""
    found: tzinfo = _zoneinfo().ZoneInfo.no_cache(name)
    return found


def _zone_version(name: str) -> tuple[int, ...]:
    """Return what differs once an update of tzdata has replaced the zone's file; empty if it has none."""
    for directory in _zoneinfo().TZPATH:
        with suppress(OSError):
            found = os.stat(os.path.join(directory, name))
            return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return ()


def _zoneinfo() -> ModuleType:
    # Imported by name: few machines have a window with a time zone.
    return importlib.import_module("zoneinfo")
