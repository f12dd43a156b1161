"""The meeting point of telling: collect what the record holds, keep it, deliver it, and say how that went.

One short-lived process at a time does this, started by the daemon or by a person. It owes nobody anything when it is
killed: the record is the truth, the outbox keeps what was taken from it, and the centre knows each message by its key.
"""

import os
import random
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

from agent import log
from agent.core.beat import Pulse, after, paced
from agent.core.policy import EndpointPolicy
from agent.core.retry import Verdict
from agent.delivery import Delivered, Delivery
from agent.errors import ConfigError, HostError, RecordError
from agent.host.centre import Answer, Centre
from agent.host.hostfacts import booted_at, host_facts, host_id
from agent.host.rebootflag import read_flag
from agent.jobrecord import read_jobs
from agent.liveness import read_daemon
from agent.outbox import Bounds, Outbox
from agent.outboxfile import OUTBOX_DIRECTORY, opened
from agent.reading import Reader
from agent.standing import standing
from agent.store import Store
from agent.telling.events import Seen, Started, first_mark, untold
from agent.telling.pulse import moment_of, pulse_document, pulse_of
from agent.telling.report import NO_INSTANCE, report_document
from agent.tellingfile import read_telling, write_telling
from agent.times import moment
from agent.version import VERSION

Document = dict[str, object]
_SKEW = timedelta(seconds=30)
"""Clocks that are this far apart are told."""


