"""The endpoint exporter: sends the report, or a heartbeat, and all events to the endpoint."""

from collections.abc import Mapping
from contextlib import closing, suppress

from agent.core.frozen import replace
from agent.core.policy.policy import EndpointPolicy, Policy
from agent.core.requests.model import NO_OFFERS
from agent.core.schedule.backoff import ResponseClass
from agent.core.schemas import Document
from agent.errors import BusyError, ConfigError, HostError
from agent.host.machine.identity import host_id
from agent.report.endpoint.client import EndpointClient, EndpointResponse
from agent.report.endpoint.clock_skew import skew_fields
from agent.report.endpoint.delivery import Delivery, DeliveryResult, deliver_state_alone
from agent.report.endpoint.enrolment import EnrolmentPlace, enrol, is_enrolled, uses_enrolled_token
from agent.report.endpoint.run_deadline import RunDeadline
from agent.report.export_result import ExportResult
from agent.report.exporter import ExportContext, QueueSettings, count_of
from agent.report.heartbeat_lease import HeartbeatLease, lease_after
from agent.report.outbox.file import OUTBOX_DIRECTORY, open_readonly
from agent.report.outbox.outbox import Outbox
from agent.report.outbox.stats import OutboxStats
from agent.report.outbox.stream_state import StreamState, continued
from agent.report.outbox.transaction import OutboxLimits
from agent.report.source import boot_time_of
from agent.state.timestamps import utc_now

_UNAUTHENTICATED = 401
_LATER = frozenset({ResponseClass.RETRY, ResponseClass.SERVER_ERROR})
"""Failures after which the next heartbeat needs no process, either."""


def create(policy: Policy) -> "EndpointExporter":
    """Return the exporter under this policy."""
    return EndpointExporter(policy.endpoint, takes_requests=bool(policy.requests.allow))


