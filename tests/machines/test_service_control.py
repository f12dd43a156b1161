"""Units of a booted machine: their states, restarts one by one, what a unit that dies at once looks like."""

import socket
from collections.abc import Iterator

import pytest

from agent.core.restart.model import LeftWhy, SystemdUnit, UnitResult
from agent.core.restart.plan import plan_restarts, why_left
from agent.core.restart.verdict import SETTLE_S, judge, start_limit_wait_s
from agent.host.service_control import SystemdServices
from tests.report.installation import until
from tests.support import bases
from tests.support.booted import Booted, booted

pytestmark = pytest.mark.xdist_group("booted-restarts")
LIMIT_S = 30.0
UNITS = {
    "steady.service": "[Service]\nExecStart=sleep infinity\n",
    "dies.service": "[Service]\nExecStart=sh -c 'test ! -e /run/broken && exec sleep infinity; exit 3'\n",
    "flaps.service": (
        "[Service]\nRestart=always\nRestartSec=1\nExecStart=sh -c 'test ! -e /run/broken && exec sleep infinity'\n"
    ),
    "slow.service": "[Service]\nType=notify\nTimeoutStartSec=3\nExecStart=sleep infinity\n",
    "refuses.service": "[Unit]\nRefuseManualStart=yes\n[Service]\nExecStart=sleep infinity\n",
    "pulls-refuses.service": "[Unit]\nWants=refuses.service\n[Service]\nExecStart=sleep infinity\n",
    "made@.service": "[Service]\nExecStart=sleep infinity\n",
    "base.service": "[Service]\nExecStart=sleep infinity\n",
    "bound.service": "[Unit]\nBindsTo=base.service\nAfter=base.service\n[Service]\nExecStart=sleep infinity\n",
    "part.service": "[Unit]\nPartOf=bound.service\n[Service]\nExecStart=sleep infinity\n",
    "keeps.service": "[Service]\nKillMode=process\nExecStart=sh -c 'sleep 1000 & exec sleep infinity'\n",
    "once.service": "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=true\n",
    "job.service": "[Service]\nExecStart=sleep infinity\n",
    "job.timer": "[Timer]\nOnActiveSec=1d\n",
    "echo.socket": "[Socket]\nListenStream=/run/echo.sock\nAccept=yes\n",
    "echo@.service": "[Service]\nStandardInput=socket\nExecStart=sleep infinity\n",
}
STARTED = (
    *("steady.service", "dies.service", "flaps.service", "pulls-refuses.service", "made@a-b.service", "bound.service"),
    *("part.service", "keeps.service", "once.service", "job.timer", "job.service", "echo.socket"),
)


@pytest.fixture(scope="module", params=bases.codenames())
def machine(request: pytest.FixtureRequest) -> Iterator[Booted]:
    """Return a machine on which the units above run."""
    with booted(bases.base(request.param, bases.BOOTED)) as running:
        for name, text in UNITS.items():
            running.write(f"/etc/systemd/system/{name}", text)
        running.check(f"systemctl daemon-reload && systemctl start {' '.join(STARTED)}")
        running.check("systemd-run -q --unit=passing sleep infinity")
        yield running


@pytest.fixture
def services(machine: Booted) -> SystemdServices:
    inside = ("nsenter", "-t", str(machine.leader), "-m", "-p", "-r", "-w", "-i", "-u", "-n", "-C")
    return SystemdServices(systemctl=(*inside, "systemctl"), proc=str(machine.path("/proc")))


def seen(services: SystemdServices, name: str) -> SystemdUnit:
    return services.units([name])[name]


def restarted(services: SystemdServices, name: str) -> tuple[str, UnitResult, str]:
    """Restart a unit as the job does; return systemctl's error, and the verdict some seconds later."""
    before = seen(services, name)
    services.wait(start_limit_wait_s(before, services.now_s()))
    error = services.restart(name, limit_s=LIMIT_S)
    services.wait(SETTLE_S)
    return (error, *judge(before, seen(services, name)))


@pytest.mark.parametrize("name", ["steady.service", "made@a-b.service"], ids=["service", "template-instance"])
def test_a_restart_gives_another_process(services: SystemdServices, name: str) -> None:
    before = seen(services, name)

    assert restarted(services, name) == ("", UnitResult.RESTARTED, "")
    assert seen(services, name).main_pid not in {None, before.main_pid}


def test_a_unit_that_dies_at_once_has_failed(machine: Booted, services: SystemdServices) -> None:
    machine.write("/run/broken", "")

    error, result, detail = restarted(services, "dies.service")
    flaps = restarted(services, "flaps.service")
    machine.check("rm /run/broken && systemctl reset-failed && systemctl start dies.service flaps.service")

    assert (error, result) == ("", UnitResult.FAILED)
    assert "exit-code" in detail
    assert flaps[:2] == ("", UnitResult.FAILED)