class Courier:
    """What tells the centre of this machine."""

    def __init__(self, policy: EndpointPolicy, store: Store, run_dir: str) -> None:
        """Take what to go by; looks at nothing yet."""
        self._policy = policy
        self._store = store
        self._run_dir = run_dir
        self._host_id = host_id()

    def show(self) -> Document:
        """Return `maestro.report/1` as it would go out, without the outbox, which others must not look into."""
        telling = _telling(self._run_dir)
        instance = telling.maybe_text("instance_id") if telling else None
        return self._report(None, instance or NO_INSTANCE, None)

    def send(self) -> Delivered:
        """Tell all that there is to tell.

        Raises:
            BusyError: another process is at it. HostError: the outbox cannot be used; that was told in `status`.
        """
        directory = os.path.join(self._store.directory, OUTBOX_DIRECTORY)
        bounds = Bounds(size=self._policy.max_bytes, age=self._policy.max_age)
        try:
            with opened(directory, self._host_id, bounds, _now()) as outbox:
                self._collect(outbox)
                return self._deliver(outbox)
        except HostError as error:
            self._say(None, Answer(verdict=Verdict.AGAIN, why=str(error)), self._pulse_told())
            raise

    def _collect(self, outbox: Outbox) -> None:
        """Have wait what the record holds and was not told yet; what is taken and the mark of it go together."""
        seen = self._seen()
        mark = outbox.fact("mark")
        if not isinstance(mark, dict):
            since = None if outbox.fact("begun") == "other-host" else seen.now - self._policy.max_age
            mark = first_mark(seen, since)
        events, after_them = untold(mark, seen)
        with outbox.changing():
            for event in events:
                outbox.add(event.kind, event.at, event.document, seen.now)
            if after_them != mark:
                outbox.keep("mark", after_them)
            outbox.shrink(seen.now)

    def _deliver(self, outbox: Outbox) -> Delivered:
        before = pulse_of(outbox.fact("pulse"))
        try:
            centre = Centre(self._policy)
        except ConfigError as error:
            delivered = Delivered(answer=Answer(verdict=Verdict.MISCONFIGURED, why=str(error)), sent=0)
        else:
            report = self._report(outbox, outbox.instance_id, outbox.fact("mark"))
            delivered = Delivery(outbox, self._host_id, self._policy, centre).run(report, _now)
            centre.close()
        answer = delivered.answer
        chance = random.random()  # noqa: S311 - a lot, no secret
        pulse = after(answer.verdict, before, now=_now(), chance=chance, told=answer.retry_after)
        if delivered.more:
            pulse = paced(pulse, delivered.sent, self._policy.burst)
        with outbox.changing():
            outbox.keep("pulse", pulse_document(pulse))
            outbox.keep("centre", _centre(outbox.fact("centre"), answer))
        self._say(outbox, answer, pulse)
        if delivered.sent != 1:  # a heartbeat is no news
            log.event("report.sent", messages=delivered.sent, waiting=outbox.depth().events, problem=answer.why)
        return delivered

    def _report(self, outbox: Outbox | None, instance_id: str, mark: object) -> Document:
        known = moment_of(mark.get("booted_at")) if isinstance(mark, dict) else None
        _, status, _ = standing(self._store, _now(), self._run_dir)
        depth = outbox.depth() if outbox else None
        centre = outbox.fact("centre") if outbox else None
        warnings = _skew_warnings(centre)
        return report_document(
            status, host_facts(known), version=VERSION, instance_id=instance_id, outbox=depth, warnings=warnings
        )

    def _seen(self) -> Seen:
        try:
            flag = read_flag()
        except OSError:
            flag = None
        facts = host_facts()
        return Seen(
            now=_now(),
            runs=self._store.run_ids(),
            read_run=self._read_run,
            jobs=self._jobs(),
            reboot=(flag[0], datetime.fromtimestamp(flag[1], timezone.utc)) if flag else None,
            boot_id=facts.boot_id,
            booted_at=booted_at(),
            kernel=facts.kernel,
            daemon=self._daemon(),
        )

    def _read_run(self, run_id: str) -> Mapping[str, object] | None:
        try:
            run = self._store.read_run(run_id, "maestro.outcome/1")
        except RecordError:
            return None
        return run.raw if run else None

    def _jobs(self) -> dict[str, Mapping[str, object]]:
        try:
            document = read_jobs(self._store)
            jobs = document.part("jobs") if document else None
            names = jobs.raw if jobs else {}
            return {name: jobs.part(name).raw for name in names} if jobs else {}
        except RecordError:
            return {}

    def _daemon(self) -> Started | None:
        try:
            found = read_daemon(self._run_dir)
            return Started(version=found[1].text("version"), at=found[1].text("started_at")) if found else None
        except RecordError:
            return None

    def _pulse_told(self) -> Pulse:
        """Return the pulse after a failure that the outbox itself could not take down."""
        telling = _telling(self._run_dir)
        before = pulse_of(telling.raw.get("pulse")) if telling else Pulse()
        return after(Verdict.AGAIN, before, now=_now(), chance=random.random())  # noqa: S311 - a lot, no secret

    def _say(self, outbox: Outbox | None, answer: Answer, pulse: Pulse) -> None:
        """Leave word for `status` and for the daemon."""
        telling = _telling(self._run_dir)
        before = telling.raw if telling else {}
        listeners = before.get("listeners")
        others = listeners if isinstance(listeners, dict) else {}
        if outbox is not None:
            depth = outbox.depth()
            kept = outbox.fact("centre")
            centre: object = {
                **(kept if isinstance(kept, dict) else {}),
                "depth": depth.events,
                "oldest_at": depth.oldest_at,
                "dropped": depth.dropped,
                "refused": depth.refused,
            }
            instance: object = outbox.instance_id
        else:
            unknown = dict.fromkeys(("last_success_at", "oldest_at", "skew_s")) | {
                "depth": 0,
                "dropped": 0,
                "refused": 0,
            }
            old = others.get("centre")
            found = _centre(old, answer)
            centre = {**unknown, **(old if isinstance(old, dict) else {}), **found}
            instance = before.get("instance_id")
        document = {"instance_id": instance, "pulse": pulse_document(pulse), "listeners": {**others, "centre": centre}}
        write_telling(self._run_dir, document)


def _centre(before: object, answer: Answer) -> Document:
    """Return what is remembered of the centre, after one more answer."""
    old = before if isinstance(before, dict) else {}
    now = moment(_now())
    reached = answer.verdict is Verdict.ANSWERED
    skew = answer.skew.total_seconds() if answer.skew is not None else old.get("skew_s")
    return {
        "last_success_at": now if reached else old.get("last_success_at"),
        "failing_since": None if reached else old.get("failing_since") or now,
        "why": "" if reached else answer.why,
        "skew_s": round(skew) if isinstance(skew, int | float) else None,
    }


def _skew_warnings(centre: object) -> tuple[str, ...]:
    """Say so where the clocks are apart, roughly: a report is new where its words are."""
    skew = centre.get("skew_s") if isinstance(centre, dict) else None
    if not isinstance(skew, int) or abs(skew) <= _SKEW.total_seconds():
        return ()
    bounds = ((86400, "a day"), (3600, "an hour"), (300, "five minutes"), (30, "half a minute"))
    words = next(words for seconds, words in bounds if abs(skew) > seconds)
    return (f"the clock is more than {words} {'ahead of' if skew > 0 else 'behind'} the centre's",)


def _telling(run_dir: str) -> Reader | None:
    try:
        return read_telling(run_dir)
    except RecordError:
        return None


def _now() -> datetime:
    return datetime.now(timezone.utc)
