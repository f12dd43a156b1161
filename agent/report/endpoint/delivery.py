"""Delivers what waits in the outbox: batch by batch, in order, until nothing is left or no more may be sent now.

Whatever ends it between two lines (a kill, a power cut, an answer that is lost), what was not acknowledged goes out
again as it was.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from agent.core.policy.policy import EndpointPolicy
from agent.core.schedule.backoff import ResponseClass
from agent.host.http import one_line
from agent.report.endpoint.client import EndpointResponse
from agent.report.endpoint.messages import (
    MAX_BYTES,
    MAX_MESSAGES,
    Message,
    MessageKind,
    MessageResult,
    MessageStatus,
    Receipt,
    ResultCode,
    batch_document,
    read_receipt,
)
from agent.report.outbox.outbox import Outbox, QueuedEvent, parse_event
from agent.state.timestamps import format_utc, parse_utc_or_none
from agent.version import VERSION

_TAKEN = (ResultCode.SEQUENCE_REUSED, ResultCode.KEY_REUSED)
_AGAIN_LATER = timedelta(days=1)
"""When what the centre does not take is offered again: it may have been mended."""


class EndpointPeer(Protocol):
    """The other side (`agent.report.endpoint.client.Centre`)."""

    def post(self, batch: Mapping[str, object]) -> EndpointResponse:
        """Send one batch."""

    def beat(self, *, host_id: str, instance_id: str, sequence: int, digest: str) -> EndpointResponse:
        """Send a heartbeat alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryResult:
    """What came of a round."""

    answer: EndpointResponse
    """The one that the round ended with."""
    sent: int
    """Messages that the centre has settled."""
    more: bool = False
    """Whether events wait that the burst, or the time for one round, has no room for."""


