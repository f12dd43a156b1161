"""libapt's messages become errors of the agent, whatever bytes they quote."""

from collections.abc import Callable

import pytest

from agent.errors import HostError
from agent.host.apt.errors import LIBAPT_ERRORS, libapt_errors, message_of

UNREADABLE = b"E:Unknown field \xff\xfe of odd"


def fail() -> None:
    raise SystemError("E:broken, E:broken, W:odd")


@pytest.mark.parametrize(
    ("failing", "message"),
    [(fail, "opening: broken; odd"), (UNREADABLE.decode, "opening: Unknown field \ufffd\ufffd of odd")],
)
def test_an_error_has_libapts_own_words(failing: Callable[[], object], message: str) -> None:
    with pytest.raises(HostError) as raised, libapt_errors("opening"):
        failing()

    assert str(raised.value) == message


def test_a_message_that_python_apt_cannot_decode_is_kept() -> None:
    with pytest.raises(LIBAPT_ERRORS) as raised:
        UNREADABLE.decode()

    assert message_of(raised.value) == "E:Unknown field \ufffd\ufffd of odd"
