"""Tells an OpenTelemetry collector: the numbers of this moment, and each event once it is on record.

Numbers are only worth something while they are new: they never wait. Events do, in an outbox of their own beside the
centre's, which need not exist; bounded, and what a bound or the collector's answer takes away is counted and told.
"""

import os
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from time import monotonic

from agent.core.policy.policy import OtlpPolicy
from agent.core.schedule.backoff import ResponseClass
from agent.core.schedule.exports import state_after
from agent.core.schemas import Document
from agent.errors import ConfigError, HostError
from agent.host import log
from agent.host.machine.facts import host_id
from agent.report.export_state import export_state_to_document
from agent.report.otlp.client import OtlpOutcome, OtlpResult, OtlpTarget, post_otlp
from agent.report.otlp.encode import OtlpRequest, Signal, encode_logs, encode_metrics
from agent.report.otlp.headers import read_headers
from agent.report.outbox.event import QueuedEvent, parse_event
from agent.report.outbox.file import OUTBOX_DIRECTORY, open_outbox
from agent.report.outbox.outbox import Outbox, OutboxStats
from agent.report.outbox.transaction import OutboxLimits
from agent.report.source import ReportSource, jitter, status_after_attempt
from agent.state.exporter_status import NO_QUEUE, UNKNOWN_QUEUE, ExporterName, write_exporter_status
from agent.state.store import Store

