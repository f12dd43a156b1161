"""Hosts and an endpoint for random schedules of requests: the agent's own record, desk and events, the endpoint's own
tables; clocks, network, jobs and kills are simulated.

A host knows what its jobs really did, whatever its record says: that is what a schedule is judged by.
"""

import base64
import hashlib
import random
import shutil
import sqlite3
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from agent.core.job_kinds import JobKind
from agent.core.requests.ending import JobEnd
from agent.core.requests.judge import RequestRules
from agent.core.requests.model import Authentic, Request, RequestOffers, RequestRefusal, RequestWhy, Verb
from agent.core.requests.wire import canonical_form, read_offers
from agent.core.schemas import OUTCOME_SCHEMA, PLAN_SCHEMA, REBOOT_OUTCOME_SCHEMA, Document
from agent.errors import HostError
from agent.report.events import Cursor, Snapshot, initial_cursor, new_events
from agent.state.record import Record
from agent.state.request_steps import read_request_steps
from agent.state.requests_record import RequestsRecord
from agent.state.store import SIGNED_REQUESTS, Store
from agent.state.timestamps import format_utc
from agent.worker.jobs.run_request import job_of, runs_of
from agent.worker.protocol import JobRequest
from agent.worker.steps.requests.desk import RequestDesk, run_next
from endpoint.core.deploy.new_deployment import NewRequest
from endpoint.core.deployment_report import DeploymentRecord, RequestRecord
from endpoint.core.deployments import RequestStatus
from endpoint.core.messages import Batch, read_message
from endpoint.errors import UsageError
from endpoint.store.database import Database
from endpoint.store.deployments import Actor, DeploymentStore
from endpoint.store.ingest import Ingest
from endpoint.store.request_queries import RequestQueries
from tests.core.given import NOW
from tests.core.requests.given_request import SATURDAY, rules
from tests.support.messages import Outbox, Raw

UPGRADES = (Verb.UPGRADE_SECURITY, Verb.UPGRADE_FIXES)
LASTING = (*UPGRADES, Verb.REBOOT_IF_REQUIRED)
"""Verbs whose work leaves a run in the history."""
_REPEATABLE = (Verb.CHECK, Verb.SEND_REPORT)
VERBS = (*LASTING, *_REPEATABLE)
WINDOWS = dict.fromkeys(LASTING, SATURDAY)
_BOOT = "b0000000-0000-4000-8000-000000000001"
_KEY = b"known to the signer alone"


class Killed(BaseException):
    """`kill -9`, or a power cut."""


class UnreachableError(HostError):
    """The endpoint cannot be asked."""


class KillingStore(Store):
    """A record that is killed at its next write, before or after it."""

    kill = ""

    def write(self, name: str, document: Document, *, mode: int = 0o644) -> None:
        # A kill after that of what was signed is one before the next write.
        kill, self.kill = ("", self.kill) if name == SIGNED_REQUESTS else (self.kill, "")
        if kill == "before":
            raise Killed
        super().write(name, document, mode=mode)
        if kill == "after":
            raise Killed


def signature_of(document: Mapping[str, object]) -> str:
    """Return what stands for a signature: nobody else can make it for another content."""
    digest = hashlib.sha256(_KEY + canonical_form(document)).digest()
    return f"-----BEGIN SSH SIGNATURE-----\n{base64.b64encode(digest).decode()}\n-----END SSH SIGNATURE-----\n"