def test_a_restart_by_hand_starts_the_count_of_automatic_ones_again(machine: Booted, services: SystemdServices) -> None:
    machine.check("systemctl kill -s KILL flaps.service")

    def has_come_back() -> bool:
        found = seen(services, "flaps.service")
        return found.auto_restarts > 0 and found.active_state == "active"

    until("systemd has started it again", has_come_back)
    counted = seen(services, "flaps.service").auto_restarts

    done = restarted(services, "flaps.service")

    assert counted > 0
    assert done == ("", UnitResult.RESTARTED, "")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        pytest.param("refuses.service", LeftWhy.REFUSES_RESTART, id="refuses-manual-start"),
        pytest.param("once.service", LeftWhy.ENDS_BY_ITSELF, id="oneshot"),
        pytest.param("job.service", LeftWhy.ENDS_BY_ITSELF, id="started-by-a-timer"),
        pytest.param("passing.service", LeftWhy.ENDS_BY_ITSELF, id="transient"),
        pytest.param("keeps.service", LeftWhy.OTHER_PROCESSES, id="its-main-process-is-current"),
        pytest.param("slow.service", LeftWhy.NOT_ACTIVE, id="not-running"),
        pytest.param("nosuch.service", LeftWhy.UNIT_GONE, id="unknown"),
        pytest.param("dbus.service", LeftWhy.NEEDS_REBOOT, id="dbus"),
        pytest.param("steady.service", None, id="service"),
    ],
)
def test_what_is_left_is_recognized(services: SystemdServices, name: str, why: LeftWhy | None) -> None:
    found = why_left(seen(services, name))

    assert (found.why if found else None) is why


def test_a_connection_of_a_socket_is_recognized(machine: Booted, services: SystemdServices) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(machine.path("/run/echo.sock")))
        shown = "systemctl list-units --plain --no-legend 'echo@*.service'"
        until("its service is there", lambda: machine.check(shown) != "")
        listed = machine.check(shown).split()
        found = why_left(seen(services, listed[0]))

    assert found is not None
    assert (found.why, found.values) == (LeftWhy.ENDS_BY_ITSELF, ("connection",))


def test_a_masked_unit_and_one_whose_file_is_gone_are_left(machine: Booted, services: SystemdServices) -> None:
    for name in ("masked", "removed"):
        machine.write(f"/run/systemd/system/{name}.service", UNITS["steady.service"])
        machine.check(
            f"systemctl daemon-reload && systemctl start {name}.service && rm /run/systemd/system/{name}.service"
        )
    machine.check("systemctl mask --runtime masked.service && systemctl daemon-reload")

    found = [why_left(seen(services, name)) for name in ("masked.service", "removed.service")]
    error = services.restart("removed.service", limit_s=LIMIT_S)

    assert [one.why if one else None for one in found] == [LeftWhy.MASKED, LeftWhy.UNIT_GONE]
    assert error


def test_units_that_restart_with_another_are_found(services: SystemdServices) -> None:
    units = services.units(["base.service"])

    planned = plan_restarts(["base.service"], units)
    spared = plan_restarts(["base.service"], units, ["part"])

    assert planned[0].restarts_with == ("bound.service", "part.service")
    assert (spared[0].why, spared[0].values) == (LeftWhy.RESTARTS_OTHERS, ("part.service",))


def test_a_restart_reaches_the_units_that_are_named(services: SystemdServices) -> None:
    names = ("base.service", "bound.service", "part.service")
    before = services.units(names)

    services.restart("base.service", limit_s=LIMIT_S)

    def others() -> bool:
        after = services.units(names)
        return all(before[name].invocation_id != after[name].invocation_id for name in names)

    until("each is another invocation", others)


def test_a_stopped_unit_is_not_started(services: SystemdServices) -> None:
    assert services.restart("slow.service", limit_s=LIMIT_S) == ""
    assert seen(services, "slow.service").active_state == "inactive"


def test_no_restart_is_the_fifth_within_a_start_limit(machine: Booted, services: SystemdServices) -> None:
    machine.check("for n in 1 2 3 4; do systemctl restart steady.service; done")

    done = restarted(services, "steady.service")

    assert done == ("", UnitResult.RESTARTED, "")


def test_a_restart_that_does_not_end_is_given_up(machine: Booted, services: SystemdServices) -> None:
    machine.write(
        "/run/systemd/system/stuck.service",
        "[Service]\nTimeoutStopSec=60\nExecStart=sh -c 'trap \"\" TERM; touch /run/stuck; while :; do sleep 1; done'\n",
    )
    machine.check("systemctl daemon-reload && systemctl start stuck.service")
    until("it ignores the signal", machine.path("/run/stuck").exists)

    error = services.restart("stuck.service", limit_s=2)
    machine.check("systemctl kill -s KILL stuck.service")

    assert error


def test_systemd_executes_itself_again(machine: Booted, services: SystemdServices) -> None:
    pids = machine.check("systemctl show -p MainPID --value steady.service keeps.service")

    assert services.reexec(limit_s=LIMIT_S) == ""
    assert machine.check("systemctl show -p MainPID --value steady.service keeps.service") == pids
    assert seen(services, "init.scope").active_state == "active"


def test_the_usual_services_of_a_server_may_be_restarted(services: SystemdServices) -> None:
    names = ["systemd-journald.service", "systemd-udevd.service", "cron.service", "ssh.service"]
    units = services.units(names)

    planned = plan_restarts([name for name in names if units[name].is_up], units)

    assert {one.unit: one.why for one in planned} == dict.fromkeys((one.unit for one in planned), None)
    assert "systemd-journald.service" in {one.unit for one in planned}
