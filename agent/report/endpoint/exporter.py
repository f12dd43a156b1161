"""The meeting point of telling the centre: collect what the record holds, keep it, deliver it, and say how that went.

One short-lived process at a time does this, started by the daemon or by a person. It owes nobody anything when it is
killed: the record is the truth, the outbox keeps what was taken from it, and the centre knows each message by its key.
"""

import os
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime, timezone

from agent import log
from agent.core.policy.policy import EndpointPolicy
from agent.core.schedule.backoff import Verdict
from agent.core.schedule.exports import Pulse, after, paced
from agent.errors import BusyError, ConfigError, HostError
from agent.host.machine.facts import host_id
from agent.report.document import outbox_part
from agent.report.endpoint.client import Answer, Centre
from agent.report.endpoint.delivery import Delivered, Delivery
from agent.report.export_state import pulse_document, pulse_of
from agent.report.outbox.file import OUTBOX_DIRECTORY, RECALLED, opened, recalled
from agent.report.outbox.outbox import Bounds, Outbox
from agent.report.source import Tidings, known_boot, lot, tried
from agent.state.exporter_status import NOT_KNOWN, Listener, write_telling
from agent.state.store import Store
from agent.state.timestamps import moment

Document = dict[str, object]


class Courier:
    """What tells the centre of this machine."""

    def __init__(self, policy: EndpointPolicy, store: Store, run_dir: str) -> None:
        """Take what to go by; looks at nothing yet."""
        self._policy = policy
        self._store = store
        self._run_dir = run_dir
        self._tidings = Tidings(store, run_dir)
        self._host_id = host_id()
        self._directory = os.path.join(store.directory, OUTBOX_DIRECTORY)
        self._bounds = Bounds(size=policy.max_bytes, age=policy.max_age)

    def send(self) -> Delivered:
        """Tell all that there is to tell.

        Raises:
            BusyError: another process is at it. HostError: the outbox cannot be used; that was told in `status`.
        """
        try:
            with opened(self._directory, self._host_id, self._bounds, _now()) as outbox:
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

    def _deliver(self, outbox: Outbox) -> Delivered:
        before = pulse_of(outbox.fact("pulse"))
        delivered = self._round(outbox)
        answer = delivered.answer
        pulse = after(answer.verdict, before, now=_now(), chance=lot(), told=answer.retry_after)
        if delivered.more:
            pulse = paced(pulse, delivered.sent, self._policy.burst)
        with outbox.changing():
            outbox.keep("pulse", pulse_document(pulse))
            outbox.keep("centre", _centre(outbox.fact("centre"), answer))
        self._say(outbox, pulse)
        if delivered.sent != 1:  # a heartbeat is no news
            log.event("report.sent", messages=delivered.sent, waiting=outbox.depth().events, problem=answer.why)
        return delivered

    def _deliver_state_alone(self, problem: str) -> None:
        """Tell how the machine stands though its events cannot be, as on a full disk: of that above all it must tell.

        What cannot be kept in the outbox is left with the word for `status`, for the next time.
        """
        answer, facts = Answer(verdict=Verdict.AGAIN), self._tidings.facts()
        # Where nothing is known of the stream, nothing can be told; `status` says what keeps the outbox shut.
        with suppress(BusyError, HostError), recalled(self._directory, self._bounds, facts) as outbox:
            if (outbox.fact("host_id"), outbox.fact("url")) == (self._host_id, self._policy.url):
                answer = self._round(outbox, problem).answer
                facts = {name: outbox.fact(name) for name in RECALLED}
        told = answer.verdict is Verdict.ANSWERED and not answer.why
        answer = replace(answer, why=problem if told or not answer.why else f"{problem}; {answer.why}")
        rhythm, before = self._tidings.pulse(Listener.CENTRE), self._tidings.entry(Listener.CENTRE)
        pulse = after(answer.verdict, rhythm, now=_now(), chance=lot(), told=answer.retry_after)
        centre = {**NOT_KNOWN, **before, **_centre(before, answer)}
        if told:
            centre["last_success_at"] = moment(_now())
        self._leave_word(self._tidings.instance(), centre, pulse, facts)

    def _round(self, outbox: Outbox, problem: str = "") -> Delivered:
        """Deliver what waits; with a problem, nothing but the state that names it."""
        try:
            centre = Centre(self._policy)
        except ConfigError as error:
            return Delivered(answer=Answer(verdict=Verdict.MISCONFIGURED, why=str(error)), sent=0)
        with closing(centre):
            boot = known_boot(outbox.fact("mark"))
            depth = None if problem else outbox.depth()
            warnings = (f"events cannot be told: {problem}",) if problem else ()
            report = self._tidings.report(outbox.instance_id, depth, outbox.fact("centre"), boot, warnings)
            delivered = Delivery(outbox, self._host_id, self._policy, centre).run(report, _now)
            return _with_refusal(delivered, outbox.fact("unwanted"), report["hash"])

    def _say(self, outbox: Outbox, pulse: Pulse) -> None:
        """Leave word for `status` and for the daemon."""
        kept = outbox.fact("centre")
        centre = {**(kept if isinstance(kept, dict) else {}), **outbox_part(outbox.depth())}
        self._leave_word(outbox.instance_id, centre, pulse, {})

    def _leave_word(self, instance_id: str | None, centre: Document, pulse: Pulse, facts: Mapping[str, object]) -> None:
        document = {
            "instance_id": instance_id,
            "pulse": pulse_document(pulse),
            "listeners": {Listener.CENTRE.value: centre},
            "facts": facts,
        }
        write_telling(self._run_dir, Listener.CENTRE, document)


def _with_refusal(delivered: Delivered, unwanted: object, digest: object) -> Delivered:
    """Say so where all arrived but the state, which the centre refuses: what it shows of this machine is old."""
    if not isinstance(unwanted, dict) or unwanted.get("hash") != digest or delivered.answer.why:
        return delivered
    words = f"the centre refuses this machine's state: {unwanted.get('why')}"
    return replace(delivered, answer=replace(delivered.answer, why=words))


def _centre(before: object, answer: Answer) -> Document:
    """Return what is remembered of the centre, after one more answer."""
    old = before if isinstance(before, Mapping) else {}
    skew = answer.skew.total_seconds() if answer.skew is not None else old.get("skew_s")
    why = answer.why or ("" if answer.verdict is Verdict.ANSWERED else "no answer")
    return {**tried(old, why), "skew_s": round(skew) if isinstance(skew, int | float) else None}


def _now() -> datetime:
    return datetime.now(timezone.utc)