def new_id(rng: random.Random) -> str:
    """Return a random UUID that is the same for the same schedule."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


@dataclass
class Clock:
    """The true time, which the endpoint has."""

    now: datetime = NOW


class ScheduledEndpoint:
    """The endpoint's tables on SQLite, with what people do."""

    def __init__(self, path: Path, template: Path, clock: Clock, rng: random.Random) -> None:
        self._path, self._backup, self._clock, self._rng = path, path.with_suffix(".backup"), clock, rng
        shutil.copy(template, path)
        self.made: dict[str, Document] = {}
        """Every request that a person made, by id, with its signature if it has one."""
        self.reachable = True
        self._open()

    def _open(self) -> None:
        self.database = Database(f"sqlite:///{self._path}", connections=1)
        self._ingest, self._deployments = Ingest(self.database), DeploymentStore(self.database)
        self.queries = RequestQueries(self.database)

    def close(self) -> None:
        self.database.close()

    @property
    def _person(self) -> Actor:
        return Actor(name="ann", at=self._clock.now)

    def create(
        self, verb: Verb, hosts: list[str], arguments: Document, *, lives: timedelta, at_once: int, sign: bool
    ) -> None:
        """Queue one deployment; with `sign` its requests wait for a signature."""
        created = self._clock.now.replace(microsecond=0)
        record = DeploymentRecord(
            id=new_id(self._rng),
            verb=verb.value,
            arguments=arguments,
            plan_id=None,
            comment="",
            requested_by="ann",
            created_s=created.timestamp(),
            expires_s=(created + lives).timestamp(),
            at_once=at_once,
            stop_after=len(hosts),
        )
        requests = []
        for host in hosts:
            document: Document = {
                "schema": "maestro.request/1", "id": new_id(self._rng), "host_id": host, "verb": verb.value,
                "arguments": arguments, "created_at": format_utc(created), "expires_at": format_utc(created + lives),
                "requested_by": "ann", "comment": "", "plan_id": None,
            }  # fmt: skip
            self.made[str(document["id"])] = {**document, "signature": None}
            form = canonical_form(document).decode()
            requests.append(NewRequest(id=str(document["id"]), host_id=host, form=form, signature=None))
        status = RequestStatus.WAITING_SIGNATURE if sign else RequestStatus.QUEUED
        self._deployments.create(record, [replace(one, status=status) for one in requests])

    def sign(self) -> None:
        """Sign everything that waits for it."""
        for record, _ in self.queries.list():
            waiting = self.queries.documents(record.id, RequestStatus.WAITING_SIGNATURE)
            signatures = {identity: signature_of(self.made[identity]) for identity in waiting}
            try:
                self._deployments.sign(record.id, signatures, self._person)
            except UsageError:  # too late
                continue
            for identity, signature in signatures.items():
                self.made[identity]["signature"] = signature

    def cancel(self, rng: random.Random) -> None:
        """Cancel a deployment, or one request."""
        found = self.requests()
        if not found:
            return
        identity, request = rng.choice(sorted(found.items()))
        deployment, _ = self.queries.find(identity)
        try:
            self._deployments.cancel(deployment, rng.choice([None, frozenset({request.id})]), self._person)
        except UsageError:  # it has ended
            return

    def resume(self) -> None:
        for record, _ in self.queries.list():
            try:
                self._deployments.resume(record.id, self._person)
            except UsageError:  # not stopped, or too late
                continue

    def expire(self) -> None:
        self._deployments.expire(self._clock.now)

    def backup(self) -> None:
        self._backup.unlink(missing_ok=True)
        with closing(sqlite3.connect(self._path)) as source, closing(sqlite3.connect(self._backup)) as copy:
            source.backup(copy)

    def restore(self) -> None:
        """Put the last backup back: what came later is forgotten."""
        if not self._backup.exists():
            return
        self.close()
        for name in ("", "-wal", "-shm"):
            Path(f"{self._path}{name}").unlink(missing_ok=True)
        shutil.copy(self._backup, self._path)
        self._open()

    def put(self, raw: Raw) -> tuple[set[str], Raw]:
        """Store a batch; return the keys of the messages that are settled, and what the receipt carries."""
        batch = Batch(
            host_id=raw["host_id"],
            instance_id=raw["instance_id"],
            agent_version=raw["agent_version"],
            messages=tuple(read_message(message, None) for message in raw["messages"]),
        )
        decided = self._ingest.put(batch, self._clock.now, takes_requests=True)
        delivery = decided.delivery
        offers = {"requests": [dict(one) for one in delivery.requests], "requests_cancelled": list(delivery.cancelled)}
        return {result.key for result in decided.results}, offers

    def requests(self) -> dict[str, RequestRecord]:
        """Return every request that the endpoint has."""
        shown = [self.queries.show(record.id)[1] for record, _ in self.queries.list()]
        return {request.id: request for requests in shown for request in requests}


@dataclass
class Deed:
    """What a job really did for a request."""

    request: Request
    permitted: bool


