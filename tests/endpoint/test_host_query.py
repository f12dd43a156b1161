"""Queries in addresses, the fixes of a host from report to report, and its curve: pure."""

import base64
from typing import Any
from urllib.parse import parse_qsl

import pytest

from endpoint.core.exposure_curve import curve_of_fixes
from endpoint.core.fix_query import FixQuery, FixSort
from endpoint.core.fleet_model import FixLine
from endpoint.core.host_columns import host_columns, package_rows, state_digest
from endpoint.core.host_fixes import KEPT_S, MAX_FIXES, FixRow, FixStage, next_fixes
from endpoint.core.host_query import Cursor, HostQuery, HostSort
from endpoint.core.host_states import HostState
from endpoint.errors import RefusedError
from tests.support.host_reports import held, patched, pending, update
from tests.support.messages import Outbox, Raw

DAY_S = 86400.0
CVE = "CVE-2026-1234"
HOST = "0f0e0d0c-0b0a-4908-8706-050403020100"


@pytest.mark.parametrize(
    "query",
    [
        HostQuery(),
        HostQuery(states=(HostState.PENDING, HostState.HELD), tags=("web",), groups=("default",)),
        HostQuery(releases=("debian 12",), versions=("0.1.0",), host_ids=(HOST,), package="libc6", cve=CVE, text="a&b"),
        HostQuery(exposed=True),
        HostQuery(sort=HostSort.EXPOSED, descending=True, limit=7, cursor=Cursor(value=1.5, row=3)),
        HostQuery(cursor=Cursor(value="wéb", row=3, back=True)),
    ],
    ids=["all", "states", "values", "exposed", "order", "back"],
)
def test_a_query_survives_its_address(query: HostQuery) -> None:
    assert HostQuery.parse(parse_qsl(query.to_query())) == query


def test_empty_fields_of_a_form_filter_nothing() -> None:
    assert HostQuery.parse([("state", ""), ("q", " "), ("tag", ""), ("sort", "")]) == HostQuery()


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_named_hosts_are_never_the_whole_fleet() -> None:
    host = "11111111-1111-4111-8111-111111111111"

    assert HostQuery.of_hosts([host]) == HostQuery(host_ids=(host,))
    for names in ([], [""], [" "], [host, ""], ["web1"]):
        with pytest.raises(RefusedError, match="host"):
            HostQuery.of_hosts(names)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("state", "green"), ("colour", "red"), ("cve", "1234"), ("host", "web1"), ("limit", "0"), ("limit", "1e3"),
        ("limit", "1001"), ("sort", "size"), ("exposed", "yes"), ("after", "x"), ("after", "bnVsbA"),
        ("before", "WzEsIngiXQ"),
        ("after", "W251bGwsMV0"), ("after", "Wzf9LDFd"), ("q", "a\0"), ("q", "a" * 257), ("after", "é"),
        ("limit", "\u0661"), ("limit", "9" * 200), ("after", cursor("[1e999,1]")), ("after", cursor("[NaN,1]")),
        ("after", cursor(f"[{10**30},1]")), ("after", cursor('["\\ud800",1]')),
    ],
)  # fmt: skip
def test_a_bad_value_is_named(name: str, text: str) -> None:
    with pytest.raises(RefusedError, match=name) as refused:
        HostQuery.parse([(name, text)])

    assert refused.value.status == 400


def test_a_parameter_with_one_value_is_refused_twice() -> None:
    with pytest.raises(RefusedError, match="package"):
        HostQuery.parse([("package", "a"), ("package", "b")])
    with pytest.raises(RefusedError, match="after, before"):
        HostQuery.parse([("after", "x"), ("before", "y")])


@pytest.mark.parametrize(
    "query",
    [FixQuery(), FixQuery(text="2026-1", all_active=True, sort=FixSort.CVE, descending=False, offset=200)],
    ids=["all", "each"],
)
def test_a_query_of_fixes_survives_its_address(query: FixQuery) -> None:
    assert FixQuery.parse(parse_qsl(query.to_query())) == query


