"""What the endpoint's answer to a batch means for the stream. Pure: state and messages in, state and deletions out."""

from collections.abc import Sequence
from datetime import datetime

from agent.core.frozen import frozen, replace
from agent.core.redact import one_line
from agent.core.requests.model import NO_OFFERS, RequestOffers
from agent.core.schedule.backoff import ResponseClass
from agent.report.endpoint.client import EndpointResponse
from agent.report.endpoint.messages import (
    MAX_MESSAGES,
    Message,
    MessageKind,
    MessageResult,
    MessageStatus,
    Receipt,
    ResultCode,
    read_receipt,
)
from agent.report.outbox.stream_state import OFFER_AGAIN, RefusedState, StreamState
from agent.state.timestamps import format_utc


@frozen
class Settlement:
    """What is to be written after one request."""

    response: EndpointResponse
    """The endpoint's, or what is wrong with it."""
    state: StreamState
    sent: int = 0
    """Messages that are settled: acknowledged, or refused permanently."""
    delete: Sequence[int] = ()
    """Sequences of events that need not be sent again."""
    drop: Sequence[int] = ()
    """Sequences of events that are lost, as the endpoint rejected them."""
    rejections: Sequence[tuple[str, str]] = ()
    """Keys of rejected messages, each with the answer to it."""
    acknowledged: bool = False
    """Whether there was a receipt, so that losses can be reported."""
    start_stream: bool = False
    """The endpoint has other events of this stream, as after a restore of the disk: a new stream is to start."""
    offers: RequestOffers = NO_OFFERS
    """Requests of people that the receipt carries."""
    heartbeat_fault: str = ""
    """Why the endpoint refuses a heartbeat: it cannot see that this machine is alive."""


def batch_limit(state: StreamState) -> int:
    """Return how many messages a batch may have; halved while one bad message is searched for."""
    return min(state.batch_limit or MAX_MESSAGES, MAX_MESSAGES)


def next_state_message(state: StreamState, report: dict[str, object], now: datetime) -> tuple[Message, StreamState]:
    """Return the report as a state, or a heartbeat if the endpoint has it already or refused it lately.

    The state returned has the message's sequence; it is to be durable before the message is sent.
    """
    digest = report["hash"]
    unchanged = digest == state.sent_hash or state.is_refused(digest, now)
    sequence = state.state_sequence + 1
    message = Message(
        key=f"{'h' if unchanged else 's'}-{sequence:020}",
        kind=MessageKind.HEARTBEAT if unchanged else MessageKind.STATE,
        sequence=sequence,
        created_at=format_utc(now),
        body={"hash": digest} if unchanged else report,
    )
    return message, replace(state, state_sequence=sequence)


def settle(state: StreamState, messages: Sequence[Message], response: EndpointResponse, now: datetime) -> Settlement:
    """Return what follows from a response to these messages."""
    if response.response_class is ResponseClass.REJECTED:
        return _settle_rejected(state, messages, response, now)
    if response.response_class is not ResponseClass.OK:
        return Settlement(response=response, state=state)
    receipt = _all_accepted(messages) if response.no_content else read_receipt(response.text, messages)
    if receipt is None:
        return Settlement(
            response=_failed(response, ResponseClass.SERVER_ERROR, "the answer is no receipt for what was sent"),
            state=state,
        )
    return _settle_receipt(state, messages, receipt, response, now)


