"""Which units are restarted, in which order, and why the others are left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.restart.model import LeftWhy, SystemdUnit
from agent.core.restart.never import never_restarted
from agent.core.restart.plan import plan_restarts, why_left, with_dependents
from tests.core.restart.given_units import brief, by_name, unit


@pytest.mark.parametrize(
    ("seen", "why", "values"),
    [
        pytest.param(unit("cron.service"), None, (), id="a-service"),
        pytest.param(unit("old.service", load_state="masked"), LeftWhy.MASKED, (), id="masked"),
        pytest.param(unit("old.service", load_state="not-found"), LeftWhy.UNIT_GONE, (), id="its-file-is-gone"),
        pytest.param(unit("ha.service", restartable=False), LeftWhy.REFUSES_RESTART, (), id="refuses"),
        pytest.param(
            unit("backup.service", service_type="oneshot"), LeftWhy.ENDS_BY_ITSELF, ("oneshot",), id="oneshot"
        ),
        pytest.param(
            unit("backup.service", triggered_by=("backup.timer",)),
            LeftWhy.ENDS_BY_ITSELF,
            ("backup.timer",),
            id="started-by-a-timer",
        ),
        pytest.param(unit("run-u7.service", transient=True), LeftWhy.ENDS_BY_ITSELF, ("transient",), id="transient"),
        pytest.param(
            unit("sshd@3-1.service", connection=True), LeftWhy.ENDS_BY_ITSELF, ("connection",), id="a-connection"
        ),
        pytest.param(unit("ssh.service", triggered_by=("ssh.socket",)), None, (), id="started-by-a-socket"),
        pytest.param(unit("a.service", active_state="failed"), LeftWhy.NOT_ACTIVE, ("failed",), id="failed"),
        pytest.param(unit("a.service", active_state="activating"), LeftWhy.NOT_ACTIVE, ("activating",), id="starting"),
        pytest.param(
            unit("containerd.service", keeps_processes=True, main_outdated=False),
            LeftWhy.OTHER_PROCESSES,
            (),
            id="only-shims-of-containerd",
        ),
        pytest.param(unit("containerd.service", keeps_processes=True), None, (), id="containerd-itself"),
        pytest.param(unit("a.service", keeps_processes=True, main_outdated=None), None, (), id="main-process-unknown"),
        pytest.param(unit("nginx.service", main_outdated=False), None, (), id="only-workers-of-nginx"),
    ],
)
def test_each_rule_alone(seen: SystemdUnit, why: LeftWhy | None, values: tuple[str, ...]) -> None:
    found = why_left(seen)

    assert (found and found.why, found.values if found else ()) == (why, values)


def test_a_unit_that_systemd_does_not_know_is_left() -> None:
    assert brief(plan_restarts(["gone.service"], {})) == {"gone.service": "unit-gone"}


def test_systemd_itself_is_executed_again_at_the_end() -> None:
    units = by_name(unit("init.scope"), unit("zabbix-agent.service", after=("init.scope",)))

    planned = plan_restarts(["init.scope", "zabbix-agent.service"], units)

    assert list(brief(planned).items()) == [("zabbix-agent.service", "restart"), ("init.scope", "daemon-reexec")]


def test_a_unit_follows_those_that_it_starts_after() -> None:
    units = by_name(
        unit("app.service", after=("postgresql@15-main.service", "network.target")),
        unit("postgresql@15-main.service"),
        unit("web.service", after=("app.service",)),
    )

    planned = plan_restarts(list(units), units)

    assert [one.unit for one in planned] == ["postgresql@15-main.service", "app.service", "web.service"]


def test_those_that_are_left_come_last() -> None:
    units = by_name(unit("dbus.service"), unit("ssh.service", after=("dbus.service",)))

    assert [one.unit for one in plan_restarts(list(units), units)] == ["ssh.service", "dbus.service"]


def test_units_that_restart_with_it_are_named() -> None:
    units = by_name(
        unit("db.service", restarts_with=("app.service", "off.service")),
        unit("app.service", restarts_with=("web.service",)),
        unit("web.service"),
        unit("off.service", active_state="inactive"),
    )

    assert plan_restarts(["db.service"], units)[0].restarts_with == ("app.service", "web.service")


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param(unit("docker.service"), "restarts-others", id="docker-bound-to-it"),
        pytest.param(unit("backup.service", service_type="oneshot"), "restarts-others", id="a-oneshot-at-work"),
        pytest.param(
            unit("flush.service", service_type="oneshot", sub_state="exited"), "restart", id="a-oneshot-that-is-done"
        ),
        pytest.param(unit("docker.service", active_state="inactive"), "restart", id="docker-not-running"),
        pytest.param(unit("db.service"), "restarts-others", id="configured"),
        pytest.param(unit("x.socket"), "restart", id="a-socket"),
    ],
)
def test_a_restart_may_not_reach_a_unit_that_is_spared(other: SystemdUnit, expected: str) -> None:
    units = by_name(unit("containerd.service", restarts_with=(other.name,)), other)

    assert brief(plan_restarts(["containerd.service"], units, ["db"])) == {"containerd.service": expected}


def test_a_loop_of_dependents_ends() -> None:
    units = by_name(unit("a.service", restarts_with=("b.service",)), unit("b.service", restarts_with=("a.service",)))

    assert with_dependents("a.service", units) == ("b.service",)


_NAMES = st.sampled_from(["a.service", "b.service", "c.service", "dbus.service", "init.scope", "x.scope"])


@given(
    outdated=st.sets(_NAMES),
    after=st.dictionaries(_NAMES, st.sets(_NAMES)),
    reaches=st.dictionaries(_NAMES, st.sets(_NAMES)),
)
def test_every_unit_is_planned_once_and_no_restart_reaches_one_that_is_spared(
    outdated: set[str], after: dict[str, set[str]], reaches: dict[str, set[str]]
) -> None:
    names = ["a.service", "b.service", "c.service", "dbus.service", "init.scope", "x.scope"]
    units = by_name(
        *(
            unit(name, after=tuple(after.get(name, ())), restarts_with=tuple(reaches.get(name, ())) or ())
            for name in names
        )
    )

    planned = plan_restarts(outdated, units)

    assert sorted(one.unit for one in planned) == sorted(outdated)
    for one in planned:
        if one.why is None:
            assert never_restarted(one.unit) is None
            assert "dbus.service" not in one.restarts_with
