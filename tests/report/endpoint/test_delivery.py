"""Days without an endpoint, in simulated time: the queue stays bounded and is sent afterwards at the burst rate."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from agent.core.requests.model import NO_OFFERS, RequestOffers
from agent.core.schedule.backoff import ResponseClass
from agent.core.schedule.exports import ExportState
from agent.core.schedule.slots import Interval
from agent.report.endpoint.client import EndpointResponse
from agent.report.endpoint.delivery import Delivery, DeliveryResult
from agent.report.outbox.file import open_outbox
from agent.report.outbox.outbox import Outbox
from agent.report.outbox.transaction import OutboxLimits
from tests.core.given import NO_ENDPOINT
from tests.report.given import check_event
from tests.support import bases

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
HOST = "11111111-2222-4333-8444-555555555555"
BURST = 100
POLICY = replace(NO_ENDPOINT, url="https://endpoint.example.org", burst=BURST)
SLOTS = Interval(interval=POLICY.interval, share=0.3)


@dataclass
class FakeEndpoint:
    """An endpoint in memory, as in the contract."""

    up: bool = True
    refuses: Sequence[str] = ()
    """Types of events that it refuses one by one."""
    chokes: Sequence[str] = ()
    """Types of events for which it rejects the whole batch."""
    offers_heartbeats: bool = True
    refuses_states: bool = False
    refuses_heartbeats: bool = False
    """Rejects them, alone and the batch that has one."""
    ahead: int = 0
    """The highest sequence of a state that it holds already."""
    knows: frozenset[int] = frozenset()
    """Sequences of this stream for which it has other events."""
    stream: str = ""
    started: list[dict[str, Any]] = field(default_factory=list)
    events: dict[int, str] = field(default_factory=dict)
    states: list[dict[str, Any]] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    batches: list[tuple[datetime, int]] = field(default_factory=list)
    asked: int = 0
    """Received batches, rejected ones included."""
    now: datetime = NOON

    def heartbeat(self, *, host_id: str, instance_id: str, sequence: int, digest: str) -> EndpointResponse:
        if not self.up:
            return EndpointResponse(response_class=ResponseClass.RETRY, why="away")
        if not self.offers_heartbeats:
            return EndpointResponse(response_class=ResponseClass.MISCONFIGURED, why="HTTP 404", offered=False)
        if self.refuses_heartbeats:
            return EndpointResponse(response_class=ResponseClass.REJECTED, why="HTTP 422", status=422, final=True)
        self.kinds.append("beat")
        assert (host_id, len(instance_id)) == (HOST, 36)
        if sequence < self.ahead:
            return EndpointResponse(
                response_class=ResponseClass.OK, text=json.dumps(_superseded(f"h-{sequence:020}", self.ahead))
            )
        if self.states and digest == self.states[-1]["hash"]:
            return EndpointResponse(response_class=ResponseClass.OK, no_content=True)
        receipt = {"schema": "maestro.receipt/1", "results": [result(f"h-{sequence:020}")], "resend_state": True}
        return EndpointResponse(response_class=ResponseClass.OK, text=json.dumps(receipt))

    def post(self, batch: Any) -> EndpointResponse:
        if not self.up:
            return EndpointResponse(response_class=ResponseClass.RETRY, why="away")
        messages = batch["messages"]
        self.asked += 1
        if batch["instance_id"] != self.stream and self.stream:
            self.events, self.knows, self.ahead = {}, frozenset(), 0
        self.stream = batch["instance_id"]
        types = [message["body"].get("type") for message in messages]
        beats = self.refuses_heartbeats and any(message["kind"] == "heartbeat" for message in messages)
        if beats or set(types) & set(self.chokes):
            return EndpointResponse(response_class=ResponseClass.REJECTED, why="HTTP 400", text="what?", final=True)
        self.batches.append((self.now, len(messages)))
        return EndpointResponse(response_class=ResponseClass.OK, text=json.dumps(self._receipt(messages)))

    def _receipt(self, messages: list[dict[str, Any]]) -> dict[str, Any]:
        results = []
        for message in messages:
            self.kinds.append(message["kind"])
            refusal = self._refusal(message)
            if message["kind"] == "event" and refusal is None:
                assert self.events.setdefault(message["sequence"], message["key"]) == message["key"]
                self.started += [message["body"]["document"]] * (message["body"]["type"] == "outbox-begun")
            if message["kind"] == "state" and refusal is None:
                self.states.append(message["body"])
            results.append(result(message["key"], refusal))
        return {"schema": "maestro.receipt/1", "results": results, "resend_state": False}

    def _refusal(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """Return a message's result without its key; None where it is stored."""
        if message["kind"] == "event" and message["sequence"] in self.knows:
            return {"status": "refused", "code": "sequence-reused", "detail": "another event has this sequence"}
        if message["kind"] != "event" and message["sequence"] < self.ahead:
            return superseded(self.ahead)
        refused = message["body"].get("type") in self.refuses or (message["kind"] == "state" and self.refuses_states)
        return {"status": "refused", "code": "invalid", "detail": "no"} if refused else None


