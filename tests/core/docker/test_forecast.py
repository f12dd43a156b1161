"""The forecast holds against what was measured on real engines."""

from dataclasses import replace

import pytest

from agent.core.docker.fate import Restart
from agent.core.docker.forecast import CONFIGURE_HIGH_S, container_forecasts, engine_downtime
from agent.core.model.docker import Container, RestartPolicy, WeaveAttachment
from agent.core.model.engine_plan import Fate
from tests.core.docker.given_docker import container

_GOOD = tuple(container(f"good-{number}") for number in range(10))
_MIXED = (
    *_GOOD[:5],
    *(container(f"bad-{number}", handles_stop=False) for number in range(3)),
)
_BY_HAND = Restart(starting="26.1.5", stops_slow_first=False)
_LIVE = Restart(starting="26.1.5", live_restore=True)
_ON_WEAVE = tuple(
    container(f"w-{policy.value}", weave=WeaveAttachment.NETWORK, policy=policy)
    for policy in (RestartPolicy.ALWAYS, RestartPolicy.UNLESS_STOPPED, RestartPolicy.NO)
)
_UNEQUAL = (
    *_GOOD[:5],
    *(
        container(f"bad-{timeout}", handles_stop=False, stop_timeout_s=timeout, policy=policy)
        for timeout, policy in zip((2, 3, 5, 8), RestartPolicy, strict=True)
    ),
)
_LONG = (*_GOOD[:3], container("long", handles_stop=False, stop_timeout_s=120))


@pytest.mark.parametrize(
    ("containers", "restart", "measured"),
    [
        pytest.param(_GOOD, _BY_HAND, 2.58, id="off-10-good-quiet"),
        pytest.param(_MIXED, _BY_HAND, 14.85, id="off-3-bad-loaded"),
        pytest.param(_MIXED, _BY_HAND, 11.91, id="off-3-bad-to-28"),
        pytest.param(_MIXED, _LIVE, 2.44, id="live-restore-loaded"),
        pytest.param(_MIXED, _LIVE, 4.78, id="live-restore-downgrade-loaded"),
        pytest.param(_MIXED, _LIVE, 0.99, id="live-restore-quiet"),
        pytest.param(_LONG, _BY_HAND, 212.5, id="killed-by-systemd"),
        pytest.param((*_GOOD[:3], *_ON_WEAVE), _BY_HAND, 107, id="3-on-weave-20.10"),
        pytest.param((*_GOOD[:3], *_ON_WEAVE), _BY_HAND, 105, id="3-on-weave-26"),
        pytest.param((*_GOOD[:3], *_ON_WEAVE), _LIVE, 5, id="live-restore-3-on-weave"),
    ],
)
def test_engine_was_down_as_forecast(containers: tuple[Container, ...], restart: Restart, measured: float) -> None:
    found = engine_downtime(containers, restart)

    assert found.low_s <= measured <= found.high_s


@pytest.mark.parametrize(
    ("containers", "restart", "name", "measured"),
    [
        pytest.param(_GOOD, _BY_HAND, "good-0", (2.2, 2.4), id="off-10-good-quiet"),
        pytest.param(_MIXED, _BY_HAND, "good-0", (10.4, 10.7), id="off-good-of-3-bad"),
        pytest.param(_MIXED, _BY_HAND, "good-0", (13.5, 14.3), id="off-good-of-3-bad-loaded"),
        pytest.param(_MIXED, _BY_HAND, "bad-0", (1.3, 4.4), id="off-bad-of-3-bad"),
        pytest.param(_MIXED, _LIVE, "good-0", (0.0, 0.0), id="live-restore"),
        pytest.param(_UNEQUAL, Restart(starting="26.1.5"), "bad-2", (8.49, 10.19), id="stopped-first-and-waits"),
    ],
)
def test_container_was_down_as_forecast(
    containers: tuple[Container, ...], restart: Restart, name: str, measured: tuple[float, float]
) -> None:
    found = next(one for one in container_forecasts(containers, restart) if one.name == name)

    assert found.low_s <= measured[0]
    assert measured[1] <= found.high_s


def test_good_containers_do_not_wait_for_slow_ones_that_are_stopped_first() -> None:
    found = {one.name: one for one in container_forecasts(_MIXED, Restart(starting="26.1.5"))}

    timeout = _MIXED[-1].stop_timeout_s
    assert (found["good-0"].high_s < timeout, found["bad-0"].high_s < timeout) == (True, True)
    assert engine_downtime(_MIXED, Restart(starting="26.1.5")).basis == ("running-containers 8", "slow-stopped-first 3")


def test_where_a_postinst_restarts_the_engine_only_the_containers_that_are_stopped_first_wait_for_dpkg() -> None:
    usual = Restart(starting="26.1.5")
    by_package = replace(usual, by_package=True)

    waits = {
        one.name.partition("-")[0]: later.high_s - one.high_s
        for one, later in zip(container_forecasts(_MIXED, usual), container_forecasts(_MIXED, by_package), strict=True)
    }

    assert waits == {"good": 0.0, "bad": CONFIGURE_HIGH_S}
    assert engine_downtime(_MIXED, by_package) == engine_downtime(_MIXED, usual)


def test_B5_each_container_on_weave_network_delays_the_engine() -> None:  # noqa: N802 - the case's id
    attached = tuple(container(f"w{number}", weave=WeaveAttachment.NETWORK) for number in range(2))

    found = engine_downtime(attached, Restart(starting="26.1.5"))

    assert found.low_s > 15 * (1 + 2 + 2)
    assert "weave-containers 2" in found.basis


def test_unknown_behaviour_widens_the_range() -> None:
    found = engine_downtime((container(handles_stop=None, stop_timeout_s=300),), Restart(starting="26.1.5"))

    assert found.low_s < 1
    assert found.high_s > 390
    assert "engine-perhaps-killed" in found.basis


def test_D71_five_hundred_containers_are_forecast() -> None:  # noqa: N802 - the case's id
    many = tuple(container(f"c{number}", policy=RestartPolicy.NO) for number in range(500))

    assert {one.will for one in container_forecasts(many, Restart(starting="26.1.5"))} == {Fate.NEEDS_START}
