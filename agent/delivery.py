"""Delivers what waits in the outbox: batch by batch, in order, until nothing is left or no more may be sent now.

Whatever ends it between two lines (a kill, a power cut, an answer that is lost), what was not acknowledged goes out
again as it was.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from agent.core.policy import EndpointPolicy
from agent.core.retry import Verdict
from agent.host.centre import Answer
from agent.outbox import Outbox, Waiting, event_of
from agent.telling.batch import MOST_BYTES, MOST_MESSAGES, Kind, Message, Status, batch_document, read_receipt
from agent.times import moment
from agent.version import VERSION

Post = Callable[[dict[str, object]], Answer]
"""Sends one batch (`agent.host.centre.Centre.post`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What came of a round."""

    answer: Answer
    """The one that the round ended with."""
    sent: int
    """Messages that the centre has settled."""
    more: bool = False
    """Whether events wait that the burst, or the time for one round, has no room for."""


class Delivery:
    """One round."""

    def __init__(self, outbox: Outbox, host_id: str, policy: EndpointPolicy, post: Post) -> None:
        """Take an open outbox and a way to send; sends nothing yet."""
        self._outbox = outbox
        self._host_id = host_id
        self._policy = policy
        self._post = post
        self._most = MOST_MESSAGES
        """Halved where a batch cannot be read on the other side, so that one bad message is found."""
        self._sent = 0
        self._report: dict[str, object] = {}
        self._state: dict[str, object] | None = None
        """The report, until it was told in this round."""

    def run(self, state: dict[str, object], now: Callable[[], datetime]) -> Delivered:
        """Tell the state, or that it is the same, and the events that wait.

        Raises:
            HostError: what the centre has taken cannot be written down; it goes out again.
        """
        self._state = self._report = state
        deadline = time.monotonic() + self._policy.timeout.total_seconds()
        answer = Answer(verdict=Verdict.ANSWERED)
        while messages := self._next(now()):
            answer = self._try(messages, now)
            if answer.verdict not in {Verdict.ANSWERED, Verdict.REFUSED}:
                return Delivered(answer=answer, sent=self._sent)
            if time.monotonic() > deadline:
                break
        more = self._outbox.depth().events > 0
        return Delivered(answer=Answer(verdict=Verdict.ANSWERED, skew=answer.skew), sent=self._sent, more=more)

    def _try(self, messages: Sequence[Message], now: Callable[[], datetime]) -> Answer:
        """Send these; what then is settled waits no longer."""
        names = {"host_id": self._host_id, "instance_id": self._outbox.instance_id, "version": VERSION}
        answer = self._post(batch_document(messages, now=now(), **names))
        if answer.verdict is Verdict.REFUSED:
            return self._refused(messages, answer, now())
        if answer.verdict is not Verdict.ANSWERED:
            return answer
        receipt = read_receipt(answer.text, messages)
        if receipt is None:
            return Answer(verdict=Verdict.BROKEN, why="the answer is no receipt for what was sent", skew=answer.skew)
        with self._outbox.changing():
            for message, (status, detail) in zip(messages, receipt.results, strict=True):
                self._settle(message, status, detail, now())
            if receipt.resend_state:
                self._outbox.keep("told_hash", None)
            self._outbox.tell_losses(now())
        self._sent += len(messages)
        self._most = min(self._most * 2, MOST_MESSAGES)
        return answer

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
            waiting = self._outbox.next_events(room, MOST_BYTES)
            bodies = [(event, event_of(event.body)) for event in waiting]
            spoilt = [event for event, body in bodies if body is None]
            if not spoilt:
                return [_event(event, body) for event, body in bodies if body is not None]
            with self._outbox.changing():
                for event in spoilt:
                    self._outbox.give_up(event.sequence, event.body, "unreadable")

    def _state_message(self, report: dict[str, object], now: datetime) -> Message:
        """Return the state, or a heartbeat where the centre has it already."""
        told = self._outbox.fact("told_hash") == report["hash"]
        with self._outbox.changing():
            sequence = self._outbox.next_state_sequence()
        kind = Kind.HEARTBEAT if told else Kind.STATE
        body = {"hash": report["hash"]} if told else report
        return Message(key=f"s-{sequence:020}", kind=kind, sequence=sequence, created_at=moment(now), body=body)

    def _settle(self, message: Message, status: Status, detail: str, now: datetime) -> None:
        if status is Status.REFUSED:
            self._outbox.refuse(message.key, detail, now, counted=message.kind is Kind.EVENT)
        if message.kind is Kind.EVENT:
            self._outbox.forget([message.sequence])
        if message.kind is Kind.STATE:
            self._outbox.keep("told_hash", message.body["hash"])

    def _refused(self, messages: Sequence[Message], answer: Answer, now: datetime) -> Answer:
        """Find the one message that the centre cannot read, and give up that one alone."""
        if len(messages) > 1:
            self._most = len(messages) // 2
            self._state = self._report if messages[0].kind is not Kind.EVENT else self._state
            return answer
        if not answer.final:
            # Some proxy's page, and not the centre's word: it must not cost all that waits, one by one.
            return Answer(verdict=Verdict.MISCONFIGURED, why=answer.why, skew=answer.skew)
        (message,) = messages
        with self._outbox.changing():
            self._outbox.refuse(message.key, f"{answer.why}\n{answer.text}", now, counted=message.kind is Kind.EVENT)
            if message.kind is Kind.EVENT:
                self._outbox.give_up(message.sequence, "", "refused")
        self._most = 1
        return answer


def _event(waiting: Waiting, body: dict[str, object]) -> Message:
    return Message(
        key=waiting.key, kind=Kind.EVENT, sequence=waiting.sequence, created_at=waiting.created_at, body=body
    )