def superseded(ahead: int) -> dict[str, Any]:
    return {"status": "accepted", "code": "superseded", "sequence": ahead, "detail": "a newer one is stored"}


def result(key: str, other: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"key": key, **(other or {"status": "accepted", "code": None, "detail": None})}


def _superseded(key: str, ahead: int) -> dict[str, Any]:
    return {"schema": "maestro.receipt/1", "results": [result(key, superseded(ahead))], "resend_state": False}


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    bounds = OutboxLimits(size=1_000_000, age=timedelta(days=30))
    with open_outbox(str(tmp_path / "outbox"), HOST, bounds, NOON) as found:
        yield found


def add(outbox: Outbox, *kinds: str, now: datetime = NOON) -> None:
    with outbox.transaction() as tx:
        for kind in kinds:
            tx.add(kind, now, {"text": "x" * 300}, now)
        tx.enforce_limits(now)


def deliver(outbox: Outbox, endpoint: FakeEndpoint, *, digest: str = "a" * 16) -> DeliveryResult:
    report: dict[str, object] = {"schema": "maestro.report/1", "hash": digest}
    return Delivery(outbox, POLICY, endpoint).run(report, lambda: endpoint.now)


DAYS = 7 if bases.thorough() else 2
EVENTS = 142 * DAYS


def test_events_of_days_without_an_endpoint_are_sent_without_exceeding_the_burst(outbox: Outbox) -> None:
    rng = random.Random(3)  # noqa: S311 - chance, no secret
    endpoint, state, now = FakeEndpoint(), ExportState(), NOON
    back = NOON + timedelta(days=DAYS)
    attempts = added = 0
    while now < back + timedelta(hours=1):
        now = max(state.next(SLOTS, now=now, up_since=NOON, changed=False), now + timedelta(seconds=1))
        while added < EVENTS and added < (now - NOON) / timedelta(minutes=10):
            add(outbox, "outcome", now=now)
            added += 1
        endpoint.now, endpoint.up = now, now >= back
        attempts += now < back
        done = deliver(outbox, endpoint, digest=f"{added:016x}")
        state = state.after(done.response.response_class, now=now, chance=rng.random())
        state = state.rate_limited(done.sent, BURST) if done.more else state

    worst = max(
        sum(count for at, count in endpoint.batches if begin <= at < begin + timedelta(minutes=1))
        for begin, _ in endpoint.batches
    )
    print(f"{attempts} attempts in {DAYS} days, {len(endpoint.events)} events, at most {worst} messages a minute")
    assert sorted(endpoint.events) == list(range(1, EVENTS + 2))
    assert len(endpoint.states) == 1
    assert worst <= BURST
    assert attempts < 428 * DAYS


@dataclass
class OfferingEndpoint(FakeEndpoint):
    """An endpoint whose receipts carry requests, also those of single heartbeats."""

    offers: dict[str, Any] = field(default_factory=dict)

    def post(self, batch: Any) -> EndpointResponse:
        return self._with_offers(super().post(batch))

    def heartbeat(self, **address: Any) -> EndpointResponse:
        results = [result(f"h-{address['sequence']:020}")]
        receipt = {"schema": "maestro.receipt/1", "results": results, "resend_state": False}
        return self._with_offers(EndpointResponse(response_class=ResponseClass.OK, text=json.dumps(receipt)))

    def _with_offers(self, response: EndpointResponse) -> EndpointResponse:
        return replace(response, text=json.dumps({**json.loads(response.text), **self.offers}))


def test_what_a_receipt_offers_is_passed_on(outbox: Outbox) -> None:
    endpoint, cancelled = OfferingEndpoint(), "00000000-0000-4000-9000-000000000002"
    assert deliver(outbox, endpoint).offers == NO_OFFERS
    endpoint.offers = {"requests": [{"schema": "maestro.request/1"}], "requests_cancelled": [cancelled]}
    wanted = RequestOffers(documents=({"schema": "maestro.request/1"},), cancelled=(cancelled,))

    assert deliver(outbox, endpoint).offers == wanted, "in the receipt of a heartbeat"
    add(outbox, "outcome")
    assert deliver(outbox, endpoint).offers == wanted, "in that of a batch"


