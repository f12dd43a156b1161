"""When a machine booted; in a container not when its host did."""

import os
import time
from pathlib import Path

import pytest

from agent.host.boot_time import booted_at


@pytest.fixture
def container(tmp_path: Path) -> Path:
    """Return the root of a system container that systemd started at 2026-11-20 12:00 UTC."""
    mark = tmp_path / "run/systemd/container"
    mark.parent.mkdir(parents=True)
    mark.write_text("lxc")
    os.utime(mark, (1_795_176_000, 1_795_176_000))
    return tmp_path


def uptime_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def test_a_machine_booted_when_its_kernel_did(tmp_path: Path) -> None:
    assert booted_at(str(tmp_path)).timestamp() == pytest.approx(time.time() - uptime_s(), abs=2)


def test_a_container_booted_when_its_first_process_started(container: Path) -> None:
    started, ticks = time.time() - 100, int((uptime_s() - 100) * os.sysconf("SC_CLK_TCK"))
    stat = container / "proc/1/stat"
    stat.parent.mkdir(parents=True)
    stat.write_text(f"1 (init) (x) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 {ticks} 9 10\n")

    assert booted_at(str(container)).timestamp() == pytest.approx(started, abs=2)


@pytest.mark.parametrize("stat", [None, "", "1 (init) S 0\n", "1 (init) S" + " x" * 40])
def test_where_the_first_process_is_hidden_the_time_is_that_of_systemds_mark(container: Path, stat: str | None) -> None:
    if stat is not None:
        (container / "proc/1").mkdir(parents=True)
        (container / "proc/1/stat").write_text(stat)

    assert booted_at(str(container)).timestamp() == 1_795_176_000


def test_a_container_that_shows_neither_booted_with_its_host(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/.containerenv").touch()

    assert booted_at(str(tmp_path)).timestamp() == pytest.approx(time.time() - uptime_s(), abs=2)
