"""The OTLP exporter: sends the current metrics, and each event once, to an OpenTelemetry collector.

Metrics are useless once stale, so they are never queued. Events are, in an outbox beside the endpoint's, which need not
exist. It is bounded; what a limit or the collector's answer takes away is counted and reported.
"""

import os
from datetime import timedelta
from time import monotonic

from agent.core.frozen import frozen, replace
from agent.core.policy.policy import OtlpPolicy, Policy
from agent.core.schedule.backoff import ResponseClass
from agent.core.schemas import Document
from agent.errors import ConfigError
from agent.report.export_result import ExportResult
from agent.report.exporter import ExportContext, QueueSettings, count_of
from agent.report.otlp.client import OtlpResult, OtlpTarget, post_otlp
from agent.report.otlp.encode import OtlpRequest, Signal, encode_logs, encode_metrics
from agent.report.otlp.headers import read_headers
from agent.report.outbox.event import QueuedEvent
from agent.report.outbox.file import OUTBOX_DIRECTORY
from agent.report.outbox.outbox import Outbox
from agent.report.outbox.transaction import OutboxLimits
from agent.state.timestamps import utc_now

QUEUE_LIMITS = OutboxLimits(size=4_000_000, age=timedelta(days=7))
"""Collectors refuse what is older, and nobody sizes a disk for them."""
_REACH = timedelta(days=1)
"""How far back a new collector gets events: it is no archive."""
_MAX_RECORDS, _MAX_BYTES = 100, 250_000
"""Per request: a fraction of what any collector accepts."""


def create(policy: Policy) -> "OtlpExporter":
    """Return the exporter under this policy."""
    return OtlpExporter(policy.otlp)


@frozen
class _Exchange:
    """One request and its result."""

    request: OtlpRequest
    result: OtlpResult

    @property
    def sent(self) -> int:
        """Log records or data points that arrived."""
        is_sent = self.result.response_class is ResponseClass.OK
        return self.request.count - self.result.dropped if is_sent else 0

    @property
    def problem(self) -> str:
        """What went wrong; empty for a success, also one in part, which is only counted."""
        failed = self.result.response_class is not ResponseClass.OK
        return f"{self.request.signal.value}: {self.result.detail}" if failed else ""


class OtlpExporter:
    """Sends to a collector over OTLP/HTTP."""

    def __init__(self, policy: OtlpPolicy) -> None:
        """Take the settings; reads nothing yet."""
        self._policy = policy
        self._exchanges: list[_Exchange] = []
        """Of this process: metrics are sent once, also when the run is repeated without the outbox."""
        self._deadline: float | None = None

    @property
    def queue(self) -> QueueSettings | None:
        """An outbox beside the endpoint's, if events are wanted."""
        directory = os.path.join(OUTBOX_DIRECTORY, "otlp")
        return QueueSettings(directory=directory, limits=QUEUE_LIMITS, reach=_REACH) if self._policy.logs else None

    def run(self, context: ExportContext) -> ExportResult:
        """Send the metrics, then the queued events.

        Raises:
            HostError: the outbox cannot be read or written.
        """
        try:
            headers = read_headers(self._policy.headers_file)
        except ConfigError as error:
            problem = "; ".join(filter(None, [str(error), context.outbox_problem]))
            return self._result(context, ResponseClass.MISCONFIGURED, problem)
        target = OtlpTarget(
            url=self._policy.url, ca_file=self._policy.ca_file, headers=headers, timeout=context.time_limit
        )
        report = context.source.metrics_report()
        if self._policy.metrics and not self._exchanges:
            self._post(target, encode_metrics(report))
        if context.outbox is not None:
            self._send_events(target, context.outbox, report)
        return self._result(context, ResponseClass.SERVER_ERROR, context.outbox_problem)

    def _send_events(self, target: OtlpTarget, outbox: Outbox, report: Document) -> None:
        """Send queued events, oldest first, until a request fails or the time is over."""
        while queued := outbox.next_parsed(_MAX_RECORDS, _MAX_BYTES):
            messages = [_message(event, body) for event, body in queued]
            result = self._post(target, encode_logs(messages, report))
            if result is None or result.response_class is ResponseClass.RETRY:
                return
            with outbox.transaction() as tx:
                tx.delete([event.sequence for event, _ in queued])
                tx.state = replace(tx.state, refused=tx.state.refused + result.dropped)
                if result.response_class is ResponseClass.OK:
                    tx.append_loss_event(utc_now())
            if result.response_class is not ResponseClass.OK:
                return  # whatever is wrong there must not cost all queued events at once

    def _post(self, target: OtlpTarget, request: OtlpRequest) -> OtlpResult | None:
        """Send one request; None where none may be sent any more in this run."""
        if self._deadline is None:  # this machine's own work before does not count
            self._deadline = monotonic() + target.timeout.total_seconds()
        busy = any(one.result.response_class is ResponseClass.RETRY for one in self._exchanges)
        if busy or monotonic() > self._deadline:
            return None
        result = post_otlp(target, request)
        self._exchanges.append(_Exchange(request=request, result=result))
        return result

    def _result(self, context: ExportContext, problem_class: ResponseClass, problem: str) -> ExportResult:
        failed = [one.result for one in self._exchanges if one.problem]
        classes = [*(one.response_class for one in failed), *([problem_class] if problem else [])]
        sent = {signal: sum(one.sent for one in self._exchanges if one.request.signal is signal) for signal in Signal}
        lost = {
            signal: sum(one.result.dropped for one in self._exchanges if one.request.signal is signal)
            for signal in Signal
        }
        lost_before = context.last_attempt.get("points_refused")
        points_lost = (lost_before if isinstance(lost_before, int) else 0) + lost[Signal.METRICS]
        return ExportResult(
            response_class=_worst(classes),
            summary=f"{count_of(sent[Signal.LOGS], 'event')} and {count_of(sent[Signal.METRICS], 'number')} delivered",
            why="; ".join(filter(None, [*(one.problem for one in self._exchanges), problem])),
            retry_after=failed[-1].retry_after if failed else None,
            notable=bool(classes) or any(lost.values()),
            detail="; ".join(
                f"{one.result.dropped} not accepted: {one.result.detail}"
                for one in self._exchanges
                if one.result.dropped
            ),
            fields={"points_refused": points_lost},
        )


def _worst(classes: list[ResponseClass]) -> ResponseClass:
    """Return the class of a run: a request to retry decides, as it may name a delay, else the last problem."""
    if ResponseClass.RETRY in classes:
        return ResponseClass.RETRY
    return classes[-1] if classes else ResponseClass.OK


def _message(event: QueuedEvent, body: Document) -> Document:
    """Return the event as `maestro.batch/1` has it."""
    return {
        "kind": "event",
        "key": event.key,
        "sequence": event.sequence,
        "created_at": event.created_at,
        "body": body,
    }
