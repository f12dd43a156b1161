"""The meeting point of telling the centre: collect what the record holds, keep it, deliver it, and say how that went.

One short-lived process at a time does this, started by the daemon or by a person. It owes nobody anything when it is
killed: the record is the truth, the outbox keeps what was taken from it, and the centre knows each message by its key.
"""

import os
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime, timezone

from agent.core.policy.policy import EndpointPolicy
from agent.core.schedule.backoff import ResponseClass
from agent.core.schedule.exports import ExportState, rate_limited, state_after
from agent.core.schemas import Document
from agent.errors import BusyError, ConfigError, HostError
from agent.host import log
from agent.host.machine.facts import host_id
from agent.report.document import outbox_section
from agent.report.endpoint.client import EndpointClient, EndpointResponse
from agent.report.endpoint.delivery import Delivery, DeliveryResult, deliver_state_alone
from agent.report.export_state import export_state_to_document
from agent.report.outbox.file import OUTBOX_DIRECTORY, open_outbox, open_readonly
from agent.report.outbox.outbox import Outbox, OutboxStats
from agent.report.outbox.stream_state import StreamState, continued, stream_state_to_document
from agent.report.outbox.transaction import OutboxLimits
from agent.report.source import ReportSource, boot_time_of, jitter, status_after_attempt
from agent.state.exporter_status import UNKNOWN_QUEUE, ExporterName, write_exporter_status
from agent.state.store import Store
from agent.state.timestamps import format_utc


