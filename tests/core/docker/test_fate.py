"""Every combination of policy, state and behaviour: after a restart the same containers run, by name."""

from itertools import product

import pytest

from agent.core.docker.fate import Restart, fate, killed
from agent.core.docker.restore import restoration, revived
from agent.core.model.docker import RestartPolicy, WeaveAttachment
from agent.core.model.engine_plan import Fate
from tests.core.docker.given_docker import container

_OLD, _NEW = "20.10.24", "26.1.5"


@pytest.mark.parametrize(
    ("policy", "handles", "expected"),
    [
        pytest.param("no", True, Fate.NEEDS_START, id="D60-no"),
        pytest.param("no", False, Fate.NEEDS_START, id="D60-no-slow"),
        pytest.param("always", True, Fate.RESTARTS, id="always"),
        pytest.param("always", False, Fate.RESTARTS, id="always-slow"),
        pytest.param("unless-stopped", True, Fate.RESTARTS, id="unless-stopped"),
        pytest.param("unless-stopped", False, Fate.NEEDS_START, id="unless-stopped-stopped-first"),
        pytest.param("on-failure", True, Fate.NEEDS_START, id="D64-on-failure-that-ends-with-0"),
        pytest.param("on-failure", None, Fate.NEEDS_START, id="D64-on-failure-of-unknown-exit-code"),
        pytest.param("on-failure", False, Fate.RESTARTS, id="D64-on-failure-that-is-killed"),
    ],
)
def test_fate_follows_the_restart_policy(policy: str, *, handles: bool | None, expected: Fate) -> None:
    one = container(policy=RestartPolicy(policy), handles_stop=handles)

    assert fate(one, Restart(starting=_NEW)) is expected
    assert fate(one, Restart(starting=_NEW, live_restore=True)) is Fate.KEEPS_RUNNING


@pytest.mark.parametrize(
    ("starting", "live_restore", "expected"),
    [
        pytest.param(_OLD, True, Fate.IS_REMOVED, id="D5-20.10-removes-it-in-spite-of-live-restore"),
        pytest.param(_NEW, True, Fate.KEEPS_RUNNING, id="D5-26-keeps-it"),
        pytest.param(_NEW, False, Fate.IS_REMOVED, id="D61-without-live-restore"),
    ],
)
def test_auto_removed_container_depends_on_the_engine_that_starts(
    starting: str, *, live_restore: bool, expected: Fate
) -> None:
    assert fate(container(auto_remove=True), Restart(starting=starting, live_restore=live_restore)) is expected


def test_D65_unless_stopped_has_to_be_started_after_a_kill_of_the_engine() -> None:  # noqa: N802 - the case's id
    slow = container("slow", auto_remove=True, handles_stop=False, stop_timeout_s=120)
    web = container(policy=RestartPolicy.UNLESS_STOPPED)

    assert killed((slow, web), Restart(starting=_NEW)) is True
    assert fate(web, Restart(starting=_NEW), engine_killed=True) is Fate.NEEDS_START


def test_D62_always_that_its_owner_stopped_is_stopped_again() -> None:  # noqa: N802 - the case's id
    one = container(state="exited", stopped_by_owner=True)

    assert fate(one, Restart(starting=_NEW)) is Fate.STOPS
    assert revived(one)
    assert not revived(container(state="created"))


@pytest.mark.parametrize(
    ("policy", "exit_code", "expected"),
    [
        pytest.param("on-failure", 137, True, id="killed-at-its-stop-timeout"),
        pytest.param("on-failure", None, True, id="unknown-exit-code"),
        pytest.param("on-failure", 0, False, id="ended-well"),
        pytest.param("unless-stopped", 137, False, id="unless-stopped"),
        pytest.param("no", 137, False, id="no"),
    ],
)
def test_D62_engine_revives_by_policy_and_exit_code(  # noqa: N802 - the case's id
    policy: str, exit_code: int | None, *, expected: bool
) -> None:
    stopped = container(state="exited", policy=RestartPolicy(policy), exit_code=exit_code)

    assert revived(stopped) is expected


def test_D67_restart_loop_goes_on() -> None:  # noqa: N802 - the case's id
    assert fate(container(state="restarting"), Restart(starting=_NEW)) is Fate.RESTARTS


def test_container_on_weave_network_needs_a_start() -> None:
    assert fate(container(weave=WeaveAttachment.NETWORK), Restart(starting=_NEW)) is Fate.NEEDS_START


def test_the_running_ones_afterwards_are_those_of_before_except_the_removed() -> None:
    """The agent brings back what the engine does not, so that the forecast and `restoration` agree."""
    states = ("running", "paused", "exited", "created")
    for policy, state, handles, owner, removed, live, starting, dead in product(
        RestartPolicy,
        states,
        (True, False, None),
        (True, False),
        (False, True),
        (False, True),
        (_OLD, _NEW),
        (True, False),
    ):
        one = container(state=state, policy=policy, handles_stop=handles, stopped_by_owner=owner, auto_remove=removed)
        will = fate(one, Restart(starting=starting, live_restore=live), engine_killed=dead)
        runs = will in {Fate.KEEPS_RUNNING, Fate.RESTARTS, Fate.NEEDS_START}

        assert runs == (one.running and will is not Fate.IS_REMOVED)
        if will is Fate.NEEDS_START:
            down = container(state="exited", policy=policy)
            assert restoration((one,), (down,)).start == (down,)
        if will is Fate.IS_REMOVED:
            assert one.auto_remove
