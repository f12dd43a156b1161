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
from agent.report.endpoint.delivery import Delivery, DeliveryResult
from agent.report.export_state import export_state_from_document, export_state_to_document
from agent.report.outbox.file import OUTBOX_DIRECTORY, VOLATILE_FACTS, open_outbox, open_readonly
from agent.report.outbox.outbox import Outbox, OutboxLimits
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
                self._address(outbox)
                self._tidings.collect(outbox, self._policy.max_age)
                return self._deliver(outbox)
        except HostError as error:
            self._deliver_state_alone(str(error))
            raise

    def _address(self, outbox: Outbox) -> None:
        """Begin a stream for a centre that is another: it would miss what the one before was told."""
        before = outbox.fact("url")
        if before != self._policy.url:
            with outbox.changing():
                if before is not None:
                    outbox.begin(self._host_id, _now(), previous=outbox.instance_id, reason="other-centre")
                outbox.keep("url", self._policy.url)

    def _deliver(self, outbox: Outbox) -> DeliveryResult:
        before = export_state_from_document(outbox.fact("pulse"))
        delivered = self._round(outbox)
        answer = delivered.answer
        pulse = state_after(answer.verdict, before, now=_now(), chance=jitter(), told=answer.retry_after)
        if delivered.more:
            pulse = rate_limited(pulse, delivered.sent, self._policy.burst)
        with outbox.changing():
            outbox.keep("pulse", export_state_to_document(pulse))
            outbox.keep("centre", _centre(outbox.fact("centre"), answer))
        self._say(outbox, pulse)
        if delivered.sent != 1:  # a heartbeat is no news
            log.event("report.sent", messages=delivered.sent, waiting=outbox.depth().events, problem=answer.why)
        return delivered

    def _deliver_state_alone(self, problem: str) -> None:
        """Tell how the machine stands though its events cannot be, as on a full disk: of that above all it must tell.

        What cannot be kept in the outbox is left with the word for `status`, for the next time.
        """
        answer, facts = EndpointResponse(verdict=ResponseClass.RETRY), self._tidings.facts()
        # Where nothing is known of the stream, nothing can be told; `status` says what keeps the outbox shut.
        with suppress(BusyError, HostError), open_readonly(self._directory, self._bounds, facts) as outbox:
            if (outbox.fact("host_id"), outbox.fact("url")) == (self._host_id, self._policy.url):
                answer = self._round(outbox, problem).answer
                facts = {name: outbox.fact(name) for name in VOLATILE_FACTS}
        told = answer.verdict is ResponseClass.OK and not answer.why
        answer = replace(answer, why=problem if told or not answer.why else f"{problem}; {answer.why}")
        rhythm, before = self._tidings.pulse(ExporterName.ENDPOINT), self._tidings.entry(ExporterName.ENDPOINT)
        pulse = state_after(answer.verdict, rhythm, now=_now(), chance=jitter(), told=answer.retry_after)
        centre = {**UNKNOWN_QUEUE, **before, **_centre(before, answer)}
        if told:
            centre["last_success_at"] = format_utc(_now())
        self._leave_word(self._tidings.instance(), centre, pulse, facts)

    def _round(self, outbox: Outbox, problem: str = "") -> DeliveryResult:
        """Deliver what waits; with a problem, nothing but the state that names it."""
        try:
            centre = EndpointClient(self._policy)
        except ConfigError as error:
            return DeliveryResult(answer=EndpointResponse(verdict=ResponseClass.MISCONFIGURED, why=str(error)), sent=0)
        with closing(centre):
            boot = boot_time_of(outbox.fact("mark"))
            depth = None if problem else outbox.depth()
            warnings = (f"events cannot be told: {problem}",) if problem else ()
            report = self._tidings.report(outbox.instance_id, depth, outbox.fact("centre"), boot, warnings)
            delivered = Delivery(outbox, self._host_id, self._policy, centre).run(report, _now)
            return _with_refusal(delivered, outbox.fact("unwanted"), report["hash"])

    def _say(self, outbox: Outbox, pulse: ExportState) -> None:
        """Leave word for `status` and for the daemon."""
        kept = outbox.fact("centre")
        centre = {**(kept if isinstance(kept, dict) else {}), **outbox_section(outbox.depth())}
        self._leave_word(outbox.instance_id, centre, pulse, {})

    def _leave_word(
        self, instance_id: str | None, centre: Document, pulse: ExportState, facts: Mapping[str, object]
    ) -> None:
        document = {
            "instance_id": instance_id,
            "pulse": export_state_to_document(pulse),
            "exporters": {ExporterName.ENDPOINT.value: centre},
            "facts": facts,
        }
        write_exporter_status(self._run_dir, ExporterName.ENDPOINT, document)


def _with_refusal(delivered: DeliveryResult, unwanted: object, digest: object) -> DeliveryResult:
    """Say so where all arrived but the state, which the centre refuses: what it shows of this machine is old."""
    if not isinstance(unwanted, dict) or unwanted.get("hash") != digest or delivered.answer.why:
        return delivered
    words = f"the centre refuses this machine's state: {unwanted.get('why')}"
    return replace(delivered, answer=replace(delivered.answer, why=words))


def _centre(before: object, answer: EndpointResponse) -> Document:
    """Return what is remembered of the centre, after one more answer."""
    old = before if isinstance(before, Mapping) else {}
    skew = answer.skew.total_seconds() if answer.skew is not None else old.get("skew_s")
    why = answer.why or ("" if answer.verdict is ResponseClass.OK else "no answer")
    return {**status_after_attempt(old, why), "skew_s": round(skew) if isinstance(skew, int | float) else None}


def _now() -> datetime:
    return datetime.now(timezone.utc)
