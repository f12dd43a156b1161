"""The record of requests: an id runs once at most, what is removed is never accepted again, every step is an event."""

from datetime import datetime, timedelta

import pytest

from agent.core.requests.begin import next_at, with_next_running
from agent.core.requests.book import (
    KEPT,
    REPEAT_AFTER,
    new_book,
    with_accepted,
    with_cancelled,
    with_ending,
    with_expired,
    with_known,
    with_refused,
)
from agent.core.requests.judge import refusal_before
from agent.core.requests.model import (
    Authentic,
    Ending,
    Request,
    RequestBook,
    RequestEntry,
    RequestRefusal,
    RequestState,
    RequestWhy,
    Verb,
)
from tests.core.given import NOW
from tests.core.requests.given_request import DAY, SATURDAY, malformed, request, request_id, rules

DONE = Ending(state=RequestState.DONE, detail="updated", run="20261123T051000Z")
EMPTY = new_book("b")
LATER = NOW + timedelta(hours=1)


def entry_of(book: RequestBook, number: int = 1) -> RequestEntry:
    found = book.find(request_id(number))
    assert found is not None
    return found


def states(book: RequestBook, number: int = 1) -> list[str]:
    return [step.state.value for step in entry_of(book, number).steps]


def accepted(number: int = 1, book: RequestBook = EMPTY, created_at: datetime = NOW) -> RequestBook:
    return with_accepted(book, request(number, created_at=created_at), Authentic(), NOW)


def running(book: RequestBook) -> RequestBook:
    book, begun = with_next_running(book, rules(), NOW)
    assert begun is not None
    return book


def test_what_is_due_is_checked_again_as_of_when_it_was_accepted() -> None:
    asked = []

    def recheck(found: Request, at: datetime) -> RequestRefusal | None:
        asked.append((found.id, at))
        return RequestRefusal(why=RequestWhy.SIGNER_UNKNOWN) if found.id == request_id() else None

    book, begun = with_next_running(accepted(2, accepted()), rules(), LATER, recheck)

    assert asked == [(request_id(), NOW), (request_id(2), NOW)]
    assert (begun and begun.id, states(book)[-1], states(book, 2)[-1]) == (request_id(2), "refused", "running")


def test_a_request_goes_from_received_to_done_and_each_step_is_one_event() -> None:
    book = with_ending(running(accepted()), request_id(), DONE, LATER)

    assert states(book) == ["received", "accepted", "running", "done"]
    assert [step.sequence for step in entry_of(book).steps] == [1, 2, 3, 4]
    assert book.sequence == 4
    assert entry_of(book).document is None, "what has ended keeps no content"


def test_a_running_request_does_not_begin_again() -> None:
    book = running(accepted())

    assert with_next_running(book, rules(), LATER) == (book, None)


def test_requests_begin_in_the_order_of_their_arrival() -> None:
    book = accepted(2, accepted(1))

    book, first = with_next_running(book, rules(), NOW)
    book, second = with_next_running(book, rules(), NOW)

    assert [one and one.id for one in (first, second)] == [request_id(1), request_id(2)]


def test_one_that_waits_for_its_window_does_not_hold_up_another() -> None:
    allowed = rules(windows={Verb.UPGRADE_SECURITY: SATURDAY})
    book = with_accepted(EMPTY, request(arguments={"when": "window"}, lives=7 * DAY), Authentic(), NOW)

    assert next_at(book, allowed, NOW) == NOW.replace(day=28, hour=2, minute=0)
    book, begun = with_next_running(accepted(2, book), allowed, NOW)

    assert begun is not None
    assert begun.id == request_id(2)
    assert states(book) == ["received", "accepted"]


def test_what_is_no_longer_allowed_is_refused_at_its_beginning() -> None:
    book, begun = with_next_running(accepted(), rules(Verb.CHECK), NOW)

    assert begun is None
    assert (states(book)[-1], entry_of(book).last.why) == ("refused", RequestWhy.NOT_ALLOWED)


def test_a_cancelled_id_that_may_have_been_forgotten_says_so() -> None:
    """The endpoint's database may be older than what this machine has done."""
    known, lost = (with_cancelled(book, [request_id()], NOW) for book in (EMPTY, new_book("c", lost_at=NOW)))

    assert (states(known), entry_of(known).last.detail) == (["cancelled"], "")
    assert states(lost) == ["cancelled"]
    assert "may have been carried out" in entry_of(lost).last.detail


def test_what_has_not_begun_in_time_expires_even_if_the_clock_goes_back() -> None:
    book = with_expired(accepted(), NOW + DAY)

    assert states(book)[-1] == "expired"
    assert with_next_running(book, rules(), NOW) == (book, None)


def test_a_running_request_does_not_expire() -> None:
    book = running(accepted())

    assert with_expired(book, NOW + 2 * DAY) == book


