"""The endpoint's core: gaps, deduplication, limits, rates, the table. Pure: no process, no database."""

import gzip
import json
import random
from contextlib import suppress
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoint.core.deduplicate import MessageStatus, StoredKey, StreamKnowledge, deduplicate
from endpoint.core.fleet import Stream, fleet_document
from endpoint.core.gaps import Gaps, Span, expected, find_gaps, total
from endpoint.core.json_body import MAX_BYTES, MAX_DEPTH, inflate, parse_json
from endpoint.core.messages import read_message
from endpoint.core.rate_limit import RateLimiter
from endpoint.core.text import fleet_lines, gap_lines
from endpoint.core.timestamps import format_age, format_utc, parse_utc
from endpoint.errors import RefusedError
from tests.support.messages import Outbox, Raw

NOW = datetime(2026, 11, 23, 8, 10, tzinfo=timezone.utc)
SETS = st.sets(st.integers(1, 40))


def spans(text: str) -> tuple[Span, ...]:
    pairs = [(part.split("-") * 2)[:2] for part in text.split()]
    return tuple(Span(first=int(first), last=int(last)) for first, last in pairs)


@pytest.mark.parametrize(
    ("present", "upto", "lost", "refused", "gaps"),
    [
        ([], 0, "", [], ("", "", "")),
        ([1, 2, 3], 3, "", [], ("", "", "")),
        ([2, 4], 6, "", [], ("1 3 5-6", "", "")),
        ([1, 9], 9, "3-5", [], ("2 6-8", "3-5", "")),
        ([1, 9], 9, "1-9 2-4", [], ("", "2-8", "")),
        ([1, 5], 5, "2-3", [3, 4], ("", "2", "3-4")),
        ([1, 2], 2, "5-9", [7], ("", "", "")),
        ([4], 2, "", [], ("1-2", "", "")),
    ],
)
def test_gaps_are_missing_lost_or_rejected(
    present: list[int], upto: int, lost: str, refused: list[int], gaps: tuple[str, ...]
) -> None:
    missing, lost_of_them, rejected = map(spans, gaps)

    found = find_gaps(present, upto, spans(lost), refused)

    assert found == Gaps(missing=missing, lost=lost_of_them, refused=rejected)


@given(
    present=SETS, upto=st.integers(0, 40), lost=st.lists(st.tuples(st.integers(1, 40), st.integers(0, 9))), refused=SETS
)
def test_gaps_equal_the_difference_of_sets(
    present: set[int], upto: int, lost: list[tuple[int, int]], refused: set[int]
) -> None:
    declared = [Span(first=first, last=first + more) for first, more in lost]

    found = find_gaps(sorted(present), upto, declared, refused)

    def numbers(parts: tuple[Span, ...]) -> set[int]:
        members = [number for span in parts for number in range(span.first, span.last + 1)]
        assert len(members) == len(set(members)) == total(parts)
        assert members == sorted(members)
        return set(members)

    holes = set(range(1, upto + 1)) - present
    covered = {number for span in declared for number in range(span.first, span.last + 1)}
    assert numbers(found.refused) == holes & refused
    assert numbers(found.lost) == (holes - refused) & covered
    assert numbers(found.missing) == holes - refused - covered


def test_events_are_expected_up_to_the_highest_stored_or_acknowledged() -> None:
    assert expected(5, None, None) == 5
    assert expected(5, 9, 2) == 7
    assert expected(9, 9, 9) == 9
    assert expected(0, 3, None) == 0


@given(st.data())
def test_each_event_is_stored_once_in_any_order_and_number(data: st.DataObject) -> None:
    box = Outbox()
    messages = [read_message(box.event(document={"n": number}), None) for number in range(8)]
    sent = data.draw(st.lists(st.lists(st.sampled_from(messages), min_size=1), max_size=6))
    stored: dict[str, StoredKey] = {}

    for batch in sent:
        decided = deduplicate(batch, StreamKnowledge(events=list(stored.values())))
        assert [result.key for result in decided.results] == [message.key for message in batch]
        assert MessageStatus.REFUSED not in {result.status for result in decided.results}
        for message in decided.events:
            assert message.key not in stored
            stored[message.key] = StoredKey(key=message.key, sequence=message.sequence, digest=message.digest)

    assert set(stored) == {message.key for batch in sent for message in batch}


