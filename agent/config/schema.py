"""Every configuration key: its kind, its default and the line that explains it. The parser is the validator."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import time, timedelta

from agent.core.policy import Conffiles, FetchAhead

Value = str | bool | int | tuple[str, ...] | timedelta | time | FetchAhead
"""What a parsed configuration value can be."""

_DURATION = re.compile(r"([0-9]{1,6})(s|m|h|d)")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(?P<path>/[!$-;=@-~]*)?"
)
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_flag(raw: object) -> bool:
    """Accept true or false, nothing that merely looks like it."""
    if not isinstance(raw, bool):
        raise ValueError("accepted: true or false")  # noqa: TRY004 - the parsers' one error is ValueError
    return raw


def parse_duration(raw: object) -> timedelta:
    """Accept a whole number and a unit, such as "90s", "10m", "36h" or "7d", above zero."""
    found = _DURATION.fullmatch(raw) if isinstance(raw, str) else None
    if found is None or int(found[1]) == 0:
        raise ValueError('accepted: a number above 0 and a unit s, m, h or d in quotes, such as "10m"')
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def parse_interval(raw: object) -> timedelta:
    """Accept a duration from ten minutes to a week."""
    return _within(raw, timedelta(minutes=10), timedelta(days=7), 'from "10m" to "7d"')


def parse_splay(raw: object) -> timedelta:
    """Accept a duration of at most twelve hours; "0s" is none at all."""
    return (
        timedelta(0) if raw == "0s" else _within(raw, timedelta(seconds=1), timedelta(hours=12), 'from "0s" to "12h"')
    )


def _within(raw: object, least: timedelta, most: timedelta, words: str) -> timedelta:
    found = parse_duration(raw)
    if not least <= found <= most:
        raise ValueError(f"accepted: a duration {words}")
    return found


def parse_time(raw: object) -> time:
    """Accept a time of day, such as "04:00"."""
    found = _TIME.fullmatch(raw) if isinstance(raw, str) else None
    if found is None:
        raise ValueError('accepted: a time of day from "00:00" to "23:59" in quotes')
    return time(int(found[1]), int(found[2]))


def parse_words(raw: object) -> tuple[str, ...]:
    """Accept a list of non-empty strings."""
    if not isinstance(raw, list) or not all(isinstance(word, str) and word.strip() for word in raw):
        raise ValueError('accepted: a list of non-empty strings, such as ["one", "two"]')
    return tuple(word.strip() for word in raw)


def parse_origins(raw: object) -> tuple[str, ...]:
    """Accept a non-empty list of origin patterns; their inside is judged once the distribution is known."""
    words = parse_words(raw)
    if not words:
        raise ValueError("accepted: at least one pattern; an empty list would mean that nothing is ever patched")
    return words


def parse_conffiles(raw: object) -> str:
    """Accept "keep" or "hold"."""
    if raw not in [choice.value for choice in Conffiles]:
        raise ValueError('accepted: "keep" or "hold"')
    return str(raw)


def parse_fetch_ahead(raw: object) -> FetchAhead:
    """Accept one of the three words."""
    try:
        return FetchAhead(raw)
    except ValueError as error:
        raise ValueError('accepted: "off", "security" or "all"') from error


def parse_url(raw: object) -> str:
    """Accept an address of HTTPS, or of HTTP on this machine alone, without anything secret in it; "" is none."""
    if raw == "":
        return ""
    found = _URL.fullmatch(raw) if isinstance(raw, str) else None
    if found is None or (found["scheme"] == "http" and found["host"] not in _LOOPBACK):
        raise ValueError(
            'accepted: an address such as "https://centre.example.org" without user, query or fragment '
            '(http:// for 127.0.0.1, [::1] and localhost alone), or ""'
        )
    return found[0].rstrip("/")


def parse_proxy(raw: object) -> str:
    """Accept a proxy's address without a password in it; "" is none."""
    found = _URL.fullmatch(raw) if isinstance(raw, str) else None
    if raw != "" and (found is None or (found["path"] or "").strip("/")):
        raise ValueError('accepted: an address such as "http://proxy.example.org:3128" without user or path, or ""')
    return str(raw)