QUEUE_LIMITS = OutboxLimits(size=4_000_000, age=timedelta(days=7))
"""Collectors refuse what is older, and nobody sizes a disk for them."""
_REACH = timedelta(days=1)
"""How far back a collector that is new is told: it is no archive."""
_MOST_RECORDS, _MOST_BYTES = 100, 250_000
"""Of one request: a fraction of what any collector takes."""
_VERDICTS = {
    OtlpOutcome.DELIVERED: ResponseClass.OK,
    OtlpOutcome.AGAIN: ResponseClass.RETRY,
    OtlpOutcome.DROPPED: ResponseClass.SERVER_ERROR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpExportResult:
    """What came of a round."""

    verdict: ResponseClass
    why: str
    """Empty where all was told."""
    records: int = 0
    """Events that arrived."""
    points: int = 0
    """Numbers that arrived."""


class OtlpExporter:
    """One round to a collector."""

    def __init__(self, policy: OtlpPolicy, store: Store, run_dir: str) -> None:
        """Take what to go by; looks at nothing yet."""
        self._policy = policy
        self._run_dir = run_dir
        self._tidings = ReportSource(store, run_dir)
        self._directory = os.path.join(store.directory, OUTBOX_DIRECTORY, ExporterName.OTLP.value)
        self._deadline: float | None = None
        self._collector: OtlpTarget | None = None
        self._problems: list[str] = []
        self._verdict = ResponseClass.OK
        self._wait: timedelta | None = None
        self._depth: OutboxStats | None = None
        self._sent = {Signal.LOGS: 0, Signal.METRICS: 0}
        self._points_lost = 0
        self._numbers_tried = False

    def send(self) -> OtlpExportResult:
        """Tell all that there is to tell.

        Raises:
            BusyError: another process is at it.
        """
        try:
            self._collector = OtlpTarget(
                url=self._policy.url,
                ca_file=self._policy.ca_file,
                headers=read_headers(self._policy.headers_file),
                timeout=self._policy.timeout,
            )
        except ConfigError as error:
            self._fail(ResponseClass.MISCONFIGURED, str(error))
        report = self._tidings.numbers()
        if self._policy.logs:
            self._tell_events(report)
        elif self._policy.metrics:
            self._tell_numbers(report)
        return self._say()

    def _tell_events(self, report: Document) -> None:
        """Have wait what is new, and send; the numbers go first, for they are soon worth nothing."""
        try:
            with open_outbox(self._directory, host_id(), QUEUE_LIMITS, _now()) as outbox:
                self._tidings.enqueue_new_events(outbox, _REACH)
                self._tell_numbers(report)
                self._empty(outbox, report)
                self._depth = outbox.stats()
        except HostError as error:
            self._tell_numbers(report)
            self._fail(ResponseClass.SERVER_ERROR, str(error))

    def _tell_numbers(self, report: Document) -> None:
        if self._policy.metrics and not self._numbers_tried:
            self._numbers_tried = True
            done = self._deliver(encode_metrics(report))
            self._points_lost += done.dropped if done else 0

    def _empty(self, outbox: Outbox, report: Document) -> None:
        """Send what waits, oldest first, until a request comes to nothing or the time for one round is over."""
        while waiting := outbox.next_events(_MOST_RECORDS, _MOST_BYTES):
            read = [(one, parse_event(one.body)) for one in waiting]
            _give_up(outbox, [one for one, body in read if body is None])
            messages = [_message(one, body) for one, body in read if body is not None]
            if not messages:
                continue
            done = self._deliver(encode_logs(messages, report))
            if done is None or done.outcome is OtlpOutcome.AGAIN:
                return
            with outbox.transaction() as tx:
                tx.delete([one.sequence for one in waiting])
                tx.state = replace(tx.state, refused=tx.state.refused + done.dropped)
                if done.outcome is OtlpOutcome.DELIVERED:
                    tx.append_loss_event(_now())
            if done.outcome is OtlpOutcome.DROPPED:
                return  # whatever is wrong there: not everything that waits is to go the same way at once

    def _deliver(self, request: OtlpRequest) -> OtlpResult | None:
        """Send one request; None where none may be sent now."""
        if self._deadline is None:  # what came before was this machine's own time
            self._deadline = monotonic() + self._policy.timeout.total_seconds()
        if self._collector is None or self._verdict is ResponseClass.RETRY or monotonic() > self._deadline:
            return None
        done = post_otlp(self._collector, request)
        if done.outcome is OtlpOutcome.DELIVERED:
            self._sent[request.signal] += request.count - done.dropped
        if done.outcome is not OtlpOutcome.DELIVERED or done.dropped:
            said = f"{done.dropped} not taken: {done.detail}" if done.outcome is OtlpOutcome.DELIVERED else done.detail
            name = log.LogEvent.EXPORT_DONE if done.outcome is OtlpOutcome.DELIVERED else log.LogEvent.EXPORT_FAILED
            log.event(name, exporter="otlp", signal=request.signal.value, lost=done.dropped, problem=said)
        if done.outcome is not OtlpOutcome.DELIVERED:
            self._wait = done.retry_after
            self._fail(_VERDICTS[done.outcome], f"{request.signal.value}: {done.detail}")
        return done

    def _fail(self, verdict: ResponseClass, why: str) -> None:
        if self._verdict is not ResponseClass.RETRY:  # that one may say for how long
            self._verdict = verdict
        self._problems.append(why)

    def _say(self) -> OtlpExportResult:
        """Leave word for `status` and for the daemon."""
        before, depth = self._tidings.entry(ExporterName.OTLP), self._depth
        lost = before.get("points_refused")
        why = "; ".join(self._problems)
        unseen = {**UNKNOWN_QUEUE, **before}
        entry: Document = {
            **(unseen if self._policy.logs else NO_QUEUE),
            **status_after_attempt(before, why),
            "points_refused": (lost if isinstance(lost, int) else 0) + self._points_lost,
        }
        if depth is not None:
            entry |= {"depth": depth.events, "oldest_at": depth.oldest_at}
            entry |= {"dropped": depth.dropped, "refused": depth.refused}
        pulse = state_after(
            self._verdict, self._tidings.pulse(ExporterName.OTLP), now=_now(), chance=jitter(), told=self._wait
        )
        document = {"pulse": export_state_to_document(pulse), "exporters": {ExporterName.OTLP.value: entry}}
        write_exporter_status(self._run_dir, ExporterName.OTLP, document)
        return OtlpExportResult(
            verdict=self._verdict, why=why, records=self._sent[Signal.LOGS], points=self._sent[Signal.METRICS]
        )


def _message(waiting: QueuedEvent, body: Document) -> Document:
    """Return the event as `maestro.batch/1` has it."""
    return {
        "kind": "event",
        "key": waiting.key,
        "sequence": waiting.sequence,
        "created_at": waiting.created_at,
        "body": body,
    }


def _give_up(outbox: Outbox, spoilt: list[QueuedEvent]) -> None:
    if spoilt:
        with outbox.transaction() as tx:
            for one in spoilt:
                tx.drop(one.sequence, one.body, "unreadable")


def _now() -> datetime:
    return datetime.now(timezone.utc)