@pytest.mark.parametrize(
    "pair",
    [("q", "%"), ("active", "yes"), ("sort", "age"), ("offset", "-1"), ("offset", "9" * 5000), ("colour", "red")],
    ids=lambda pair: f"{pair[0]}={pair[1][:8]}",
)
def test_a_bad_value_of_a_query_of_fixes_is_named(pair: tuple[str, str]) -> None:
    with pytest.raises(RefusedError, match=pair[0]):
        FixQuery.parse([pair])


def body(**changes: Any) -> Raw:
    state: Raw = patched(Outbox(), **changes)["body"]
    return state


def after(known: dict[tuple[str, str], FixRow], at: float, **changes: Any) -> dict[tuple[str, str], FixRow]:
    report = body(**changes)
    return next_fixes(known, report, package_rows(report), at)


KEY = (CVE, "openssl")
PENDING = FixRow(stage=FixStage.PENDING, pending_since=10.0)
INSTALLED = FixRow(stage=FixStage.INSTALLED, pending_since=10.0, installed_at=20.0)
IN_USE = FixRow(stage=FixStage.INSTALLED, pending_since=10.0, installed_at=15.0)
AGAIN = FixRow(stage=FixStage.PENDING, pending_since=20.0)
ACTIVE = FixRow(stage=FixStage.ACTIVE, pending_since=10.0, installed_at=20.0, active_at=20.0)


def clock(installed: int | None, *packages: str) -> Raw:
    fixes: list[Raw] = [
        {
            "package": package, "architecture": "amd64", "source": package, "version": "1", "stage": "installed",
            "pending_since": "1970-01-01T00:00:10Z", "installed_at": "1970-01-01T00:00:15Z", "waits_for": None,
            "units": [],
        }
        for package in packages
    ]  # fmt: skip
    return {"pending": 0, "installed": installed, "oldest_since": None, "fixes": fixes}


@pytest.mark.parametrize(
    ("known", "changes", "expected"),
    [
        ({}, {"updates": pending(update("openssl", CVE))}, AGAIN),
        ({KEY: PENDING}, {"updates": pending(update("openssl", CVE))}, PENDING),
        ({KEY: PENDING}, {}, ACTIVE),
        ({KEY: PENDING}, {"exposure": clock(1, "openssl")}, IN_USE),
        ({KEY: PENDING}, {"exposure": clock(1, "curl")}, ACTIVE),
        ({KEY: PENDING}, {"exposure": clock(2, "curl")}, INSTALLED),
        ({KEY: PENDING}, {"exposure": clock(None)}, INSTALLED),
        ({KEY: PENDING}, {"exposure": None}, INSTALLED),
        ({KEY: PENDING}, {"lists": {"state": "stale"}}, PENDING),
        ({KEY: PENDING}, {"updates": {"items": None}}, PENDING),
        ({KEY: PENDING}, {"updates": {"held": 1, "held_items": [held("openssl", "phased", CVE)]}},
         FixRow(stage=FixStage.HELD, pending_since=10.0)),
        ({KEY: INSTALLED}, {"lists": {"state": "stale"}}, ACTIVE),
        ({KEY: ACTIVE}, {}, ACTIVE),
        ({KEY: ACTIVE}, {"updates": pending(update("openssl", CVE))}, AGAIN),
    ],
    ids=["new", "still", "gone", "installed", "another-one-installed", "more-than-are-named", "not-counted", "no-clock",
         "stale-lists", "never-observed", "held", "in-use-no-more", "active", "pending-again"],
)  # fmt: skip
def test_a_fix_follows_the_reports(known: dict[tuple[str, str], FixRow], changes: Raw, expected: FixRow) -> None:
    assert after(known, 20.0, **changes) == {KEY: expected}