@dataclass(kw_only=True)
class ScheduledHost:
    """One host, with a clock, a configuration and a network of its own."""

    directory: Path
    endpoint: ScheduledEndpoint
    clock: Clock
    rng: random.Random
    signed: bool
    failing: bool = True
    offset: timedelta = timedelta(0)
    allow: frozenset[Verb] = frozenset(VERBS)
    deeds: list[Deed] = field(default_factory=list)
    seen: list[Document] = field(default_factory=list)
    """Every request that ever came in a receipt: what the unprivileged half can carry again."""
    inbox: list[RequestOffers] = field(default_factory=list)
    going_down: bool = False
    """A reboot has begun and is not verified."""
    kill_in: int = 0
    """At which of the next steps of a job it is killed; 0: at none."""
    _pending: list[Raw] = field(default_factory=list)
    _cursor: Cursor | None = None

    def __post_init__(self) -> None:
        self.id = new_id(self.rng)
        self.directory.mkdir()
        self.store = KillingStore(str(self.directory))
        self._box = Outbox(host=self.id)

    @property
    def now(self) -> datetime:
        return self.clock.now + self.offset

    @property
    def rules(self) -> RequestRules:
        return replace(rules(*self.allow, windows=WINDOWS, signed=self.signed), host_id=self.id, allow=self.allow)

    @property
    def desk(self) -> RequestDesk:
        return RequestDesk(RequestsRecord(self.store), self.rules, lambda: self.now)

    @property
    def effects(self) -> Counter[str]:
        """How often the work of each request was really done."""
        return Counter(deed.request.id for deed in self.deeds)

    def contact(self, *, asked: bool = True, answered: bool = True) -> None:
        """Report to the endpoint; the request or the response may be lost."""
        self._queue_events()
        if not asked:
            return
        batch = self._box.batch(*self._pending, self._box.heartbeat())
        settled, answer = self.endpoint.put(batch)
        if not answered:
            return
        self._pending = [message for message in self._pending if message["key"] not in settled]
        offers = read_offers(answer)
        self.seen += offers.documents
        self.inbox.append(offers)

    def carry(self, *, twice: bool = False) -> None:
        """Have the unprivileged half carry what came, in any order."""
        while self.inbox:
            offers = self.inbox.pop(self.rng.randrange(len(self.inbox)))
            works: list[Callable[[], None]] = [self._carried(one) for one in offers.documents]
            works.append(lambda offers=offers: self.desk.cancel(offers.cancelled))  # type: ignore[misc]
            works *= 2 if twice else 1
            self.rng.shuffle(works)
            for work in works:
                self._survive(work)

    def receive(self, document: Document) -> None:
        """Have the unprivileged half carry anything at all."""
        self._survive(self._carried(document))

    def work(self) -> None:
        """Run the next due request, as the daemon requests it."""
        if not self.going_down:
            self._survive(
                lambda: run_next(
                    self.desk, self._run, lambda identity: list(runs_of(self.store, identity)), reboots=False
                )
            )

    def boot(self) -> None:
        """Come up again; a reboot that was under way is verified, and the requests are settled meanwhile."""
        self._survive(lambda: self.desk.settle(lambda one: list(runs_of(self.store, one)), reboots=self.going_down))
        if self.going_down:
            for run_id in self.store.run_ids():
                run = self.store.read_run(run_id)
                if run is not None and run.raw.get("result") == "requested":
                    at = format_utc(self.now)
                    self.store.write_run(run_id, {**run.raw, "result": "rebooted", "finished_at": at})
            self.going_down = False

    def _carried(self, document: Document) -> Callable[[], None]:
        return lambda: self.desk.receive(document, self._authenticate)

    def _survive(self, work: Callable[[], object]) -> None:
        """Do something that may be killed, or may find the endpoint unreachable."""
        try:
            work()
        except (Killed, UnreachableError):
            pass
        finally:
            self.store.kill = ""
            self.kill_in = 0

    def _authenticate(self, request: Request) -> Authentic | RequestRefusal:
        if self.signed:
            if request.signature is None:
                return RequestRefusal(why=RequestWhy.UNSIGNED)
            valid = request.signature == signature_of(request.document)
            return Authentic(signed_by="ann@example.org") if valid else RequestRefusal(why=RequestWhy.BAD_SIGNATURE)
        if not self.endpoint.reachable:
            raise UnreachableError("the endpoint does not answer")
        found = self.endpoint.queries.in_flight(request.host_id, request.id)
        if found is None or canonical_form(found) != canonical_form(request.document):
            return RequestRefusal(why=RequestWhy.NOT_CONFIRMED)
        return Authentic()

    def _permitted(self, request: Request) -> bool:
        """Return whether this host may do this, by what people really did."""
        made = self.endpoint.made.get(request.id)
        genuine = made is not None and canonical_form(made) == canonical_form(request.document)
        signed = not self.signed or (made is not None and made["signature"] is not None)
        here = request.host_id == self.id and set(request.needs) <= self.allow
        return genuine and signed and here and self.now < request.expires_at

    def _run(self, request: Request) -> JobEnd:
        permitted = self._permitted(request)
        if request.verb in _REPEATABLE:
            self._step()
            self.deeds.append(Deed(request=request, permitted=permitted))
            self._step()
            return JobEnd(exit_code=0, document={"schema": PLAN_SCHEMA} if request.verb is Verb.CHECK else None)
        if request.verb is Verb.REBOOT_IF_REQUIRED:
            return self._reboot(request, permitted)
        failed = self.failing and self.rng.random() < 0.2
        run = self._begin_run(request, OUTCOME_SCHEMA)
        self.deeds.append(Deed(request=request, permitted=permitted))
        ended = self._end_run(run, "failed" if failed else "updated")
        if failed or not request.reboot_if_required:
            return JobEnd(exit_code=1 if failed else 0, document=ended)
        reboot = self._end_run(self._begin_run(request, REBOOT_OUTCOME_SCHEMA), "requested")
        self.going_down = True
        return JobEnd(exit_code=0, document={**ended, "reboot_outcome": reboot})

    def _reboot(self, request: Request, permitted: bool) -> JobEnd:  # noqa: FBT001 - what the oracle says
        run = self._begin_run(request, REBOOT_OUTCOME_SCHEMA)
        self.deeds.append(Deed(request=request, permitted=permitted))
        ended = self._end_run(run, "requested")
        self.going_down = True
        return JobEnd(exit_code=0, document=ended)

    def _begin_run(self, request: Request, schema: str) -> Document:
        self._step()
        job = job_of(request, JobRequest(kind=JobKind.RUN_REQUEST, state_dir=self.store.directory))
        document: Document = {
            "schema": schema, "id": Record(self.store).new_run_id(self.now), "result": "interrupted",
            "requested_by": job.requested_by, "started_at": format_utc(self.now), "finished_at": None, "failed": [],
        }  # fmt: skip
        self.store.write_run(str(document["id"]), document)
        self._step()
        return document

    def _end_run(self, run: Document, result: str) -> Document:
        self._step()
        # A reboot has no end before it is verified.
        ended = {**run, "result": result, "finished_at": None if result == "requested" else format_utc(self.now)}
        self.store.write_run(str(run["id"]), ended)
        self._step()
        return ended

    def _step(self) -> None:
        self.kill_in -= 1
        if self.kill_in == 0:
            raise Killed

    def _queue_events(self) -> None:
        seen = Snapshot(
            now=self.now, runs=(), read_run=lambda _run: None, jobs={}, reboot=None, reboot_known=True, boot_id=_BOOT,
            booted_at=NOW, kernel=None, daemon=None, requests=read_request_steps(self.store),
        )  # fmt: skip
        if self._cursor is None:
            self._cursor = initial_cursor(seen, NOW - timedelta(days=3650))
        events, self._cursor = new_events(self._cursor, seen)
        wanted = [event for event in events if event.kind.startswith("request-")]
        self._pending += [self._box.event(event.kind, dict(event.document)) for event in wanted]


def forged(rng: random.Random, host: ScheduledHost, others: list[ScheduledHost]) -> Document:
    """Return what a compromised `maestro-agent` user could carry: a replay, a change, another host's, or its own."""
    known = [*host.seen, *(document for other in others for document in other.seen)]
    invented: Document = {
        "schema": "maestro.request/1", "id": new_id(rng), "host_id": host.id, "verb": "upgrade-security",
        "arguments": {}, "created_at": format_utc(host.now), "expires_at": format_utc(host.now + timedelta(days=20)),
        "requested_by": "ann", "comment": "", "plan_id": None, "signature": None,
    }  # fmt: skip
    if not known:
        return invented
    base = rng.choice(known)
    changes: list[Document] = [
        {},
        {"id": new_id(rng)},
        {"id": new_id(rng), "host_id": host.id},
        {"host_id": host.id},
        {"verb": "upgrade-security", "arguments": {}},
        {"expires_at": format_utc(host.now + timedelta(days=9)), "created_at": format_utc(host.now)},
        {"id": invented["id"], "created_at": invented["created_at"], "expires_at": invented["expires_at"]},
    ]
    return rng.choice([invented, {**base, **rng.choice(changes)}])