def parse_path(raw: object) -> str:
    """Accept an absolute path; "" is none."""
    if not isinstance(raw, str) or (raw and not raw.startswith("/")) or "\0" in raw:
        raise ValueError('accepted: an absolute path, or ""')
    return raw


def parse_beat(raw: object) -> timedelta:
    """Accept a duration from a minute to an hour."""
    return _within(raw, timedelta(minutes=1), timedelta(hours=1), 'from "1m" to "1h"')


def parse_patience(raw: object) -> timedelta:
    """Accept a duration from a second to ten minutes."""
    return _within(raw, timedelta(seconds=1), timedelta(minutes=10), 'from "1s" to "10m"')


def parse_size(raw: object) -> int:
    """Accept a number of bytes from a megabyte to a gigabyte."""
    return _number(raw, 1_000_000, 1_000_000_000)


def parse_burst(raw: object) -> int:
    """Accept a number of messages a minute."""
    return _number(raw, 10, 1_000_000)


def _number(raw: object, least: int, most: int) -> int:
    if not isinstance(raw, int) or isinstance(raw, bool) or not least <= raw <= most:
        raise ValueError(f"accepted: a whole number from {least} to {most}")
    return raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of the configuration file."""

    section: str
    name: str
    parse: Callable[[object], Value]
    default: Value | None
    """None where the default depends on the distribution."""

    @property
    def path(self) -> str:
        """The dotted name, as messages and `config show` write it."""
        return f"{self.section}.{self.name}"


KEYS: tuple[Key, ...] = (
    Key(section="agent", name="check_interval", parse=parse_interval, default=timedelta(hours=6)),
    Key(section="agent", name="upgrade", parse=parse_flag, default=True),
    Key(section="agent", name="upgrade_at", parse=parse_time, default=time(4, 0)),
    Key(section="agent", name="splay", parse=parse_splay, default=timedelta(hours=2)),
    Key(section="security", name="origins", parse=parse_origins, default=None),
    Key(section="security", name="blocklist", parse=parse_words, default=()),
    Key(section="security", name="allowlist", parse=parse_words, default=()),
    Key(section="security", name="include_runtime", parse=parse_flag, default=False),
    Key(section="security", name="remove_old_kernels", parse=parse_flag, default=True),
    Key(section="security", name="conffiles", parse=parse_conffiles, default=Conffiles.KEEP.value),
    Key(section="apt", name="lock_timeout", parse=parse_duration, default=timedelta(minutes=10)),
    Key(section="apt", name="refresh_timeout", parse=parse_duration, default=timedelta(minutes=10)),
    Key(section="apt", name="max_list_age", parse=parse_duration, default=timedelta(hours=36)),
    Key(section="apt", name="stall_timeout", parse=parse_duration, default=timedelta(hours=1)),
    Key(section="apt", name="package_timeout", parse=parse_duration, default=timedelta(hours=2)),
    Key(section="apt", name="run_timeout", parse=parse_duration, default=timedelta(hours=6)),
    Key(section="apt", name="fetch_ahead", parse=parse_fetch_ahead, default=FetchAhead.SECURITY),
    Key(section="endpoint", name="url", parse=parse_url, default=""),
    Key(section="endpoint", name="token_file", parse=parse_path, default=""),
    Key(section="endpoint", name="ca_file", parse=parse_path, default=""),
    Key(section="endpoint", name="client_cert", parse=parse_path, default=""),
    Key(section="endpoint", name="client_key", parse=parse_path, default=""),
    Key(section="endpoint", name="proxy", parse=parse_proxy, default=""),
    Key(section="endpoint", name="interval", parse=parse_beat, default=timedelta(minutes=5)),
    Key(section="endpoint", name="timeout", parse=parse_patience, default=timedelta(seconds=30)),
    Key(section="endpoint", name="max_bytes", parse=parse_size, default=16_000_000),
    Key(section="endpoint", name="max_age", parse=parse_duration, default=timedelta(days=30)),
    Key(section="endpoint", name="burst", parse=parse_burst, default=500),
)
