"""Parsers from raw TOML values to typed ones. Each raises ValueError with what it accepts."""

import ipaddress
import re
from datetime import time, timedelta

from agent.core.pattern import lazy_pattern
from agent.core.policy.policy import Conffiles, DailyJobMode, PrefetchMode, RemoveUnused, ScriptDigests

_DURATION = lazy_pattern(r"([0-9]{1,6})(s|m|h|d)")
_TIME = lazy_pattern(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_URL = lazy_pattern(
    r"(?P<scheme>https?)://(?P<host>[0-9A-Za-z]([0-9A-Za-z.-]{0,252}[0-9A-Za-z])?|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(:(?P<port>[0-9]{1,5}))?(?P<path>(/[0-9A-Za-z._~%!$&'()*+,;=:@-]*)*)"
)
_LAST_PORT = 65535
_ENVIRONMENT = lazy_pattern(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_VENDORS = ("", "weaveworks", "rajchaudhuri")
"""The values of `agent.core.model.weave.Vendor` that can be wanted."""
_VERBS = (
    *("check", "send-report", "upgrade-security", "upgrade-fixes"),
    *("reboot-if-required", "apply-docker", "apply-weave"),
)
"""The values of `agent.core.requests.model.Verb`."""
_TAG = lazy_pattern(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}")
_MOST_TAGS = 32
_VERSION = "{version}"
_SCRIPT_SOURCE = (
    'accepted: a URL such as "https://example.org/weave-{version}" (http:// only for 127.0.0.1, [::1] and localhost), '
    'the absolute path of a directory that has files such as weave-2.9.0, or "" for none'
)
_RELEASE = lazy_pattern(r"[0-9]{1,4}(\.[0-9]{1,4}){1,3}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGESTS = 'accepted: a table of versions with the SHA-256 of each script, such as {"2.9.0" = "64 hexadecimal digits"}'
_MAX_LABEL = 63
"""Length of a DNS label (RFC 1035, 2.3.4)."""
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_flag(raw: object) -> bool:
    """Accept true or false only: no strings, no numbers."""
    if not isinstance(raw, bool):
        raise ValueError("accepted: true or false")  # noqa: TRY004 - the parsers' one error is ValueError
    return raw


def parse_duration(raw: object) -> timedelta:
    """Accept a whole number above 0 and a unit, such as "90s", "10m", "36h" or "7d"."""
    found = _DURATION.fullmatch(raw) if isinstance(raw, str) else None
    if found is None or int(found[1]) == 0:
        raise ValueError('accepted: a number above 0 and a unit s, m, h or d in quotes, such as "10m"')
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def parse_interval(raw: object) -> timedelta:
    """Accept a duration from ten minutes to a week."""
    return duration_within(raw, timedelta(minutes=10), timedelta(days=7), 'from "10m" to "7d"')


def parse_splay(raw: object) -> timedelta:
    """Accept a duration of at most twelve hours; "0s" disables the splay."""
    return (
        timedelta(0)
        if raw == "0s"
        else duration_within(raw, timedelta(seconds=1), timedelta(hours=12), 'from "0s" to "12h"')
    )


def duration_within(raw: object, least: timedelta, most: timedelta, accepted: str) -> timedelta:
    """Accept a duration between two bounds; `accepted` names them."""
    found = parse_duration(raw)
    if not least <= found <= most:
        raise ValueError(f"accepted: a duration {accepted}")
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
    """Accept a non-empty list of origin patterns; the patterns are parsed later, with the distribution's variables."""
    patterns = parse_words(raw)
    if not patterns:
        raise ValueError("accepted: at least one pattern; with an empty list nothing would ever be patched")
    return patterns


def parse_conffiles(raw: object) -> Conffiles:
    """Accept "keep" or "hold"."""
    try:
        return Conffiles(raw)
    except ValueError as error:
        raise ValueError('accepted: "keep" or "hold"') from error


def parse_daily_job_mode(raw: object) -> DailyJobMode:
    """Accept "coexist", "replace" or "delegate"."""
    try:
        return DailyJobMode(raw)
    except ValueError as error:
        raise ValueError('accepted: "coexist", "replace" or "delegate"') from error


def parse_remove_unused(raw: object) -> RemoveUnused:
    """Accept "never" or "new"."""
    try:
        return RemoveUnused(raw)
    except ValueError as error:
        raise ValueError('accepted: "never" or "new"') from error


def parse_prefetch_mode(raw: object) -> PrefetchMode:
    """Accept "off", "security" or "all"."""
    try:
        return PrefetchMode(raw)
    except ValueError as error:
        raise ValueError('accepted: "off", "security" or "all"') from error


def parse_url(raw: object) -> str:
    """Accept the URL of an endpoint: HTTPS, or HTTP on this machine, without credentials; "" for none."""
    if raw == "":
        return ""
    found = match_url(raw)
    if found is None or (found["scheme"] == "http" and found["host"] not in _LOOPBACK):
        raise ValueError(
            'accepted: a URL such as "https://endpoint.example.org" without user, query or fragment '
            '(http:// only for 127.0.0.1, [::1] and localhost), or ""'
        )
    return found[0].rstrip("/")


def parse_collector_url(raw: object) -> str:
    """Accept the URL of an OpenTelemetry collector, or "" for none."""
    if raw == "":
        return ""
    found = match_url(raw)
    if found is None:
        raise ValueError(
            'accepted: a URL such as "https://collector.example:4318" without user, password or query, or ""'
        )
    if found["path"].rstrip("/").endswith(("/v1/logs", "/v1/metrics", "/v1/traces")):
        raise ValueError("accepted: the URL without /v1/logs or /v1/metrics: the agent appends these")
    return found[0].rstrip("/")


def parse_proxy(raw: object) -> str:
    """Accept the URL of a proxy without credentials; "" for none."""
    if raw == "":
        return ""
    found = match_url(raw)
    if found is None or found["path"].strip("/"):
        raise ValueError('accepted: a URL such as "http://proxy.example.org:3128" without user or path, or ""')
    return found[0].rstrip("/")


def match_url(raw: object) -> re.Match[str] | None:
    """Match a URL without user, query and fragment; groups scheme, host, port and path."""
    found = _URL.fullmatch(raw) if isinstance(raw, str) else None
    if found is None or not 0 < int(found["port"] or 1) <= _LAST_PORT or not _is_host(found["host"]):
        return None
    return found


def _is_host(host: str) -> bool:
    """Whether a host is valid: an IPv6 address in brackets, or labels of at most 63 characters."""
    if not host.startswith("["):
        return all(1 <= len(label) <= _MAX_LABEL for label in host.split("."))
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


def parse_environment(raw: object) -> str:
    """Accept the name of an environment of a manifest."""
    if not isinstance(raw, str) or not _ENVIRONMENT.fullmatch(raw) or raw == "docker":
        raise ValueError('accepted: the name of an environment, such as "production"')
    return raw


def parse_window_name(raw: object) -> str:
    """Accept the name of a window, or "" for none; whether there is such a window is checked later."""
    if not isinstance(raw, str) or not raw.isprintable():
        raise ValueError('accepted: the name of a window in [windows], or "" for none')
    return raw


def parse_vendor(raw: object) -> str:
    """Accept "weaveworks" or "rajchaudhuri", or "" for the one that is installed."""
    if not isinstance(raw, str) or raw not in _VENDORS:
        raise ValueError('accepted: "weaveworks" or "rajchaudhuri", or "" for the one that is installed')
    return raw


def parse_verbs(raw: object) -> tuple[str, ...]:
    """Accept a list of the verbs of requests, each once."""
    if not isinstance(raw, list) or not all(one in _VERBS for one in raw) or len(set(raw)) != len(raw):
        raise ValueError(f"accepted: a list of {', '.join(_VERBS)}, each once; [] for none")
    return tuple(raw)


def parse_tags(raw: object) -> tuple[str, ...]:
    """Accept a list of tags, each once."""
    words = raw if isinstance(raw, list) and all(isinstance(one, str) and _TAG.fullmatch(one) for one in raw) else None
    if words is None or len(set(words)) != len(words) or len(words) > _MOST_TAGS:
        raise ValueError(
            f"accepted: a list of at most {_MOST_TAGS} tags, each once, of at most 64 letters, digits, dots, _ and -, "
            'such as ["web", "production"]'
        )
    return tuple(words)


def parse_script_source(raw: object) -> str:
    """Accept a URL (HTTPS, or HTTP on this machine) with {version}, an absolute path, or "" for none."""
    if not isinstance(raw, str):
        raise ValueError(_SCRIPT_SOURCE)  # noqa: TRY004 - the parsers' one error is ValueError
    if raw == "" or (raw.startswith("/") and raw.isprintable()):
        return raw
    found = match_url(raw.replace(_VERSION, "0"))
    if _VERSION not in raw or found is None or (found["scheme"] == "http" and found["host"] not in _LOOPBACK):
        raise ValueError(_SCRIPT_SOURCE)
    return raw


def parse_digests(raw: object) -> ScriptDigests:
    """Accept a table of versions, each with a SHA-256."""
    if not isinstance(raw, dict):
        raise ValueError(_DIGESTS)  # noqa: TRY004 - the parsers' one error is ValueError
    pairs = sorted((version, digest.lower() if isinstance(digest, str) else "") for version, digest in raw.items())
    if not all(_RELEASE.fullmatch(version) and _SHA256.fullmatch(digest) for version, digest in pairs):
        raise ValueError(_DIGESTS)
    return ScriptDigests(by_version=tuple(pairs))


def parse_textfile(raw: object) -> str:
    """Accept an absolute path that ends in .prom, the only files node_exporter reads; "" for none."""
    path = parse_path(raw)
    if path and (not path.endswith(".prom") or path.endswith("/.prom")):
        raise ValueError('accepted: the absolute path of a file that ends in .prom, or "" for none')
    return path


def parse_export_interval(raw: object) -> timedelta:
    """Accept a duration from a minute to an hour."""
    return duration_within(raw, timedelta(minutes=1), timedelta(hours=1), 'from "1m" to "1h"')


def parse_request_timeout(raw: object) -> timedelta:
    """Accept a duration from a second to five minutes."""
    return duration_within(raw, timedelta(seconds=1), timedelta(minutes=5), 'from "1s" to "5m"')


def parse_size(raw: object) -> int:
    """Accept a number of bytes from a megabyte to a gigabyte."""
    return _number(raw, 1_000_000, 1_000_000_000)


def parse_age(raw: object) -> timedelta:
    """Accept a duration of at most ten years: it is subtracted from now, and dates before year 1 do not exist."""
    return duration_within(raw, timedelta(seconds=1), timedelta(days=3650), 'from "1s" to "3650d"')


def parse_burst(raw: object) -> int:
    """Accept a number of messages per minute."""
    return _number(raw, 10, 1_000_000)


def _number(raw: object, least: int, most: int) -> int:
    if not isinstance(raw, int) or isinstance(raw, bool) or not least <= raw <= most:
        raise ValueError(f"accepted: a whole number from {least} to {most}")
    return raw