def test_a_known_id_runs_nothing_and_its_last_step_is_sent_again_after_a_while() -> None:
    book = with_ending(running(accepted()), request_id(), DONE, NOW)
    digest = request().digest

    assert with_known(book, entry_of(book), digest, NOW + REPEAT_AFTER / 2) == book, "its event may be under way"
    again = with_known(book, entry_of(book), digest, NOW + REPEAT_AFTER)
    assert states(again) == states(book)
    assert (entry_of(again).last.sequence, again.sequence) == (5, 5)
    assert entry_of(again).last.at == NOW, "it is the same step"
    assert with_known(again, entry_of(again), digest, NOW + REPEAT_AFTER * 1.5) == again
    assert with_next_running(again, rules(), LATER)[1] is None


def test_a_clock_that_was_set_back_does_not_silence_the_repetition() -> None:
    book = accepted()

    assert with_known(book, entry_of(book), request().digest, NOW - DAY).sequence == 3


def test_other_content_under_a_known_id_is_refused_once_and_changes_nothing() -> None:
    book = running(accepted())
    other = request(comment="other").digest

    after = with_known(book, entry_of(book), other, NOW)

    conflict = entry_of(after).conflict
    assert conflict is not None
    assert (conflict.state, conflict.why, conflict.sequence) == (RequestState.REFUSED, RequestWhy.DUPLICATE_ID, 4)
    assert states(after) == states(book)
    assert with_known(after, entry_of(after), request(comment="third").digest, LATER) == after


def test_only_what_has_not_begun_is_cancelled() -> None:
    assert states(with_cancelled(accepted(), [request_id()], NOW))[-1] == "cancelled"
    book = running(accepted())
    assert with_cancelled(book, [request_id()], NOW) == book


def test_an_id_that_is_cancelled_before_its_request_arrives_never_runs() -> None:
    book = with_cancelled(EMPTY, [request_id()], NOW)

    assert states(book) == ["cancelled"]
    after = with_known(book, entry_of(book), request().digest, NOW)
    assert entry_of(after).conflict is None
    assert with_next_running(after, rules(), NOW)[1] is None


def test_a_malformed_request_is_on_record_as_refused() -> None:
    fault = malformed(verb="run")
    book = with_refused(EMPTY, fault, RequestRefusal(why=fault.why), NOW)

    assert states(book) == ["received", "refused"]
    assert entry_of(book).verb == "run"


def test_what_is_removed_is_stale_for_ever() -> None:
    book = EMPTY
    for number in range(KEPT + 100):
        book = accepted(number, book, created_at=NOW - timedelta(seconds=KEPT + 100 - number))
        book = with_ending(running(book), request_id(number), DONE, NOW)

    assert len(book.entries) == KEPT
    assert book.floor == NOW - timedelta(seconds=KEPT + 1)
    removed = request(0, created_at=NOW - timedelta(seconds=KEPT + 100))
    found = refusal_before(removed, rules(), book, NOW)
    assert found is not None
    assert found.why is RequestWhy.STALE
    assert refusal_before(request(KEPT + 200), rules(), book, NOW) is None


def test_what_has_not_ended_is_never_removed() -> None:
    book = accepted(9999, created_at=NOW - DAY / 2)
    for number in range(KEPT + 100):
        refused = RequestRefusal(why=RequestWhy.NOT_CONFIRMED)
        book = with_refused(book, request(number), refused, NOW)

    assert book.find(request_id(9999)) is not None
    assert len(book.entries) == KEPT
    newest = [book.find(request_id(number)) for number in range(KEPT + 60, KEPT + 100)]
    assert None not in newest, "events that no exporter has read yet"


def test_a_creation_ahead_of_the_clock_does_not_lift_the_floor_far() -> None:
    book = EMPTY
    for number in range(KEPT + 100):
        future = request(number, created_at=NOW + 3650 * DAY)
        book = with_refused(book, future, RequestRefusal(why=RequestWhy.INVALID), NOW)

    assert book.floor is not None
    assert book.floor <= NOW + timedelta(minutes=5)


def test_a_record_that_was_lost_refuses_all_that_it_may_have_had() -> None:
    book = new_book("c", lost_at=NOW)

    found = refusal_before(request(), rules(), book, NOW)
    assert found is not None
    assert found.why is RequestWhy.STALE
    assert refusal_before(request(created_at=NOW + timedelta(minutes=6)), rules(), book, LATER) is None


@pytest.mark.parametrize("ending", [DONE, Ending(state=RequestState.FAILED, why=RequestWhy.INTERRUPTED)])
def test_an_ended_request_ends_once(ending: Ending) -> None:
    book = with_ending(running(accepted()), request_id(), ending, NOW)

    assert with_ending(book, request_id(), DONE, LATER) == book
    assert with_cancelled(book, [request_id()], NOW) == book