class Delivery:
    """One round."""

    def __init__(self, outbox: Outbox, host_id: str, policy: EndpointPolicy, peer: EndpointPeer) -> None:
        """Take an open outbox and the other side; sends nothing yet."""
        self._outbox = outbox
        self._host_id = host_id
        self._policy = policy
        self._peer = peer
        most = outbox.fact("most")
        self._most = most if isinstance(most, int) and 0 < most < MAX_MESSAGES else MAX_MESSAGES
        """Halved where a batch cannot be read on the other side, so that one bad message is found, in the end.

        It outlives the round, which may be over before."""
        self._sent = 0
        self._report: dict[str, object] = {}
        self._state: dict[str, object] | None = None
        """The report, until it was told in this round."""

    def run(self, state: dict[str, object], now: Callable[[], datetime]) -> DeliveryResult:
        """Tell the state, or that it is the same, and the events that wait.

        Raises:
            HostError: what the centre has taken cannot be written down; it goes out again.
        """
        self._state = self._report = state
        deadline = time.monotonic() + self._policy.timeout.total_seconds()
        answer = EndpointResponse(verdict=ResponseClass.OK)
        while messages := self._next(now()):
            answer = self._try(messages, now)
            if answer.verdict not in {ResponseClass.OK, ResponseClass.REJECTED}:
                return DeliveryResult(answer=answer, sent=self._sent)
            if time.monotonic() > deadline:
                break
        if answer.verdict is ResponseClass.REJECTED and not self._sent:
            return DeliveryResult(
                answer=EndpointResponse(verdict=ResponseClass.SERVER_ERROR, why=answer.why, skew=answer.skew), sent=0
            )
        more = self._outbox.depth().events > 0
        return DeliveryResult(
            answer=EndpointResponse(verdict=ResponseClass.OK, skew=answer.skew), sent=self._sent, more=more
        )

    def _try(self, messages: Sequence[Message], now: Callable[[], datetime]) -> EndpointResponse:
        """Send these; what then is settled waits no longer."""
        answer = self._ask(messages, now())
        if answer.verdict is ResponseClass.REJECTED:
            return self._refused(messages, answer, now())
        if answer.verdict is not ResponseClass.OK:
            return answer
        receipt = _well(messages) if answer.settled else read_receipt(answer.text, messages)
        if receipt is None:
            return EndpointResponse(
                verdict=ResponseClass.SERVER_ERROR, why="the answer is no receipt for what was sent", skew=answer.skew
            )
        with self._outbox.changing():
            for message, result in zip(messages, receipt.results, strict=True):
                self._settle(message, result, now())
            if receipt.resend_state:
                self._outbox.keep("told_hash", None)
            self._outbox.tell_losses(now())
            again = self._rolled_back(messages, receipt.results, now())
            self._limit(min(self._most * 2, MAX_MESSAGES))
        self._sent += len(messages)
        return again or answer

    def _limit(self, most: int) -> None:
        """Send no more messages at once from here on."""
        if most != self._most:
            self._most = most
            self._outbox.keep("most", most)

    def _ask(self, messages: Sequence[Message], now: datetime) -> EndpointResponse:
        """Send a heartbeat that is alone the short way, where the centre offers it, and anything else as a batch."""
        until = parse_utc_or_none(self._outbox.fact("batches_until"))
        if [message.kind for message in messages] == [MessageKind.HEARTBEAT] and (until is None or until < now):
            (beat,) = messages
            digest, instance_id = str(beat.body["hash"]), self._outbox.instance_id
            answer = self._peer.beat(
                host_id=self._host_id, instance_id=instance_id, sequence=beat.sequence, digest=digest
            )
            if answer.offered:
                return answer
            with self._outbox.changing():
                self._outbox.keep("batches_until", format_utc(now + _AGAIN_LATER))
        names = {"host_id": self._host_id, "instance_id": self._outbox.instance_id, "version": VERSION}
        return self._peer.post(batch_document(messages, now=now, **names))

    def _next(self, now: datetime) -> list[Message]:
        """Return the next batch: the state first, for it is the news, then events; empty where the round is over."""
        room = min(self._most, self._policy.burst - self._sent)
        messages: list[Message] = []
        if self._state is not None and room > 1:
            messages, self._state = [self._state_message(self._state, now)], None
        events = self._events(room - len(messages)) if room > len(messages) else []
        messages += events
        if not messages and self._state is not None and room > 0:
            messages, self._state = [self._state_message(self._state, now)], None
        return messages

    def _events(self, room: int) -> list[Message]:
        """Return the oldest events; those that the disk did not keep well are given up."""
        while True:
            waiting = self._outbox.next_events(room, MAX_BYTES)
            bodies = [(event, parse_event(event.body)) for event in waiting]
            spoilt = [event for event, body in bodies if body is None]
            if not spoilt:
                return [_event(event, body) for event, body in bodies if body is not None]
            with self._outbox.changing():
                for event in spoilt:
                    self._outbox.give_up(event.sequence, event.body, "unreadable")

    def _state_message(self, report: dict[str, object], now: datetime) -> Message:
        """Return the state, or a heartbeat where the centre has it already, or does not want it."""
        told = report["hash"] in {self._outbox.fact("told_hash"), self._unwanted(now)}
        with self._outbox.changing():
            sequence = self._outbox.next_state_sequence()
        kind = MessageKind.HEARTBEAT if told else MessageKind.STATE
        body = {"hash": report["hash"]} if told else report
        letter = "h" if told else "s"
        return Message(
            key=f"{letter}-{sequence:020}", kind=kind, sequence=sequence, created_at=format_utc(now), body=body
        )

    def _unwanted(self, now: datetime) -> object:
        """Return the hash of a state that the centre refused lately."""
        found = self._outbox.fact("unwanted")
        until = parse_utc_or_none(found.get("until")) if isinstance(found, dict) else None
        return found.get("hash") if isinstance(found, dict) and until is not None and until > now else None

    def _settle(self, message: Message, result: MessageResult, now: datetime) -> None:
        if message.kind is MessageKind.EVENT:
            if result.is_refused(ResultCode.SEQUENCE_REUSED):
                return  # it is sent again, in a new stream
            self._outbox.forget([message.sequence])
        if result.is_refused():
            self._outbox.refuse(message.key, result.detail, now, counted=message.kind is MessageKind.EVENT)
        if message.kind is MessageKind.STATE and not result.is_refused(*_TAKEN):
            self._told(message, now, refusal=result.detail if result.is_refused() else None)

    def _told(self, message: Message, now: datetime, *, refusal: str | None) -> None:
        if refusal is not None:
            unwanted = {"hash": message.body["hash"], "until": format_utc(now + _AGAIN_LATER), "why": one_line(refusal)}
            self._outbox.keep("unwanted", unwanted)
        else:
            self._outbox.keep("told_hash", message.body["hash"])
            self._outbox.keep("unwanted", None)

    def _rolled_back(
        self, messages: Sequence[Message], results: Sequence[MessageResult], now: datetime
    ) -> EndpointResponse | None:
        """Detect that the endpoint is ahead of this outbox, as after a disk was restored from an older copy.

        If it holds other events of the stream, start a new stream. If it holds newer states, send the next state with
        a higher sequence.
        """
        for message, result in zip(messages, results, strict=True):
            superseded = result.code is ResultCode.SUPERSEDED and message.kind is not MessageKind.EVENT
            if superseded and result.sequence is not None:
                self._outbox.keep("state_sequence", max(result.sequence, message.sequence))
                self._outbox.keep("told_hash", None)
            if message.kind is MessageKind.EVENT and result.is_refused(ResultCode.SEQUENCE_REUSED):
                previous = self._outbox.instance_id
                self._outbox.begin(self._host_id, now, previous=previous, reason="rolled-back")
                why = "the endpoint has other events of this outbox; the queued events are sent as a new stream"
                return EndpointResponse(verdict=ResponseClass.SERVER_ERROR, why=why)
        return None

    def _refused(self, messages: Sequence[Message], answer: EndpointResponse, now: datetime) -> EndpointResponse:
        """Find the one message that the centre cannot read, and give up that one alone."""
        if len(messages) > 1:
            with self._outbox.changing():
                self._limit(len(messages) // 2)
            self._state = self._report if messages[0].kind is not MessageKind.EVENT else self._state
            return answer
        if not answer.final:
            # Some proxy's page, and not the centre's word: it must not cost all that waits, one by one.
            return EndpointResponse(verdict=ResponseClass.MISCONFIGURED, why=answer.why, skew=answer.skew)
        (message,) = messages
        with self._outbox.changing():
            self._outbox.refuse(
                message.key, f"{answer.why}\n{answer.text}", now, counted=message.kind is MessageKind.EVENT
            )
            if message.kind is MessageKind.EVENT:
                self._outbox.give_up(message.sequence, "", "refused")
            elif message.kind is MessageKind.STATE:
                self._told(message, now, refusal=answer.why)
            self._limit(1)
        self._sent += 1
        return answer


def _well(messages: Sequence[Message]) -> Receipt:
    """Return the receipt that an answer without a body (204) stands for."""
    return Receipt(results=[MessageResult(status=MessageStatus.ACCEPTED) for _ in messages], resend_state=False)


def _event(waiting: QueuedEvent, body: dict[str, object]) -> Message:
    return Message(
        key=waiting.key, kind=MessageKind.EVENT, sequence=waiting.sequence, created_at=waiting.created_at, body=body
    )