@given(st.permutations(range(1, 7)))
def test_the_state_with_the_highest_sequence_is_kept_in_any_order(order: list[int]) -> None:
    box = Outbox()
    raws: list[Raw] = [box.heartbeat(f"{number:016x}") for number in range(6)]
    messages = [read_message(raw, None) for raw in raws]
    latest: StoredKey | None = None

    for number in order:
        decided = deduplicate([messages[number - 1]], StreamKnowledge(latest=latest))
        assert decided.results[0].status is MessageStatus.ACCEPTED
        if decided.latest is not None:
            latest = StoredKey(key=decided.latest.key, sequence=decided.latest.sequence, digest=decided.latest.digest)

    assert latest is not None
    assert latest.sequence == 6


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=30,
)


@given(JSON)
def test_json_round_trips(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if b"\xed" not in text:  # a lone surrogate is not UTF-8
        assert parse_json(text) == value
    assert parse_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_rejected(data: bytes) -> None:
    for reading in (parse_json, inflate):
        with suppress(RefusedError):
            reading(data)
    assert inflate(gzip.compress(data)) == data


def test_nesting_is_counted_outside_strings_only() -> None:
    deep = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH

    assert parse_json(deep)
    assert parse_json(json.dumps("[" * 100 + '\\"' + "{" * 100).encode())
    with pytest.raises(RefusedError, match="nested"):
        parse_json(b"[" + deep + b"]")
    with pytest.raises(RefusedError):
        parse_json(b'"[' * 5000)


def test_bodies_above_the_limit_are_rejected_unparsed() -> None:
    with pytest.raises(RefusedError) as raised:
        inflate(gzip.compress(b" " * (MAX_BYTES + 1)))
    assert raised.value.status == 413
    with pytest.raises(RefusedError) as raised:
        parse_json(b" " * (MAX_BYTES + 1))
    assert raised.value.status == 413


def test_the_rate_limit_is_per_host() -> None:
    rates = RateLimiter(per_minute=60, burst=3)

    at_once = [rates.wait_s("a", 100.0) for _ in range(4)]
    other = rates.wait_s("b", 100.0)
    later = [rates.wait_s("a", 101.0), rates.wait_s("a", 101.5), rates.wait_s("a", 50.0)]

    assert at_once == [0, 0, 0, 1]
    assert other == 0
    assert later == [0, 0.5, 0.5]


def test_the_rate_limit_holds_over_any_time() -> None:
    rates, chance = RateLimiter(per_minute=120, burst=10), random.Random(1)  # noqa: S311 - not for cryptography
    now, taken = 0.0, 0
    for _ in range(5000):
        now += chance.random() * 0.3
        taken += rates.wait_s("a", now) == 0

    assert now * 2 <= taken <= now * 2 + 10


def stream(host: str, **changes: object) -> Stream:
    values: dict[str, object] = {
        "host_id": host, "instance_id": "i", "agent_version": "0.1.0", "first_seen_at": NOW, "last_seen_at": NOW,
        "reported_at": NOW, "state": {"host": {"name": host}}, "events": 0, "highest_event": 0, "refused": 0,
        "gaps": Gaps(), **changes,
    }  # fmt: skip
    return Stream(**values)  # type: ignore[arg-type]


def test_queued_events_that_have_arrived_since_the_state_do_not_count() -> None:
    outbox = {"depth": 3, "last_sequence": 9}
    rows = [
        fleet_document([stream("a", state={"outbox": outbox}, highest_event=highest)], NOW, timedelta(1))["hosts"][0]
        for highest in (2, 6, 8, 9, 12)
    ]
    unknown = fleet_document([stream("a", state={"outbox": None})], NOW, timedelta(1))["hosts"][0]

    assert [row["waiting_events"] for row in rows] == [3, 3, 1, 0, 0]
    assert unknown["waiting_events"] is None


def test_a_host_is_silent_if_all_its_outboxes_are() -> None:
    old = NOW - timedelta(hours=3)
    lost = Gaps(missing=spans("2-3"), lost=spans("7"))
    streams = [
        stream("a", last_seen_at=old, gaps=lost, refused=1),
        stream("a", instance_id="j"),
        stream("b", last_seen_at=old, state=None, reported_at=None),
    ]

    document = fleet_document(streams, NOW, timedelta(minutes=15))

    unnamed, named = document["hosts"]
    assert (named["silent"], named["missing_events"], named["lost_events"], named["refused_messages"]) == (
        False,
        2,
        1,
        1,
    )
    assert (unnamed["silent"], unnamed["name"], unnamed["pending"]) == (True, None, None)


def test_agents_that_report_under_one_id_at_the_same_time_are_clones() -> None:
    day = NOW - timedelta(days=1)
    streams = [
        stream("a", first_seen_at=day, state={"host": {"name": "web-1"}, "health": "healthy"}),
        stream("a", instance_id="j", first_seen_at=day, last_seen_at=NOW - timedelta(minutes=4)),
        stream("a", instance_id="k", first_seen_at=day, last_seen_at=NOW - timedelta(hours=4)),
    ]

    document = fleet_document(streams, NOW, timedelta(minutes=15))

    host = document["hosts"][0]
    assert (host["agents"], host["agent_names"], host["health"]) == (2, ["a", "web-1"], None)
    assert "a: 2 agents report under this id (a, web-1)" in fleet_lines(document, NOW)


def test_an_agent_that_was_installed_again_is_no_clone() -> None:
    again = NOW - timedelta(minutes=3)
    streams = [
        stream("a", first_seen_at=NOW - timedelta(days=9), last_seen_at=again),
        stream("a", instance_id="j", first_seen_at=again),
    ]

    host = fleet_document(streams, NOW, timedelta(minutes=15))["hosts"][0]

    assert (host["agents"], host["agent_names"]) == (1, ["a"])


@pytest.mark.parametrize(
    ("release", "has_ended"),
    [
        ({"support": "ended", "until": "2026-11-22"}, True),
        ({"support": "supported", "until": "2026-11-22"}, True),
        ({"support": "supported", "until": "2026-11-23"}, False),
        ({"support": "unknown", "until": None}, False),
    ],
    ids=["ended", "ended-since-the-report", "on-the-last-day", "unknown"],
)
def test_the_fleet_counts_the_releases_that_are_past_their_end_by_now(
    release: dict[str, object], *, has_ended: bool
) -> None:
    document = fleet_document([stream("a", state={"release": release})], NOW, timedelta(minutes=15))

    assert ("1 past the end of security updates" in fleet_lines(document, NOW)[-1]) is has_ended


def test_the_fleet_is_rendered_as_a_table() -> None:
    state = {
        "host": {"name": "web\x1b[2J1"}, "health": "attention", "updates": {"security_pending": 3, "held": 0},
        "reboot": {"required": True, "since": "2026-11-21T05:10:00Z"}, "last_outcome": {"result": "failed"},
    }  # fmt: skip
    streams = [
        stream("a", state=state, gaps=Gaps(missing=spans("2-3"))),
        stream("b", state={"reboot": {"required": False}}, last_seen_at=NOW - timedelta(hours=3)),
        stream("c", state={"reboot": {"required": True, "since": None}}),
    ]

    lines = fleet_lines(fleet_document(streams, NOW, timedelta(minutes=15)), NOW)

    assert lines == [
        "HOST      SEEN         HEALTH     PENDING  HELD  REBOOT     LAST RUN  EVENTS     ID",
        "-         3 h, SILENT  ?          ?        ?     no         -         complete   b",
        "-         0 s          ?          ?        ?     required   -         complete   c",
        "web?[2J1  0 s          attention  3        0     since 2 d  failed    2 missing  a",
        "",
        "3 hosts: 1 pending, 0 with held updates, 2 to reboot, 1 silent, 1 with missing events",
    ]
    assert "\x1b" not in "".join(lines + gap_lines(streams))
    assert gap_lines(streams) == ["web?[2J1 (a, outbox i): missing 2-3"]
    assert fleet_lines({"hosts": []}, NOW) == ["no host has reported yet"]
    assert gap_lines([]) == ["no gaps"]


def test_times_round_trip() -> None:
    assert parse_utc(format_utc(NOW)) == NOW
    ages = [format_age(NOW - timedelta(seconds=seconds), NOW) for seconds in (-5, 59, 60, 7200, 90_000)]
    assert ages == ["0 s", "59 s", "1 min", "2 h", "1 d"]