def test_unchanged_state_is_a_heartbeat(outbox: Outbox) -> None:
    endpoint = FakeEndpoint()
    for digest in ("a" * 16, "a" * 16, "b" * 16, "b" * 16):
        deliver(outbox, endpoint, digest=digest)

    assert [kind for kind in endpoint.kinds if kind != "event"] == ["state", "beat", "state", "beat"]


def test_refused_heartbeat_is_a_failure_with_its_backoff_and_holds_up_no_event(outbox: Outbox) -> None:
    endpoint = FakeEndpoint()
    deliver(outbox, endpoint)
    endpoint.refuses_heartbeats = True
    alone = deliver(outbox, endpoint)
    add(outbox, "outcome")
    with_event = deliver(outbox, endpoint)

    for found in (alone, with_event):
        assert found.response.response_class is ResponseClass.MISCONFIGURED
        assert (found.response.why.endswith("HTTP 422"), found.more) == (True, False)
    assert (alone.sent, outbox.stats().events) == (0, 0)
    later = ExportState().after(alone.response.response_class, now=NOON, chance=0.0).not_before
    assert later is not None
    assert later >= NOON + POLICY.interval


def test_rejected_heartbeat_of_a_batch_is_found_and_the_events_arrive(outbox: Outbox) -> None:
    endpoint = FakeEndpoint()
    deliver(outbox, endpoint)
    endpoint.refuses_heartbeats = True
    add(outbox, "outcome", "outcome", "outcome")

    found = deliver(outbox, endpoint)

    assert found.response.response_class is ResponseClass.MISCONFIGURED
    assert (outbox.stats().events, outbox.stats().refused) == (0, 0)


def test_clock_that_is_set_back_does_not_prolong_what_holds_for_a_day(outbox: Outbox) -> None:
    endpoint = FakeEndpoint(offers_heartbeats=False, refuses_states=True)
    endpoint.now = NOON + timedelta(days=4000)
    deliver(outbox, endpoint)
    deliver(outbox, endpoint)
    endpoint.kinds, endpoint.offers_heartbeats, endpoint.refuses_states = [], True, False
    endpoint.now = NOON
    deliver(outbox, endpoint)
    deliver(outbox, endpoint)

    assert endpoint.kinds == ["state", "beat"]


def test_endpoint_without_short_heartbeats_gets_batches_for_a_day(outbox: Outbox) -> None:
    endpoint = FakeEndpoint(offers_heartbeats=False)
    for hours in (0, 1, 2):
        endpoint.now = NOON + timedelta(hours=hours)
        deliver(outbox, endpoint)
    endpoint.offers_heartbeats = True
    for hours in (3, 26):
        endpoint.now = NOON + timedelta(hours=hours)
        deliver(outbox, endpoint)

    assert [kind for kind in endpoint.kinds if kind != "event"] == ["state", *["heartbeat"] * 3, "beat"]


def test_requested_state_is_sent_next(outbox: Outbox) -> None:
    endpoint = FakeEndpoint()
    deliver(outbox, endpoint)
    endpoint.states = []
    deliver(outbox, endpoint)
    deliver(outbox, endpoint)

    assert [kind for kind in endpoint.kinds if kind != "event"] == ["state", "beat", "state"]


def test_refused_state_is_sent_again_after_a_day(outbox: Outbox) -> None:
    endpoint = FakeEndpoint(refuses_states=True)
    for hours in (0, 1, 2, 25):
        endpoint.now = NOON + timedelta(hours=hours)
        deliver(outbox, endpoint)
    deliver(outbox, endpoint, digest="b" * 16)

    assert [kind for kind in endpoint.kinds if kind != "event"] == ["state", "beat", "beat", "state", "state"]


def test_after_a_disk_restore_states_get_higher_sequences(outbox: Outbox) -> None:
    endpoint = FakeEndpoint(ahead=500)
    for _ in range(2):
        deliver(outbox, endpoint)
    endpoint.ahead = 900
    for _ in range(3):
        deliver(outbox, endpoint)

    assert len(endpoint.states) == 2
    assert [kind for kind in endpoint.kinds if kind != "event"] == ["state", "state", "beat", "state", "beat"]


