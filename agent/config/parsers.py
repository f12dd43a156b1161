"""Raw values of TOML to values of the schema; a parser accepts one kind, or raises ValueError with what it accepts."""

import ipaddress
import re
from datetime import time, timedelta

from agent.core.policy.policy import Conffiles, PrefetchMode

_DURATION = re.compile(r"([0-9]{1,6})(s|m|h|d)")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[0-9A-Za-z]([0-9A-Za-z.-]{0,252}[0-9A-Za-z])?|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(:(?P<port>[0-9]{1,5}))?(?P<path>(/[0-9A-Za-z._~%!$&'()*+,;=:@-]*)*)"
)
_LAST_PORT = 65535
_LONGEST_LABEL = 63
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


def parse_fetch_ahead(raw: object) -> PrefetchMode:
    """Accept one of the three words."""
    try:
        return PrefetchMode(raw)
    except ValueError as error:
        raise ValueError('accepted: "off", "security" or "all"') from error


def parse_url(raw: object) -> str:
    """Accept the address of a centre: HTTPS, or HTTP on this machine alone, with nothing secret in it; "" is none."""
    if raw == "":
        return ""
    found = _address(raw)
    if found is None or (found["scheme"] == "http" and found["host"] not in _LOOPBACK):
        raise ValueError(
            'accepted: an address such as "https://centre.example.org" without user, query or fragment '
            '(http:// for 127.0.0.1, [::1] and localhost alone), or ""'
        )
    return found[0].rstrip("/")


def parse_collector(raw: object) -> str:
    """Accept the address of an OpenTelemetry collector, or "" for none."""
    if raw == "":
        return ""
    found = _address(raw)
    if found is None:
        raise ValueError(
            'accepted: an address such as "https://collector.example:4318", without a name, a password or a "?"; '
            '"" for none'
        )
    if found["path"].rstrip("/").endswith(("/v1/logs", "/v1/metrics", "/v1/traces")):
        raise ValueError("accepted: the address without /v1/logs or /v1/metrics: those are added")
    return found[0].rstrip("/")


def parse_proxy(raw: object) -> str:
    """Accept a proxy's address without a password in it; "" is none."""
    if raw == "":
        return ""
    found = _address(raw)
    if found is None or found["path"].strip("/"):
        raise ValueError('accepted: an address such as "http://proxy.example.org:3128" without user or path, or ""')
    return found[0].rstrip("/")


def _address(raw: object) -> re.Match[str] | None:
    found = _URL.fullmatch(raw) if isinstance(raw, str) else None
    if found is None or not 0 < int(found["port"] or 1) <= _LAST_PORT or not _is_host(found["host"]):
        return None
    return found


def _is_host(host: str) -> bool:
    """Whether it may be a host: what is in brackets is an address, what is not has labels of DNS's length."""
    if not host.startswith("["):
        return all(1 <= len(label) <= _LONGEST_LABEL for label in host.split("."))
    try:
        ipaddress.IPv6Address(host[1:-1])
    except ValueError:
        return False
    return True


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


def parse_export_interval(raw: object) -> timedelta:
    """Accept a duration from a minute to an hour."""
    return _within(raw, timedelta(minutes=1), timedelta(hours=1), 'from "1m" to "1h"')


def parse_request_timeout(raw: object) -> timedelta:
    """Accept a duration from a second to five minutes."""
    return _within(raw, timedelta(seconds=1), timedelta(minutes=5), 'from "1s" to "5m"')


def parse_size(raw: object) -> int:
    """Accept a number of bytes from a megabyte to a gigabyte."""
    return _number(raw, 1_000_000, 1_000_000_000)


def parse_age(raw: object) -> timedelta:
    """Accept a duration of at most ten years: it is subtracted from now, and there is no year before the first."""
    return _within(raw, timedelta(seconds=1), timedelta(days=3650), 'from "1s" to "3650d"')


def parse_burst(raw: object) -> int:
    """Accept a number of messages a minute."""
    return _number(raw, 10, 1_000_000)


def _number(raw: object, least: int, most: int) -> int:
    if not isinstance(raw, int) or isinstance(raw, bool) or not least <= raw <= most:
        raise ValueError(f"accepted: a whole number from {least} to {most}")
    return raw