UNREAD = {"cves": None, "cves_complete": None}
CUT = {"cves": ["CVE-2026-9999"], "cves_complete": False}
REPAIR = [{"package": "openssl", "architecture": "amd64", "state": "half-installed"}]
HELD = FixRow(stage=FixStage.HELD, pending_since=10.0)


@pytest.mark.parametrize(
    ("known", "updates", "expected"),
    [
        (PENDING, pending({**update("openssl"), **UNREAD}), PENDING),
        (PENDING, pending({**update("openssl"), **CUT}), PENDING),
        (HELD, pending({**update("openssl"), **UNREAD}), PENDING),
        (PENDING, {"held": 1, "held_items": [{**held("openssl", "phased"), **UNREAD}]}, HELD),
        (PENDING, {"esm_only": 1, "esm_only_items": [{**held("openssl", "esm-only"), **UNREAD}]}, HELD),
        (PENDING, {"repair": REPAIR}, PENDING),
        (HELD, {"repair": REPAIR}, HELD),
        (PENDING, {**pending(update("openssl", "CVE-2026-9999")), "repair": REPAIR}, PENDING),
        (PENDING, pending(update("openssl", "CVE-2026-9999")), ACTIVE),
        (PENDING, pending({**update("curl"), **UNREAD}), ACTIVE),
        (INSTALLED, pending({**update("openssl"), **UNREAD}), ACTIVE),
    ],
    ids=["not-read", "cut", "not-held-any-more", "held", "esm-only", "unfinished", "unfinished-and-held",
         "unfinished-with-an-update", "fixed-before", "another-package", "installed"],
)  # fmt: skip
def test_a_fix_stays_open_while_its_package_may_still_lack_it(known: FixRow, updates: Raw, expected: FixRow) -> None:
    found = after({KEY: known}, 20.0, updates=updates)

    assert found[KEY] == expected


def test_fixes_stay_open_while_a_plan_has_more_of_them_than_are_read() -> None:
    named = [f"CVE-2026-{number}" for number in range(10_000, 10_000 + MAX_FIXES)]

    assert after({KEY: PENDING}, 20.0, updates=pending(update("linux", *named)))[KEY] == PENDING


def test_an_active_fix_is_forgotten_after_90_days() -> None:
    assert after({KEY: ACTIVE}, 20.0 + KEPT_S - 1) == {KEY: ACTIVE}
    assert after({KEY: ACTIVE}, 20.0 + KEPT_S) == {}


def test_the_curve_of_a_host_has_its_fixes_of_each_day() -> None:
    now = 10 * DAY_S + 3600
    fix = FixLine(
        cve=CVE, package="openssl", stage=FixStage.ACTIVE, pending_since_s=8 * DAY_S + 60, installed_s=9 * DAY_S + 5,
        active_s=10 * DAY_S + 7,
    )  # fmt: skip

    days = curve_of_fixes([fix], now, 4)

    assert [(day.day, day.fixes, day.oldest_age_s) for day in days] == [
        ("1970-01-08", 0, None), ("1970-01-09", 1, DAY_S - 60),
        ("1970-01-10", 1, 2 * DAY_S - 60), ("1970-01-11", 0, None),
    ]  # fmt: skip


def test_columns_hold_any_count_and_time_that_the_schema_allows() -> None:
    columns = host_columns(
        body(
            updates={"security_pending": 2**53 - 1, "held": 1.0},
            release={"until": "9999-12-31"},
            exposure={"pending": 2**53 - 1, "installed": 1, "oldest_since": "2026-99-99T00:00:00Z"},
        )
    )

    assert (columns["pending_count"], columns["held_count"]) == (2**31 - 1, 1)
    assert (columns["inactive_fixes"], columns["ended_at"]) == (2**31 - 1, None)


def test_the_digest_of_a_state_leaves_out_its_time_and_hash_alone() -> None:
    text = '{"a":1,"generated_at":"%s","hash":"%s","health":"%s"}'

    digests = {state_digest(text % values) for values in (("1", "2", "3"), ("4", "5", "3"), ("1", "2", "4"))}

    assert len(digests) == 2