def _settle_receipt(
    state: StreamState, messages: Sequence[Message], receipt: Receipt, response: EndpointResponse, now: datetime
) -> Settlement:
    pairs = list(zip(messages, receipt.results, strict=True))
    for message, result in pairs:
        state = _settle_message(state, message, result, now)
    events = [pair for pair in pairs if pair[0].kind is MessageKind.EVENT]
    refused = [one for message, one in pairs if message.kind is MessageKind.HEARTBEAT and one.is_refused()]
    reused = any(result.is_refused(ResultCode.SEQUENCE_REUSED) for _, result in events)
    if reused:
        why = "the endpoint has other events of this outbox; the queued events are sent as a new stream"
        response = EndpointResponse(response_class=ResponseClass.SERVER_ERROR, why=why)
    return Settlement(
        response=response,
        state=replace(
            state,
            sent_hash=None if receipt.resend_state else state.sent_hash,
            batch_limit=min(batch_limit(state) * 2, MAX_MESSAGES),
        ),
        sent=len(messages) - len(refused),
        delete=[one.sequence for one, result in events if not result.is_refused(ResultCode.SEQUENCE_REUSED)],
        rejections=[(one.key, result.detail) for one, result in pairs if _is_rejection(one, result)],
        acknowledged=True,
        start_stream=reused,
        offers=receipt.offers,
        heartbeat_fault=_heartbeat_fault(refused[0].detail) if refused else "",
    )


def _is_rejection(message: Message, result: MessageResult) -> bool:
    """Return whether a message is refused permanently; an event whose sequence is reused goes to a new stream."""
    moved = message.kind is MessageKind.EVENT and result.is_refused(ResultCode.SEQUENCE_REUSED)
    return result.is_refused() and not moved


def _settle_message(state: StreamState, message: Message, result: MessageResult, now: datetime) -> StreamState:
    if message.kind is MessageKind.EVENT:
        return replace(state, refused=state.refused + 1) if _is_rejection(message, result) else state
    if message.kind is MessageKind.STATE and not result.is_refused(ResultCode.SEQUENCE_REUSED, ResultCode.KEY_REUSED):
        state = _after_state(state, message, result.detail if result.is_refused() else None, now)
    if result.code is ResultCode.SUPERSEDED and result.sequence is not None:
        # the disk was restored from an older copy: the next state goes out with a higher sequence
        return replace(state, state_sequence=max(result.sequence, message.sequence), sent_hash=None)
    return state


def _after_state(state: StreamState, message: Message, refusal: str | None, now: datetime) -> StreamState:
    digest = str(message.body["hash"])
    if refusal is None:
        return replace(state, sent_hash=digest, refused_state=None)
    refused = RefusedState(hash=digest, until=now + OFFER_AGAIN, why=one_line(refusal))
    return replace(state, refused_state=refused)


def _settle_rejected(
    state: StreamState, messages: Sequence[Message], response: EndpointResponse, now: datetime
) -> Settlement:
    """Bisect a rejected batch until the single bad message is found, and drop only that one."""
    if len(messages) > 1:
        return Settlement(response=response, state=replace(state, batch_limit=len(messages) // 2))
    if not response.final:
        # A proxy's error page, not the endpoint's answer: it must not cost all queued events, one by one.
        return Settlement(response=_failed(response, ResponseClass.MISCONFIGURED, response.why), state=state)
    (message,) = messages
    is_event, is_heartbeat = message.kind is MessageKind.EVENT, message.kind is MessageKind.HEARTBEAT
    if message.kind is MessageKind.STATE:
        state = _after_state(state, message, response.why, now)
    return Settlement(
        response=response,
        state=replace(state, batch_limit=1, refused=state.refused + is_event),
        sent=0 if is_heartbeat else 1,
        drop=[message.sequence] if is_event else [],
        rejections=[(message.key, f"{response.why}\n{response.text}")],
        heartbeat_fault=_heartbeat_fault(response.why) if is_heartbeat else "",
    )


def _heartbeat_fault(why: str) -> str:
    return f"the endpoint refuses this machine's heartbeats: {one_line(why) or 'it does not say why'}"


def _all_accepted(messages: Sequence[Message]) -> Receipt:
    """Return the receipt that an answer without a body (204) stands for."""
    return Receipt(results=[MessageResult(status=MessageStatus.ACCEPTED) for _ in messages], resend_state=False)


def _failed(response: EndpointResponse, response_class: ResponseClass, why: str) -> EndpointResponse:
    return EndpointResponse(response_class=response_class, why=why, skew=response.skew)
