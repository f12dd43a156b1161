"""What was changed since a check: by a hand or a program, with any time of modification."""

import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from agent.host.changes import changed_since, machine_changed_at, packages_changed_at

FILES = (
    "var/lib/dpkg/status",
    "etc/apt/sources.list",
    "etc/apt/sources.list.d/debian.sources",
    "etc/apt/preferences.d/pins",
    "etc/apt/apt.conf.d/20x",
    "etc/maestro-agent/config.toml",
    "etc/maestro-agent/config.d/10.toml",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a machine's files as they were at a check just now."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def now() -> datetime:
    return datetime.now(timezone.utc)


def test_nothing_was_changed_since_a_check_after_it(root: Path) -> None:
    assert changed_since(now(), str(root)) == []


@pytest.mark.parametrize(
    ("name", "part"),
    [*zip(FILES, ("packages", *["apt-configuration"] * 4, *["configuration"] * 2), strict=True)],
)
def test_each_file_counts_whatever_its_time_of_modification(root: Path, name: str, part: str) -> None:
    before = now() - timedelta(minutes=1)
    os.utime(root / name, (0, 0))

    assert part in changed_since(before, str(root))


def test_a_removed_file_counts(root: Path) -> None:
    (root / "etc/maestro-agent/config.d/10.toml").unlink()

    assert "configuration" in changed_since(now() - timedelta(minutes=1), str(root))


@pytest.mark.parametrize("directory", ["apt.conf.d", "preferences.d", "sources.list.d"])
def test_a_link_to_nothing_hides_no_change(root: Path, directory: str) -> None:
    link = root / "etc/apt" / directory / "99link"
    link.symlink_to("nowhere")
    assert changed_since(now(), str(root)) == []
    assert "apt-configuration" in changed_since(now() - timedelta(minutes=1), str(root))

    link.unlink()
    assert "apt-configuration" in changed_since(now() - timedelta(minutes=1), str(root))


def test_what_is_missing_was_not_changed(tmp_path: Path) -> None:
    assert changed_since(now() - timedelta(days=1), str(tmp_path)) == []


def test_the_last_change_of_the_packages_is_that_of_dpkgs_database(root: Path) -> None:
    before = now() - timedelta(seconds=3)
    (root / "var/lib/dpkg/status").write_text("changed")

    changed = packages_changed_at(str(root))

    assert changed is not None
    assert before < changed <= now()


def test_without_a_dpkg_database_the_last_change_is_unknown(tmp_path: Path) -> None:
    assert packages_changed_at(str(tmp_path)) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "var/lib/dpkg/status").write_text("x"),
        lambda root: (root / "etc/apt/apt.conf.d/20x").write_text("x"),
        lambda root: (root / "etc/apt/apt.conf.d/99new").touch(),
        lambda root: (root / "etc/apt/apt.conf").write_text("x"),
        lambda root: (root / "etc/systemd/system/apt-daily-upgrade.timer").symlink_to("/dev/null"),
        lambda root: (root / "run/systemd/system/apt-daily-upgrade.timer").symlink_to("/dev/null"),
        lambda root: (root / "etc/systemd/system/timers.target.wants/apt-daily-upgrade.timer").unlink(),
    ],
    ids=["packages", "edited", "added", "main-file", "masked", "masked-until-a-boot", "disabled"],
)
def test_what_a_schedule_depends_on_is_seen_to_change(root: Path, change: Callable[[Path], object]) -> None:
    wants = root / "etc/systemd/system/timers.target.wants"
    wants.mkdir(parents=True)
    (root / "run/systemd/system").mkdir(parents=True)
    (wants / "apt-daily-upgrade.timer").symlink_to("/lib/systemd/system/apt-daily-upgrade.timer")
    time.sleep(0.02)  # longer than the kernel's clock of files ticks
    before = machine_changed_at(now(), str(root))
    time.sleep(0.02)
    change(root)
    after = machine_changed_at(now(), str(root))

    assert before is not None
    assert after is not None
    assert before < after


def test_a_machine_without_any_of_it_knows_no_change(tmp_path: Path) -> None:
    assert machine_changed_at(now(), str(tmp_path)) is None


@pytest.mark.parametrize(
    ("ahead", "changed"),
    [
        ("run/systemd/system", "var/lib/dpkg/status"),
        ("run/systemd/system", "etc/apt/apt.conf.d/20x"),
        ("var/lib/dpkg/status", "etc/apt/apt.conf.d/20x"),
        ("etc/apt/apt.conf.d/20x", "var/lib/dpkg/status"),
    ],
)
def test_a_time_ahead_hides_no_other_change(root: Path, ahead: str, changed: str) -> None:
    (root / "run/systemd/system").mkdir(parents=True)
    time.sleep(0.02)
    os.utime(root / changed)
    expected = machine_changed_at(now(), str(root))
    clock_set_back_to = now() - timedelta(seconds=2)
    time.sleep(0.02)
    os.utime(root / ahead)

    assert machine_changed_at(clock_set_back_to, str(root)) == expected
    assert machine_changed_at(now(), str(root)) != expected
