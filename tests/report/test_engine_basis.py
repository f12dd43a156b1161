"""Every code that a forecast is computed from has a phrase."""

import pytest

from agent.core.docker.fate import Restart
from agent.core.docker.forecast import engine_downtime
from agent.core.model.docker import Container, WeaveAttachment
from agent.report.engine_basis import basis_text
from tests.core.docker.given_docker import container

_SLOW = container("slow", handles_stop=False, stop_timeout_s=120)
_UNKNOWN = container("unknown", handles_stop=None, stop_timeout_s=120)
_HAND = Restart(starting="26.1.5", stops_slow_first=False)


@pytest.mark.parametrize(
    ("containers", "restart"),
    [
        pytest.param((container(), _SLOW), Restart(starting="26.1.5"), id="stopped-first"),
        pytest.param((container(), _SLOW), _HAND, id="killed"),
        pytest.param((_UNKNOWN,), _HAND, id="perhaps-killed"),
        pytest.param((container(weave=WeaveAttachment.NETWORK),), _HAND, id="weave"),
        pytest.param((container(),), Restart(starting="26.1.5", live_restore=True), id="live-restore"),
    ],
)
def test_no_code_of_a_forecast_is_shown(containers: tuple[Container, ...], restart: Restart) -> None:
    codes = engine_downtime(containers, restart).basis
    text = basis_text((*codes, "router-stop-and-launch"))

    assert codes
    assert [code for code in codes if code in text.split(", ")] == []


def test_numbers_are_counted() -> None:
    assert basis_text(("running-containers 8", "slow-containers 1")) == (
        "8 containers to restart, 1 slow container for the engine to stop"
    )


def test_code_of_a_later_version_is_shown_as_it_is() -> None:
    assert basis_text(("quantum 3",)) == "quantum 3"
