"""Sends the state and the queued events to the endpoint, batch by batch and in order.

Safe to kill at any point: a message that was not acknowledged is sent again as it was.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from agent.core.frozen import frozen, replace
from agent.core.policy.policy import EndpointPolicy
from agent.core.requests.model import NO_OFFERS, RequestOffers
from agent.core.schedule.backoff import ResponseClass
from agent.core.schemas import Document
from agent.report.endpoint.client import EndpointResponse
from agent.report.endpoint.messages import MAX_BYTES, Message, MessageKind, batch_document
from agent.report.endpoint.settlement import Settlement, batch_limit, next_state_message, settle
from agent.report.outbox.event import QueuedEvent
from agent.report.outbox.outbox import Outbox
from agent.report.outbox.stream_state import OFFER_AGAIN, StreamState
from agent.version import VERSION

Clock = Callable[[], datetime]


class EndpointPeer(Protocol):
    """The endpoint (`agent.report.endpoint.client.EndpointClient`)."""

    def post(self, batch: Mapping[str, object]) -> EndpointResponse:
        """Send one batch."""

    def heartbeat(self, *, host_id: str, instance_id: str, sequence: int, digest: str) -> EndpointResponse:
        """Send a heartbeat outside a batch."""


@frozen
class DeliveryResult:
    """The result of one run."""

    response: EndpointResponse
    """The last one."""
    sent: int
    """Messages that the endpoint has settled."""
    more: bool = False
    """Whether events stay queued, beyond the burst or the time for one run."""
    offers: RequestOffers = NO_OFFERS
    """Requests of people in the last receipt that had any: each receipt repeats them."""


class Delivery:
    """One run over an open outbox."""

    def __init__(self, outbox: Outbox, policy: EndpointPolicy, peer: EndpointPeer) -> None:
        """Take the outbox and the endpoint; sends nothing yet."""
        self._outbox = outbox
        self._policy = policy
        self._peer = peer
        self._sent = 0
        self._offers = NO_OFFERS
        self._heartbeat_fault = ""
        self._report: Document = {}
        self._pending: Document | None = None
        """The report, until it was sent in this run."""

    def run(self, report: Document, now: Clock) -> DeliveryResult:
        """Send the report, or a heartbeat if it is unchanged, and the queued events.

        Raises:
            HostError: what the endpoint acknowledged cannot be written; it will be sent again.
        """
        self._pending = self._report = report
        deadline = time.monotonic() + self._policy.timeout.total_seconds()
        response = EndpointResponse(response_class=ResponseClass.OK)
        while messages := self._next_batch(now()):
            response = self._send(messages, now)
            if response.response_class not in {ResponseClass.OK, ResponseClass.REJECTED}:
                return DeliveryResult(response=response, sent=self._sent, offers=self._offers)
            if time.monotonic() > deadline:
                break
        whole = self._whole(response)
        more = whole.response_class is ResponseClass.OK and self._outbox.stats().events > 0
        return DeliveryResult(response=whole, sent=self._sent, more=more, offers=self._offers)

    def _whole(self, last: EndpointResponse) -> EndpointResponse:
        """Return what the run's answers mean together, none of which asked to stop."""
        if self._heartbeat_fault:
            return _unaccepted(self._heartbeat_fault, last)
        if last.response_class is ResponseClass.REJECTED and not self._sent:
            return EndpointResponse(response_class=ResponseClass.SERVER_ERROR, why=last.why, skew=last.skew)
        return EndpointResponse(response_class=ResponseClass.OK, skew=last.skew)

    def _send(self, messages: Sequence[Message], now: Clock) -> EndpointResponse:
        """Send these messages, and write what follows from the answer."""
        response, state = exchange(self._peer, self._outbox.state, messages, now())
        settlement = settle(state, messages, response, now())
        if response.response_class is ResponseClass.REJECTED and len(messages) > 1:
            self._pending = self._report if messages[0].kind is not MessageKind.EVENT else self._pending
        self._write(settlement, now())
        self._sent += settlement.sent
        self._heartbeat_fault = settlement.heartbeat_fault or self._heartbeat_fault
        self._offers = settlement.offers if settlement.offers != NO_OFFERS else self._offers
        return settlement.response

    def _write(self, settlement: Settlement, now: datetime) -> None:
        if settlement.state == self._outbox.state and not settlement.sent and not settlement.rejections:
            return
        with self._outbox.transaction() as tx:
            tx.state = settlement.state
            tx.delete(settlement.delete)
            for key, answer in settlement.rejections:
                tx.record_rejection(key, answer, now)
            for sequence in settlement.drop:
                tx.drop(sequence, "", "refused")
            if settlement.acknowledged:
                tx.append_loss_event(now)
            if settlement.start_stream:
                tx.start_stream(tx.state.host_id, now, previous=tx.state.instance_id, reason="rolled-back")

    def _next_batch(self, now: datetime) -> list[Message]:
        """Return the next messages: the state first, as it is the news, then events; empty at the end of the run."""
        room = min(batch_limit(self._outbox.state), self._policy.burst - self._sent)
        messages = self._state_message(now) if room > 1 else []
        if room > len(messages):
            queued = self._outbox.next_parsed(room - len(messages), MAX_BYTES)
            messages += [_message(event, body) for event, body in queued]
        return messages or (self._state_message(now) if room > 0 else [])

    def _state_message(self, now: datetime) -> list[Message]:
        if self._pending is None:
            return []
        message, state = next_state_message(self._outbox.state, self._pending, now)
        with self._outbox.transaction() as tx:
            tx.state = state
        self._pending = None
        return [message]


def deliver_state_alone(
    peer: EndpointPeer, state: StreamState, report: Document, now: Clock
) -> tuple[EndpointResponse, StreamState]:
    """Send the report without events and without an outbox; return the state to go on with."""
    message, state = next_state_message(state, report, now())
    response, state = exchange(peer, state, [message], now())
    settlement = settle(state, [message], response, now())
    if settlement.heartbeat_fault:
        return _unaccepted(settlement.heartbeat_fault, response), settlement.state
    if settlement.response.response_class is ResponseClass.REJECTED:
        response = EndpointResponse(response_class=ResponseClass.OK, skew=response.skew)
        return response, settlement.state  # the refusal is in the state
    return settlement.response, settlement.state


def exchange(
    peer: EndpointPeer, state: StreamState, messages: Sequence[Message], now: datetime
) -> tuple[EndpointResponse, StreamState]:
    """Send messages: a single heartbeat by the short request where the endpoint offers it, all others as a batch."""
    if not state.sends_batches_only(now) and [message.kind for message in messages] == [MessageKind.HEARTBEAT]:
        (heartbeat,) = messages
        response = peer.heartbeat(
            host_id=state.host_id,
            instance_id=state.instance_id,
            sequence=heartbeat.sequence,
            digest=str(heartbeat.body["hash"]),
        )
        if response.offered:
            return response, state
        state = replace(state, batches_until=now + OFFER_AGAIN)
    names = {"host_id": state.host_id, "instance_id": state.instance_id, "version": VERSION}
    return peer.post(batch_document(messages, now=now, **names)), state


def _unaccepted(fault: str, response: EndpointResponse) -> EndpointResponse:
    """Return that a heartbeat is refused: the next one would be, too, so that a person has to act."""
    return EndpointResponse(response_class=ResponseClass.MISCONFIGURED, why=fault, skew=response.skew)


def _message(queued: QueuedEvent, body: Document) -> Message:
    return Message(
        key=queued.key, kind=MessageKind.EVENT, sequence=queued.sequence, created_at=queued.created_at, body=body
    )
