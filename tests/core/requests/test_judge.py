"""Whether a request is accepted, and when it starts."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from agent.core.requests.book import MOST_OPEN, new_book, with_accepted
from agent.core.requests.judge import WorkWindow, refusal_before, refusal_now, refusal_of_window, starts_at
from agent.core.requests.model import Authentic, RequestBook, RequestWhy, Verb
from tests.core.given import NOW
from tests.core.requests.given_request import DAY, SATURDAY, malformed, request, rules, window

ALL = rules()
BOOK = new_book("b")
FIRST = NOW.replace(day=28, hour=2, minute=0)
"""When `SATURDAY` opens next."""


def test_a_valid_allowed_request_is_not_refused() -> None:
    assert refusal_before(request(), ALL, BOOK, NOW) is None


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"host_id": "00000000-0000-4000-8000-000000000002"}, RequestWhy.NOT_FOR_THIS_HOST),
        ({"created_at": NOW - DAY}, RequestWhy.EXPIRED),
        ({"created_at": NOW + timedelta(minutes=6)}, RequestWhy.INVALID),
    ],
    ids=["another-host", "expired", "future"],
)
def test_a_request_is_refused_whoever_it_is_from(changed: dict[str, Any], why: RequestWhy) -> None:
    found = refusal_before(request(**changed), ALL, BOOK, NOW)

    assert found is not None
    assert found.why is why


def test_a_malformed_one_is_refused_for_its_fault() -> None:
    for changed, why in (({"verb": "run"}, RequestWhy.UNKNOWN_VERB), ({"more": 1}, RequestWhy.INVALID)):
        found = refusal_before(malformed(**changed), ALL, BOOK, NOW)
        assert found is not None
        assert found.why is why


@pytest.mark.parametrize("verb", list(Verb), ids=lambda verb: verb.value)
def test_each_verb_is_allowed_by_itself(verb: Verb) -> None:
    arguments = {"fixes": ["a2"]} if verb is Verb.UPGRADE_FIXES else {}
    asked = request(verb=verb.value, arguments=arguments)

    assert refusal_before(asked, rules(verb), BOOK, NOW) is None
    found = refusal_before(asked, rules(*(one for one in Verb if one is not verb)), BOOK, NOW)
    assert found is not None
    assert found.why is RequestWhy.NOT_ALLOWED


def test_a_reboot_after_an_upgrade_has_to_be_allowed_too() -> None:
    asked = request(arguments={"reboot": "if-required"})

    found = refusal_before(asked, rules(Verb.UPGRADE_SECURITY), BOOK, NOW)

    assert found is not None
    assert found.why is RequestWhy.NOT_ALLOWED
    assert refusal_before(asked, rules(Verb.UPGRADE_SECURITY, Verb.REBOOT_IF_REQUIRED), BOOK, NOW) is None


def test_a_request_that_is_not_younger_than_the_floor_is_stale() -> None:
    book = RequestBook(id="b", floor=NOW)

    found = refusal_before(request(), ALL, book, NOW)

    assert found is not None
    assert found.why is RequestWhy.STALE
    assert refusal_before(request(created_at=NOW + timedelta(seconds=1)), ALL, book, NOW) is None


def test_no_more_than_fifty_wait() -> None:
    book = BOOK
    for number in range(MOST_OPEN):
        assert refusal_before(request(number), ALL, book, NOW) is None
        book = with_accepted(book, request(number), Authentic(), NOW)

    found = refusal_before(request(MOST_OPEN), ALL, book, NOW)
    assert found is not None
    assert found.why is RequestWhy.BUSY_TOO_LONG


def test_a_request_for_a_window_waits_for_its_opening() -> None:
    asked = request(arguments={"when": "window"}, lives=7 * DAY)
    with_window = rules(windows={Verb.UPGRADE_SECURITY: SATURDAY})

    assert refusal_of_window(asked, with_window, NOW) is None
    at = starts_at(asked, with_window, NOW)
    assert at == NOW.replace(day=28, hour=2, minute=0)
    assert starts_at(asked, with_window, at) == at
    too_late = at + timedelta(minutes=106)
    assert starts_at(asked, with_window, too_late) == at + 7 * DAY, "too little of the window is left"


@pytest.mark.parametrize("windows", [{}, {Verb.UPGRADE_SECURITY: SATURDAY}], ids=["none", "after-expiry"])
def test_without_a_window_that_opens_in_time_it_is_refused(windows: Any) -> None:
    found = refusal_of_window(request(arguments={"when": "window"}), rules(windows=windows), NOW)

    assert found is not None
    assert found.why is RequestWhy.NO_WINDOW


@pytest.mark.parametrize(
    ("reboots", "starts"),
    [
        (SATURDAY, FIRST),
        (window("Sat 03:00-05:00 UTC"), FIRST + timedelta(hours=1)),
        (window("1st Sat 02:00-04:00 UTC"), FIRST + 7 * DAY),
        (replace(SATURDAY, not_before=FIRST + timedelta(minutes=30)), FIRST + timedelta(minutes=30)),
        (replace(SATURDAY, not_before=FIRST + DAY), FIRST + 7 * DAY),
    ],
    ids=["same", "later-that-night", "another-week", "hold-off-ends-within", "hold-off-ends-after"],
)
def test_an_upgrade_with_a_reboot_starts_when_the_windows_of_both_are_open(
    reboots: WorkWindow, starts: datetime
) -> None:
    asked = request(arguments={"when": "window", "reboot": "if-required"}, lives=29 * DAY)
    both = rules(windows={Verb.UPGRADE_SECURITY: SATURDAY, Verb.REBOOT_IF_REQUIRED: reboots})

    assert refusal_of_window(asked, both, NOW) is None
    assert starts_at(asked, both, NOW) == starts
    assert starts_at(asked, both, starts) == starts


@pytest.mark.parametrize(
    "windows",
    [
        {Verb.UPGRADE_SECURITY: SATURDAY},
        {Verb.REBOOT_IF_REQUIRED: SATURDAY},
        {Verb.UPGRADE_SECURITY: SATURDAY, Verb.REBOOT_IF_REQUIRED: window("daily 04:00-06:00 UTC")},
    ],
    ids=["none-for-reboots", "none-for-upgrades", "never-both"],
)
def test_without_a_time_at_which_both_may_be_done_it_is_refused(windows: Mapping[Verb, WorkWindow]) -> None:
    asked = request(arguments={"when": "window", "reboot": "if-required"}, lives=29 * DAY)

    found = refusal_of_window(asked, rules(windows=windows), NOW)

    assert found is not None
    assert found.why is RequestWhy.NO_WINDOW


def test_the_configuration_of_its_beginning_counts() -> None:
    waits = request(arguments={"when": "window"})
    open_rules = rules(windows={Verb.UPGRADE_SECURITY: SATURDAY})

    assert refusal_now(waits, "", open_rules) is None
    for changed, why in (
        (rules(Verb.CHECK, windows=open_rules.windows), RequestWhy.NOT_ALLOWED),
        (rules(), RequestWhy.NO_WINDOW),
        (rules(windows=open_rules.windows, signed=True), RequestWhy.UNSIGNED),
    ):
        found = refusal_now(waits, "", changed)
        assert found is not None
        assert found.why is why
    assert refusal_now(waits, "jörg", rules(windows=open_rules.windows, signed=True)) is None
    reboots = request(arguments={"when": "window", "reboot": "if-required"})
    found = refusal_now(reboots, "", open_rules)
    assert found is not None
    assert found.why is RequestWhy.NO_WINDOW