class EndpointExporter:
    """What tells the centre of this machine."""

    def __init__(self, policy: EndpointPolicy, store: Store, run_dir: str) -> None:
        """Take what to go by; looks at nothing yet."""
        self._policy = policy
        self._store = store
        self._run_dir = run_dir
        self._tidings = ReportSource(store, run_dir)
        self._host_id = host_id()
        self._directory = os.path.join(store.directory, OUTBOX_DIRECTORY)
        self._bounds = OutboxLimits(size=policy.max_bytes, age=policy.max_age)

    def send(self) -> DeliveryResult:
        """Tell all that there is to tell.

        Raises:
            BusyError: another process is at it. HostError: the outbox cannot be used; that was told in `status`.
        """
        try:
            with open_outbox(self._directory, self._host_id, self._bounds, _now()) as outbox:
                self._start_stream_for_new_endpoint(outbox)
                self._tidings.enqueue_new_events(outbox, self._policy.max_age)
                return self._deliver(outbox)
        except HostError as error:
            self._deliver_state_alone(str(error))
            raise

    def _start_stream_for_new_endpoint(self, outbox: Outbox) -> None:
        """Start a stream when the endpoint's URL changed: the new one lacks what the previous one was sent."""
        before = outbox.state.url
        if before != self._policy.url:
            with outbox.transaction() as tx:
                if before is not None:
                    tx.start_stream(self._host_id, _now(), previous=tx.state.instance_id, reason="other-endpoint")
                tx.state = replace(tx.state, url=self._policy.url)

    def _deliver(self, outbox: Outbox) -> DeliveryResult:
        delivered = self._round(outbox)
        answer = delivered.response
        pulse = state_after(
            answer.response_class, outbox.state.export_state, now=_now(), chance=jitter(), told=answer.retry_after
        )
        if delivered.more:
            pulse = rate_limited(pulse, delivered.sent, self._policy.burst)
        attempt = _centre(outbox.state.last_attempt, answer)
        with outbox.transaction() as tx:
            tx.state = replace(tx.state, export_state=pulse, last_attempt=attempt)
        stats = outbox.stats()
        self._leave_word(outbox.state.instance_id, {**attempt, **outbox_section(stats)}, pulse, None)
        if delivered.sent != 1:  # a heartbeat is no news
            name = log.LogEvent.EXPORT_FAILED if answer.why else log.LogEvent.EXPORT_DONE
            log.event(name, exporter="endpoint", messages=delivered.sent, waiting=stats.events, problem=answer.why)
        return delivered

    def _deliver_state_alone(self, problem: str) -> None:
        """Send the report without events when the outbox is not writable (for example disk full).

        So the problem itself is reported. What changes in the stream's state is kept in the status file.
        """
        answer = EndpointResponse(response_class=ResponseClass.RETRY)
        kept: StreamState | None = None
        # Without a readable stream nothing can be sent; `status` names the problem with the outbox.
        with suppress(BusyError, HostError), open_readonly(self._directory) as on_disk:
            stream = continued(on_disk, self._tidings.stream_state())
            if (stream.host_id, stream.url) == (self._host_id, self._policy.url):
                answer, kept = self._send_alone(stream, problem)
        told = answer.response_class is ResponseClass.OK and not answer.why
        answer = replace(answer, why=problem if told or not answer.why else f"{problem}; {answer.why}")
        rhythm, before = self._tidings.pulse(ExporterName.ENDPOINT), self._tidings.entry(ExporterName.ENDPOINT)
        pulse = state_after(answer.response_class, rhythm, now=_now(), chance=jitter(), told=answer.retry_after)
        centre = {**UNKNOWN_QUEUE, **before, **_centre(before, answer)}
        if told:
            centre["last_success_at"] = format_utc(_now())
        self._leave_word(self._tidings.instance(), centre, pulse, kept)

    def _send_alone(self, stream: StreamState, problem: str) -> tuple[EndpointResponse, StreamState]:
        try:
            centre = EndpointClient(self._policy)
        except ConfigError as error:
            return EndpointResponse(response_class=ResponseClass.MISCONFIGURED, why=str(error)), stream
        with closing(centre):
            report = self._report(stream, None, (f"events cannot be sent: {problem}",))
            answer, stream = deliver_state_alone(centre, stream, report, _now)
            return _with_refusal(answer, stream, report), stream

    def _round(self, outbox: Outbox) -> DeliveryResult:
        try:
            centre = EndpointClient(self._policy)
        except ConfigError as error:
            answer = EndpointResponse(response_class=ResponseClass.MISCONFIGURED, why=str(error))
            return DeliveryResult(response=answer, sent=0)
        with closing(centre):
            report = self._report(outbox.state, outbox.stats(), ())
            delivered = Delivery(outbox, self._policy, centre).run(report, _now)
            return replace(delivered, response=_with_refusal(delivered.response, outbox.state, report))

    def _report(self, stream: StreamState, stats: OutboxStats | None, warnings: tuple[str, ...]) -> Document:
        booted_at = boot_time_of(stream.cursor)
        return self._tidings.report(stream.instance_id, stats, stream.last_attempt, booted_at, warnings)

    def _leave_word(
        self, instance_id: str | None, centre: Document, pulse: ExportState, kept: StreamState | None
    ) -> None:
        document = {
            "instance_id": instance_id,
            "pulse": export_state_to_document(pulse),
            "exporters": {ExporterName.ENDPOINT.value: centre},
            "stream_state": kept and stream_state_to_document(replace(kept, cursor=None)),
        }
        write_exporter_status(self._run_dir, ExporterName.ENDPOINT, document)


def _with_refusal(answer: EndpointResponse, stream: StreamState, report: Document) -> EndpointResponse:
    """Name the problem if everything arrived but the state, which the endpoint refuses: what it shows is old."""
    refused = stream.refused_state
    if refused is None or refused.hash != report["hash"] or answer.why:
        return answer
    return replace(answer, why=f"the endpoint refuses this machine's state: {refused.why}")


def _centre(before: object, answer: EndpointResponse) -> Document:
    """Return what is remembered of the centre, after one more answer."""
    old = before if isinstance(before, Mapping) else {}
    skew = answer.skew.total_seconds() if answer.skew is not None else old.get("skew_s")
    why = answer.why or ("" if answer.response_class is ResponseClass.OK else "no answer")
    return {**status_after_attempt(old, why), "skew_s": round(skew) if isinstance(skew, int | float) else None}


def _now() -> datetime:
    return datetime.now(timezone.utc)
