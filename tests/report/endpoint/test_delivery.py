"""Days without an endpoint, in simulated time: the queue stays bounded and is sent afterwards at the burst rate."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from agent.core.schedule.backoff import ResponseClass
from agent.core.schedule.exports import ExportState
from agent.core.schedule.slots import Interval
from agent.report.endpoint.client import EndpointResponse
from agent.report.endpoint.delivery import Delivery, DeliveryResult
from agent.report.outbox.file import open_outbox
from agent.report.outbox.outbox import Outbox
from agent.report.outbox.transaction import OutboxLimits
from tests.core.given import NO_CENTRE
from tests.report.given import check_event
from tests.support import bases

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
HOST = "11111111-2222-4333-8444-555555555555"
BURST = 100
POLICY = replace(NO_CENTRE, url="https://centre.example.org", burst=BURST)
SLOTS = Interval(interval=POLICY.interval, share=0.3)


@dataclass
class Centre:
    """The other side, as the contract has it, in memory."""

    up: bool = True
    refuses: Sequence[str] = ()
    """Types of events that it refuses, one by one."""
    chokes: Sequence[str] = ()
    """Types of events that make a batch one that it cannot read."""
    offers_beats: bool = True
    refuses_states: bool = False
    ahead: int = 0
    """The highest number of a state that it knows already."""
    knows: frozenset[int] = frozenset()
    """Sequences that it has other events of, of this stream."""
    stream: str = ""
    begun: list[dict[str, Any]] = field(default_factory=list)
    events: dict[int, str] = field(default_factory=dict)
    states: list[dict[str, Any]] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    batches: list[tuple[datetime, int]] = field(default_factory=list)
    asked: int = 0
    """How many batches came, those that it could not read among them."""
    now: datetime = NOON

    def heartbeat(self, *, host_id: str, instance_id: str, sequence: int, digest: str) -> EndpointResponse:
        if not self.up:
            return EndpointResponse(response_class=ResponseClass.RETRY, why="away")
        if not self.offers_beats:
            return EndpointResponse(response_class=ResponseClass.MISCONFIGURED, why="HTTP 404", offered=False)
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
        if set(types) & set(self.chokes):
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
                self.begun += [message["body"]["document"]] * (message["body"]["type"] == "outbox-begun")
            if message["kind"] == "state" and refusal is None:
                self.states.append(message["body"])
            results.append(result(message["key"], refusal))
        return {"schema": "maestro.receipt/1", "results": results, "resend_state": False}

    def _refusal(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """Return what the result of a message has besides its key; None where it is stored."""
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


def deliver(outbox: Outbox, centre: Centre, *, digest: str = "a" * 16) -> DeliveryResult:
    report: dict[str, object] = {"schema": "maestro.report/1", "hash": digest}
    return Delivery(outbox, POLICY, centre).run(report, lambda: centre.now)


DAYS = 7 if bases.thorough() else 2
EVENTS = 142 * DAYS


def test_events_of_days_without_an_endpoint_are_sent_without_exceeding_the_burst(outbox: Outbox) -> None:
    lots = random.Random(3)  # noqa: S311 - chance, no secret
    centre, pulse, now = Centre(), ExportState(), NOON
    back = NOON + timedelta(days=DAYS)
    attempts = added = 0
    while now < back + timedelta(hours=1):
        now = max(pulse.next(SLOTS, now=now, up_since=NOON, changed=False), now + timedelta(seconds=1))
        while added < EVENTS and added < (now - NOON) / timedelta(minutes=10):
            add(outbox, "outcome", now=now)
            added += 1
        centre.now, centre.up = now, now >= back
        attempts += now < back
        done = deliver(outbox, centre, digest=f"{added:016x}")
        pulse = pulse.after(done.response.response_class, now=now, chance=lots.random())
        pulse = pulse.rate_limited(done.sent, BURST) if done.more else pulse

    worst = max(
        sum(count for at, count in centre.batches if begin <= at < begin + timedelta(minutes=1))
        for begin, _ in centre.batches
    )
    print(f"{attempts} attempts in {DAYS} days, {len(centre.events)} events, at most {worst} messages a minute")
    assert sorted(centre.events) == list(range(1, EVENTS + 2))
    assert len(centre.states) == 1
    assert worst <= BURST
    assert attempts < 428 * DAYS


def test_unchanged_state_is_a_heartbeat(outbox: Outbox) -> None:
    centre = Centre()
    for digest in ("a" * 16, "a" * 16, "b" * 16, "b" * 16):
        deliver(outbox, centre, digest=digest)

    assert [kind for kind in centre.kinds if kind != "event"] == ["state", "beat", "state", "beat"]


def test_endpoint_without_short_heartbeats_gets_batches_for_a_day(outbox: Outbox) -> None:
    centre = Centre(offers_beats=False)
    for hours in (0, 1, 2):
        centre.now = NOON + timedelta(hours=hours)
        deliver(outbox, centre)
    centre.offers_beats = True
    for hours in (3, 26):
        centre.now = NOON + timedelta(hours=hours)
        deliver(outbox, centre)

    assert [kind for kind in centre.kinds if kind != "event"] == ["state", *["heartbeat"] * 3, "beat"]


def test_requested_state_is_sent_next(outbox: Outbox) -> None:
    centre = Centre()
    deliver(outbox, centre)
    centre.states = []
    deliver(outbox, centre)
    deliver(outbox, centre)

    assert [kind for kind in centre.kinds if kind != "event"] == ["state", "beat", "state"]


def test_refused_state_is_sent_again_after_a_day(outbox: Outbox) -> None:
    centre = Centre(refuses_states=True)
    for hours in (0, 1, 2, 25):
        centre.now = NOON + timedelta(hours=hours)
        deliver(outbox, centre)
    deliver(outbox, centre, digest="b" * 16)

    assert [kind for kind in centre.kinds if kind != "event"] == ["state", "beat", "beat", "state", "state"]


def test_after_a_disk_restore_states_get_higher_sequences(outbox: Outbox) -> None:
    centre = Centre(ahead=500)
    for _ in range(2):
        deliver(outbox, centre)
    centre.ahead = 900
    for _ in range(3):
        deliver(outbox, centre)

    assert len(centre.states) == 2
    assert [kind for kind in centre.kinds if kind != "event"] == ["state", "state", "beat", "state", "beat"]


def test_after_a_disk_restore_queued_events_move_to_a_new_stream(outbox: Outbox) -> None:
    centre = Centre(knows=frozenset({2, 3}))
    before = outbox.state.instance_id
    add(outbox, "outcome", "job-failed", "rebooted", "messages-lost")
    with outbox.transaction() as tx:
        tx.drop(5, "", "too-old")

    first = deliver(outbox, centre)
    arrived = dict(centre.events)
    second = deliver(outbox, centre)

    assert first.response.response_class is ResponseClass.SERVER_ERROR
    assert second.response.response_class is ResponseClass.OK
    assert sorted(arrived) == [1, 4]
    assert centre.begun[-1] == {"previous_instance_id": before, "reason": "rolled-back"}
    event = {"schema": "maestro.event/1", "type": "outbox-begun", "at": "2026-11-23T12:00:00Z"}
    check_event({**event, "document": centre.begun[-1]})
    assert sorted(centre.events) == [1, 2, 3, 4]
    assert outbox.stats().events == 0


def test_endpoint_that_refuses_every_sequence_makes_nothing_grow(outbox: Outbox) -> None:
    add(outbox, "outcome", "outcome")
    for _ in range(20):
        deliver(outbox, Centre(knows=frozenset(range(1000))))

    assert outbox.stats().events == 3
    assert deliver(outbox, Centre()).response.response_class is ResponseClass.OK


def test_refused_event_does_not_delay_others(outbox: Outbox) -> None:
    centre = Centre(refuses=("job-failed",))
    add(outbox, "outcome", "job-failed", "outcome")

    deliver(outbox, centre)

    assert sorted(centre.events) == [1, 2, 4]
    assert outbox.stats().events == 0
    assert outbox.stats().refused == 1
    assert outbox._sql.execute("SELECT answer FROM refusals").fetchall() == [("no",)]  # noqa: SLF001


@pytest.mark.parametrize("place", [0, 1, 7, 30])
def test_only_the_bad_message_of_a_rejected_batch_is_dropped(place: int, outbox: Outbox) -> None:
    centre = Centre(chokes=("job-failed",))
    kinds = ["outcome"] * 31
    kinds[place] = "job-failed"
    add(outbox, *kinds)

    done = deliver(outbox, centre)
    deliver(outbox, centre)

    lost = place + 2
    assert done.response.response_class is ResponseClass.OK
    assert sorted(centre.events) == [number for number in range(1, 34) if number != lost]
    assert outbox.stats().events == 0
    assert (outbox.stats().refused, outbox.stats().dropped) == (1, 0)


def test_slow_endpoint_that_rejects_one_message_gets_all_others(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    centre = Centre(chokes=("job-failed",))
    monkeypatch.setattr("time.monotonic", lambda: 40.0 * centre.asked)  # more than a round may take
    add(outbox, *["outcome"] * 60, "job-failed", *["outcome"] * 30)

    found = [deliver(outbox, centre) for _ in range(25)]

    assert outbox.stats().events == 0
    assert sorted(centre.events) == [number for number in range(1, 94) if number != 62]
    assert [one.response.why for one in found if not one.sent] == ["HTTP 400"] * sum(not one.sent for one in found)
    assert {one.response.response_class for one in found if not one.sent} == {ResponseClass.SERVER_ERROR}


def test_endpoint_that_rejects_every_message_is_not_flooded(outbox: Outbox) -> None:
    centre = Centre(chokes=("job-failed",))
    add(outbox, *["job-failed"] * 1000)

    deliver(outbox, centre)

    assert centre.asked <= BURST + 10
    assert outbox.stats().events > 1000 - BURST


def test_state_sequence_never_falls(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(outbox, Centre(ahead=500))
    before = outbox.state.state_sequence
    centre = Centre()
    lie = [result("s-00000000000000000501", superseded(5))]
    receipt = json.dumps({"schema": "maestro.receipt/1", "results": lie, "resend_state": False})
    monkeypatch.setattr(centre, "post", lambda _: EndpointResponse(response_class=ResponseClass.OK, text=receipt))

    deliver(outbox, centre)

    assert (before, outbox.state.state_sequence) == (500, 501)


def test_damaged_event_is_dropped_and_reported(outbox: Outbox) -> None:
    centre = Centre()
    add(outbox, "outcome", "outcome")
    outbox._sql.execute("UPDATE events SET body = 'rubbish' WHERE sequence = 2")  # noqa: SLF001 - a bad disk

    deliver(outbox, centre)

    assert sorted(centre.events) == [1, 3, 4]
    assert outbox.stats().dropped == 1
