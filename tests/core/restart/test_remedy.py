"""What helps a unit that is left."""

import pytest

from agent.core.restart.model import LeftWhy, RestartAction, RestartUnit, SystemdUnit, UnitResult
from agent.core.restart.plan import plan_restarts
from agent.core.restart.remedy import remedy
from tests.core.restart.given_units import by_name, unit

TRANSIENT = unit("passing.service", transient=True)
CONTAINERD = unit("containerd.service", restarts_with=("docker.service",))


def planned(name: str, *units: SystemdUnit) -> RestartUnit:
    (found,) = plan_restarts([name], by_name(*units), ("mine*",))
    return found


@pytest.mark.parametrize(
    ("found", "phrase"),
    [
        (planned("cron.service", unit("cron.service")), ""),
        (planned("init.scope"), ""),
        (planned("dbus.service"), "reboot"),
        (planned("systemd-logind.service"), "reboot"),
        (planned("getty@tty1.service"), "reboot"),
        (planned("docker.service"), "`maestro-agent docker plan`, or a reboot"),
        (planned("weave.service"), "`maestro-agent weave plan`, or a reboot"),
        (planned("containerd.service", CONTAINERD, unit("docker.service")), "`maestro-agent docker plan`, or a reboot"),
        (planned("mine.service"), "by hand: services.never_restart has 'mine*'"),
        (planned("passing.service", TRANSIENT), "restart what started it"),
        (planned("session-3.scope"), "its user has to log in again"),
        (planned("user@1000.service"), "1000 has to log in again"),
        (planned("screen"), "no unit: restart by hand"),
        (planned("cups.socket"), "no service: restart by hand"),
    ],
    ids=lambda value: value.unit if isinstance(value, RestartUnit) else "",
)
def test_a_unit_that_is_left_has_its_remedy(found: RestartUnit, phrase: str) -> None:
    assert remedy(found) == phrase


@pytest.mark.parametrize("why", LeftWhy, ids=lambda why: why.value)
def test_every_reason_has_a_remedy(why: LeftWhy) -> None:
    left = RestartUnit(unit="a.service", action=RestartAction.NONE, result=UnitResult.LEFT, why=why, values=("x",))

    assert remedy(left)