def test_after_a_disk_restore_queued_events_move_to_a_new_stream(outbox: Outbox) -> None:
    endpoint = FakeEndpoint(knows=frozenset({2, 3}))
    before = outbox.state.instance_id
    add(outbox, "outcome", "job-failed", "rebooted", "messages-lost")
    with outbox.transaction() as tx:
        tx.drop(5, "", "too-old")

    first = deliver(outbox, endpoint)
    arrived = dict(endpoint.events)
    second = deliver(outbox, endpoint)

    assert first.response.response_class is ResponseClass.SERVER_ERROR
    assert second.response.response_class is ResponseClass.OK
    assert sorted(arrived) == [1, 4]
    assert endpoint.started[-1] == {"previous_instance_id": before, "reason": "rolled-back"}
    event = {"schema": "maestro.event/1", "type": "outbox-begun", "at": "2026-11-23T12:00:00Z"}
    check_event({**event, "document": endpoint.started[-1]})
    assert sorted(endpoint.events) == [1, 2, 3, 4]
    assert outbox.stats().events == 0


def test_endpoint_that_refuses_every_sequence_makes_nothing_grow(outbox: Outbox) -> None:
    add(outbox, "outcome", "outcome")
    for _ in range(20):
        deliver(outbox, FakeEndpoint(knows=frozenset(range(1000))))

    assert outbox.stats().events == 3
    assert deliver(outbox, FakeEndpoint()).response.response_class is ResponseClass.OK


def test_refused_event_does_not_delay_others(outbox: Outbox) -> None:
    endpoint = FakeEndpoint(refuses=("job-failed",))
    add(outbox, "outcome", "job-failed", "outcome")

    deliver(outbox, endpoint)

    assert sorted(endpoint.events) == [1, 2, 4]
    assert outbox.stats().events == 0
    assert outbox.stats().refused == 1
    assert outbox._sql.execute("SELECT answer FROM refusals").fetchall() == [("no",)]  # noqa: SLF001


@pytest.mark.parametrize("place", [0, 1, 7, 30])
def test_only_the_bad_message_of_a_rejected_batch_is_dropped(place: int, outbox: Outbox) -> None:
    endpoint = FakeEndpoint(chokes=("job-failed",))
    kinds = ["outcome"] * 31
    kinds[place] = "job-failed"
    add(outbox, *kinds)

    done = deliver(outbox, endpoint)
    deliver(outbox, endpoint)

    lost = place + 2
    assert done.response.response_class is ResponseClass.OK
    assert sorted(endpoint.events) == [number for number in range(1, 34) if number != lost]
    assert outbox.stats().events == 0
    assert (outbox.stats().refused, outbox.stats().dropped) == (1, 0)


def test_slow_endpoint_that_rejects_one_message_gets_all_others(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = FakeEndpoint(chokes=("job-failed",))
    monkeypatch.setattr("time.monotonic", lambda: 40.0 * endpoint.asked)  # more than the time for one run
    add(outbox, *["outcome"] * 60, "job-failed", *["outcome"] * 30)

    found = [deliver(outbox, endpoint) for _ in range(25)]

    assert outbox.stats().events == 0
    assert sorted(endpoint.events) == [number for number in range(1, 94) if number != 62]
    assert [one.response.why for one in found if not one.sent] == ["HTTP 400"] * sum(not one.sent for one in found)
    assert {one.response.response_class for one in found if not one.sent} == {ResponseClass.SERVER_ERROR}


def test_endpoint_that_rejects_every_message_is_not_flooded(outbox: Outbox) -> None:
    endpoint = FakeEndpoint(chokes=("job-failed",))
    add(outbox, *["job-failed"] * 1000)

    deliver(outbox, endpoint)

    assert endpoint.asked <= BURST + 10
    assert outbox.stats().events > 1000 - BURST


def test_state_sequence_never_falls(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(outbox, FakeEndpoint(ahead=500))
    before = outbox.state.state_sequence
    endpoint = FakeEndpoint()
    lie = [result("s-00000000000000000501", superseded(5))]
    receipt = json.dumps({"schema": "maestro.receipt/1", "results": lie, "resend_state": False})
    monkeypatch.setattr(endpoint, "post", lambda _: EndpointResponse(response_class=ResponseClass.OK, text=receipt))

    deliver(outbox, endpoint)

    assert (before, outbox.state.state_sequence) == (500, 501)


def test_damaged_event_is_dropped_and_reported(outbox: Outbox) -> None:
    endpoint = FakeEndpoint()
    add(outbox, "outcome", "outcome")
    outbox._sql.execute("UPDATE events SET body = 'rubbish' WHERE sequence = 2")  # noqa: SLF001 - a bad disk

    deliver(outbox, endpoint)

    assert sorted(endpoint.events) == [1, 3, 4]
    assert outbox.stats().dropped == 1
