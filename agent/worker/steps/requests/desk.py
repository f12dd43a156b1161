"""The life of requests on this machine: every change of their record, each written before what follows from it.

Clock, record, rules, the check of who a request is from, and what runs it are arguments.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from agent.core.requests.begin import Recheck, with_next_running
from agent.core.requests.book import with_accepted, with_cancelled, with_ending, with_known, with_refused, with_settled
from agent.core.requests.ending import JobEnd, ending_of_job, ending_on_record
from agent.core.requests.judge import RequestRules, refusal_before, refusal_of_window
from agent.core.requests.model import Authentic, Ending, Malformed, Request, RequestBook, RequestEntry, RequestRefusal
from agent.core.requests.wire import read_request
from agent.errors import HostError, RecordError, UsageError
from agent.state.requests_record import RequestsRecord

Authenticate = Callable[[Request], Authentic | RequestRefusal]
"""Returns who a request is from. Raises HostError where that cannot be found out now: nothing is recorded then."""
RunsOf = Callable[[str], Sequence[Mapping[str, object]]]
"""Returns the documents of the runs in the history that a request, by its id, has caused; the oldest first."""


class RequestDesk:
    """Receives, begins and ends requests."""

    def __init__(self, record: RequestsRecord, rules: RequestRules, now: Callable[[], datetime]) -> None:
        self._record = record
        self._rules = rules
        self._now = now

    def receive(self, document: Mapping[str, object], authenticate: Authenticate) -> None:
        """Record one request that was carried here, accepted or refused. Runs nothing.

        Raises:
            UsageError: it has no id. HostError: who it is from cannot be found out now, or nothing can be recorded.
            BusyError: another process holds the record for too long.
        """
        found = read_request(document)
        if found is None:
            raise UsageError("request: has no id of a request")
        # Asked without the lock: the endpoint may be slow.
        proof = authenticate(found) if isinstance(found, Request) and self._is_open(found) else None
        now = self._now()
        self._record.change(lambda book: _received(book, found, proof, self._rules, now), now)

    def cancel(self, ids: Iterable[str]) -> None:
        """Cancel the requests that have not begun.

        Raises:
            HostError: this cannot be recorded. BusyError: another process holds the record for too long.
        """
        now = self._now()
        self._record.change(lambda book: with_cancelled(book, ids, now), now)

    def settle(self, runs_of: RunsOf, *, reboots: bool) -> None:
        """End the requests whose job is gone, by what the history has of them. Call it under the job lock.

        `reboots`: a reboot is under way or waits to be verified.

        Raises:
            HostError: this cannot be recorded. BusyError: another process holds the record for too long.
        """
        now = self._now()

        def found(entry: RequestEntry) -> Ending | None:
            return ending_on_record(entry, runs_of(entry.id), reboots=reboots)

        self._record.change(lambda book: with_settled(book, found, now), now)

    def begin(self, recheck: Recheck = lambda _request, _at: None) -> Request | None:
        """Record that the next due request runs, and return it: the caller does its work. None: none is due.

        Raises:
            HostError: it cannot be recorded now, or the due ones cannot be checked, so that no work may be done.
            BusyError: as of the others.
        """
        now, begun = self._now(), None
        faults: list[HostError] = []

        def checked(request: Request, accepted_at: datetime) -> RequestRefusal | HostError | None:
            verdict = recheck(request, accepted_at)
            if isinstance(verdict, HostError):
                faults.append(verdict)
            return verdict

        def change(book: RequestBook) -> RequestBook:
            nonlocal begun
            book, begun = with_next_running(book, self._rules, now, checked)
            return book

        self._record.change(change, now)
        if begun is None and faults:
            raise faults[0]
        return begun

    def finish(self, request_id: str, end: JobEnd) -> None:
        """Record how the job for a request ended; nothing where the machine goes down for it.

        Raises:
            HostError: this cannot be recorded; `settle` does it later. BusyError: the same.
        """
        ending, now = ending_of_job(end), self._now()
        if ending is not None:
            self._record.change(lambda book: with_ending(book, request_id, ending, now), now)

    def _is_open(self, request: Request) -> bool:
        """Return whether it matters who the request is from."""
        try:
            book = self._record.load()
        except RecordError:
            book = None
        known = book is not None and book.find(request.id) is not None
        return not known and refusal_before(request, self._rules, book or RequestBook(id=""), self._now()) is None


def run_next(desk: RequestDesk, run: Callable[[Request], JobEnd], runs_of: RunsOf, *, reboots: bool) -> Request | None:
    """Settle what is over, then carry out the next due request; return it, None: none was due."""
    desk.settle(runs_of, reboots=reboots)
    request = desk.begin()
    if request is not None:
        desk.finish(request.id, run(request))
    return request


def _received(
    book: RequestBook,
    found: Request | Malformed,
    proof: Authentic | RequestRefusal | None,
    rules: RequestRules,
    now: datetime,
) -> RequestBook:
    known = book.find(found.id)
    if known is not None:
        return with_known(book, known, found.digest, now)
    refusal = refusal_before(found, rules, book, now)
    if refusal is not None or isinstance(found, Malformed):
        return with_refused(book, found, refusal, now) if refusal is not None else book
    if isinstance(proof, RequestRefusal):
        return with_refused(book, found, proof, now)
    if proof is None:  # the record has changed meanwhile; the endpoint sends the request again
        return book
    refusal = refusal_of_window(found, rules, now)
    return with_refused(book, found, refusal, now) if refusal is not None else with_accepted(book, found, proof, now)
