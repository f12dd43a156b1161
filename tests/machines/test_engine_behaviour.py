"""Real engines: the behaviour that decisions of the agent rest on (Debian 12, docker.io 20.10.24 and 26.1.5)."""

import pytest

from tests.support.engines import NEWER, OLDER, EngineMachine
from tests.support.recorded import Kept

pytestmark = pytest.mark.xdist_group("engines")


def test_apt_upgrades_the_engine_without_a_restart(engine: EngineMachine) -> None:
    engine.run_container("worker", policy="always")
    pid, pids = engine.engine_pid(), engine.pids()
    engine.install_engine(NEWER)
    assert engine.engine_version() == OLDER
    assert engine.engine_pid() == pid
    assert engine.pids() == pids
    assert engine.machine.check(f"readlink /proc/{pid}/exe").strip() == "/usr/sbin/dockerd (deleted)"


def test_agent_and_engine_run_on_one_machine(kept_engine: tuple[Kept, EngineMachine]) -> None:
    kept, engine = kept_engine
    kept.wait_for_daemon()
    assert engine.engine_version() == OLDER
    assert engine.running() == set()
