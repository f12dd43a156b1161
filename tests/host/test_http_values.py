"""Dates in headers have the three forms of RFC 9110, and no other text is one; faults have words."""

import errno
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime, parsedate_to_datetime

import pytest
import requests

from agent.host.http_values import fault_text, http_date


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        " Sun, 06 Nov 1994 08:49:37 GMT ",
    ],
)
def test_each_form_is_read(text: str) -> None:
    assert http_date(text) == datetime(1994, 11, 6, 8, 49, 37, tzinfo=timezone.utc)


def test_dates_are_those_of_the_mail_library() -> None:
    start = datetime(1970, 1, 1, tzinfo=timezone.utc)
    texts = [format_datetime(start + timedelta(seconds=97_654_321 * at), usegmt=True) for at in range(500)]

    assert [http_date(text) for text in texts] == [parsedate_to_datetime(text) for text in texts]


@pytest.mark.parametrize(
    "text",
    ["", "soon", "7", "Sun, 31 Feb 2026 00:00:00 GMT", "Sun, 06 Nov 1994 25:00:00 GMT", "Sun, 06 Nov 1994 08:49:37"],
)
def test_other_text_is_no_date(text: str) -> None:
    assert http_date(text) is None


def test_leap_second_is_the_second_before_it() -> None:
    assert http_date("Sat, 31 Dec 2016 23:59:60 GMT") == datetime(2016, 12, 31, 23, 59, 59, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "Connection refused"),
        (
            ConnectionResetError("the connection was closed without an answer"),
            "the connection was closed without an answer",
        ),
        (OSError("the name has no address"), "the name has no address"),
        (TimeoutError(errno.ETIMEDOUT, "Connection timed out"), "Connection timed out"),
        (TimeoutError("no answer within 5 seconds"), "no answer within 5 seconds"),
        (TimeoutError(), "no answer in time"),
        (requests.exceptions.ConnectionError("HTTPConnectionPool(host='x'): Max retries exceeded"), ""),
        (ValueError("x"), ""),
    ],
    ids=["errno", "own", "own-general", "timeout-errno", "timeout", "timeout-alone", "wrapper", "another"],
)
def test_fault_has_the_words_of_the_system_or_its_own(error: Exception, words: str) -> None:
    assert fault_text(error) == words
