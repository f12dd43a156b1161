"""Every configuration key: its kind, its default and the line that explains it. The parser is the validator."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import time, timedelta

from agent.core.policy import Conffiles, FetchAhead

Value = str | bool | tuple[str, ...] | timedelta | time | FetchAhead
"""What a parsed configuration value can be."""

_DURATION = re.compile(r"([0-9]{1,6})(s|m|h|d)")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_COLLECTOR = re.compile(
    r"(?P<scheme>https?)://(?P<host>[0-9A-Za-z]([0-9A-Za-z.-]{0,252}[0-9A-Za-z])?|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(:(?P<port>[0-9]{1,5}))?(?P<path>(/[0-9A-Za-z._~%!$&'()*+,;=:@-]*)*)"
)
_LAST_PORT = 65535
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


def parse_path(raw: object) -> str:
    """Accept an absolute path, or "" for none."""
    if not isinstance(raw, str) or (raw and (not raw.startswith("/") or not raw.isprintable())):
        raise ValueError('accepted: an absolute path, or "" for none')
    return raw


def parse_textfile(raw: object) -> str:
    """Accept an absolute path that ends in .prom, which is all that node_exporter reads, or "" for none."""
    path = parse_path(raw)
    if path and (not path.endswith(".prom") or path.endswith("/.prom")):
        raise ValueError('accepted: the absolute path of a file that ends in .prom, or "" for none')
    return path


def parse_collector(raw: object) -> str:
    """Accept the address of an OpenTelemetry collector, or "" for none."""
    if raw == "":
        return ""
    found = _COLLECTOR.fullmatch(raw) if isinstance(raw, str) else None
    if found is None or not 0 < int(found["port"] or 1) <= _LAST_PORT:
        raise ValueError(
            'accepted: an address such as "https://collector.example:4318", without a name, a password or a "?"; '
            '"" for none'
        )
    if found["path"].rstrip("/").endswith(("/v1/logs", "/v1/metrics", "/v1/traces")):
        raise ValueError("accepted: the address without /v1/logs or /v1/metrics: those are added")
    return found[0].rstrip("/")


def parse_timeout(raw: object) -> timedelta:
    """Accept a duration from a second to five minutes."""
    return _within(raw, timedelta(seconds=1), timedelta(minutes=5), 'from "1s" to "5m"')


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
    Key(section="metrics", name="textfile", parse=parse_textfile, default=""),
    Key(section="metrics", name="compatible_names", parse=parse_flag, default=False),
    Key(section="otlp", name="url", parse=parse_collector, default=""),
    Key(section="otlp", name="headers_file", parse=parse_path, default=""),
    Key(section="otlp", name="ca_file", parse=parse_path, default=""),
    Key(section="otlp", name="timeout", parse=parse_timeout, default=timedelta(seconds=30)),
    Key(section="otlp", name="logs", parse=parse_flag, default=True),
    Key(section="otlp", name="metrics", parse=parse_flag, default=True),
)