class EndpointExporter:
    """Sends to the endpoint (docs/endpoint)."""

    def __init__(self, policy: EndpointPolicy, *, takes_requests: bool = False) -> None:
        """Take the settings; reads nothing yet. `takes_requests`: carry requests in receipts to the worker."""
        self._policy = policy
        self._takes_requests = takes_requests
        self._deadline = RunDeadline(policy.timeout)
        """Of this process: it counts on where the run is repeated without the outbox."""

    @property
    def queue(self) -> QueueSettings:
        """The outbox of all events."""
        limits = OutboxLimits(size=self._policy.max_bytes, age=self._policy.max_age)
        return QueueSettings(directory=OUTBOX_DIRECTORY, limits=limits, reach=self._policy.max_age)

    def run(self, context: ExportContext) -> ExportResult:
        """Send the report and the queued events; the report alone where the outbox cannot be used.

        Raises:
            HostError: the outbox cannot be read or written.
        """
        if context.outbox is None:
            return self._send_report_alone(context)
        self._start_stream_for_new_endpoint(context.outbox)
        try:
            enrolled = self._enrol(context, context.outbox)
            if enrolled is not None and enrolled.response_class is not ResponseClass.OK:
                return _result(enrolled, context.last_attempt, notable=False)  # logged once, and when it changes
            report = _report(context, context.outbox.state, context.outbox.stats())
            delivered = self._deliver(context, context.outbox, report)
        except ConfigError as error:
            return _result(_misconfigured(error), context.last_attempt, notable=True)
        response = _with_refusal(delivered.response, context.outbox.state, report)
        notable = delivered.sent != 1 or enrolled is not None  # a heartbeat is no news
        result = _result(response, context.last_attempt, notable=notable)
        result = self._with_delivery(result, delivered)
        result = replace(result, lease=_lease(context, context.outbox, result, report))
        if not self._takes_requests or delivered.offers == NO_OFFERS:
            return result
        problem = context.carry(delivered.offers)
        return replace(result, detail="; ".join(filter(None, (result.detail, problem))), notable=True)

    def _enrol(self, context: ExportContext, outbox: Outbox) -> EndpointResponse | None:
        """Get a token for this host where it needs one; None: it does not.

        Raises:
            ConfigError: the key, the token, the CA or the certificate cannot be read.
        """
        if is_enrolled(self._policy, context.state_directory):
            return None
        return enrol(self._place(context, outbox))

    def _deliver(self, context: ExportContext, outbox: Outbox, report: Document) -> DeliveryResult:
        """Send all; where the token of enrolment is rejected, ask for another one, and then send all.

        Raises:
            ConfigError: the token, the CA or the certificate cannot be read.
        """
        delivered = self._deliver_once(context, outbox, report)
        rejected = delivered.response.status == _UNAUTHENTICATED
        if not rejected or not uses_enrolled_token(self._policy, context.state_directory):
            return delivered
        try:
            enrolled = enrol(self._place(context, outbox))
        except ConfigError:  # the key may be gone by now: it is needed once
            return delivered
        if enrolled.response_class is ResponseClass.OK:
            return self._deliver_once(context, outbox, report)
        why = f"{delivered.response.why}; {enrolled.why}"
        return replace(delivered, response=replace(enrolled, why=why))

    def _deliver_once(self, context: ExportContext, outbox: Outbox, report: Document) -> DeliveryResult:
        client = EndpointClient(
            self._policy,
            takes_requests=self._takes_requests,
            state_directory=context.state_directory,
            deadline=self._deadline,
        )
        with closing(client):
            return Delivery(outbox, self._policy, client).run(report, utc_now)

    def _place(self, context: ExportContext, outbox: Outbox) -> EnrolmentPlace:
        state = outbox.state
        return EnrolmentPlace(
            policy=self._policy,
            state_directory=context.state_directory,
            host_id=state.host_id,
            instance_id=state.instance_id,
            deadline=self._deadline,
        )

    def _with_delivery(self, result: ExportResult, delivered: DeliveryResult) -> ExportResult:
        more = "; more are queued, and go out a minute later" if delivered.more else ""
        burst = (delivered.sent, self._policy.burst) if delivered.more else None
        return replace(result, summary=f"{count_of(delivered.sent, 'message')} delivered{more}", burst=burst)

    def _start_stream_for_new_endpoint(self, outbox: Outbox) -> None:
        """Start a stream when the endpoint's URL changed: the new one lacks what the previous one was sent."""
        before = outbox.state.url
        if before != self._policy.url:
            with outbox.transaction() as tx:
                if before is not None:
                    previous = tx.state.instance_id
                    tx.start_stream(tx.state.host_id, utc_now(), previous=previous, reason="other-endpoint")
                # What the previous endpoint refused or does not offer says nothing about this one.
                tx.state = replace(
                    tx.state, url=self._policy.url, refused_state=None, batches_until=None, batch_limit=None
                )

    def _send_report_alone(self, context: ExportContext) -> ExportResult:
        """Send the report without events when the outbox is not writable (for example disk full).

        So the problem itself is reported. What changes in the stream's state is kept in the status file.
        """
        response, kept = EndpointResponse(response_class=ResponseClass.RETRY), None
        # Without a readable stream nothing can be sent; `status` names the problem with the outbox.
        with suppress(BusyError, HostError), open_readonly(context.outbox_directory) as on_disk:
            state = continued(on_disk, context.kept_state)
            if (state.host_id, state.url) == (host_id(), self._policy.url):
                response, kept = self._exchange_alone(context, state)
        sent = response.response_class is ResponseClass.OK and not response.why
        problem = context.outbox_problem
        why = f"{problem}; {response.why}" if response.why else problem
        result = _result(replace(response, why=why), context.last_attempt, notable=True)
        return replace(result, report_sent=sent, kept_state=kept or _known(context.kept_state))

    def _exchange_alone(self, context: ExportContext, state: StreamState) -> tuple[EndpointResponse, StreamState]:
        try:
            client = EndpointClient(self._policy, state_directory=context.state_directory, deadline=self._deadline)
        except ConfigError as error:
            return _misconfigured(error), state
        with closing(client):
            report = _report(context, state, None)
            response, state = deliver_state_alone(client, state, report, utc_now)
            return _with_refusal(response, state, report), state


def _report(context: ExportContext, state: StreamState, stats: OutboxStats | None) -> Document:
    warnings = (f"events cannot be sent: {context.outbox_problem}",) if context.outbox_problem else ()
    attempt = context.last_attempt
    return context.source.report(state.instance_id, stats, attempt, boot_time_of(state.cursor), warnings)


def _lease(context: ExportContext, outbox: Outbox, result: ExportResult, report: Document) -> HeartbeatLease | None:
    """Return what the daemon may send from now on without this process, once everything but heartbeats was sent."""
    settled = result.response_class in _LATER or not result.why
    if not settled or outbox.stats().events > 0:
        return None
    return lease_after(outbox.state, context.lease_holder, str(report["hash"]), utc_now())


def _known(state: StreamState) -> StreamState | None:
    return state if state.instance_id else None


def _misconfigured(error: ConfigError) -> EndpointResponse:
    return EndpointResponse(response_class=ResponseClass.MISCONFIGURED, why=str(error))


def _with_refusal(response: EndpointResponse, state: StreamState, report: Document) -> EndpointResponse:
    """Name the problem if everything arrived but the state, which the endpoint refuses: what it shows is old."""
    refused = state.refused_state
    if refused is None or refused.hash != report["hash"] or response.why:
        return response
    return replace(response, why=f"the endpoint refuses this machine's state: {refused.why}")


def _result(response: EndpointResponse, before: Mapping[str, object], *, notable: bool) -> ExportResult:
    return ExportResult(
        response_class=response.response_class,
        why=response.why or ("" if response.response_class is ResponseClass.OK else "no answer"),
        retry_after=response.retry_after,
        notable=notable,
        fields=skew_fields(response.skew, before),
    )
