"""Runs of unattended-upgrades, from logs as apt and dpkg write them."""

import gzip
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from agent.host.unattended_upgrades.runs import read_their_runs
from agent.report.run_text import their_cells

HISTORY = """
Start-Date: 2026-11-29  06:10:01
Commandline: /usr/bin/unattended-upgrade
Upgrade: a:amd64 (1, 2)
End-Date: 2026-11-29  06:10:02

Start-Date: 2026-11-29  06:10:05
Commandline: /usr/bin/unattended-upgrade
Install: new:amd64 (5, automatic)
Upgrade: b:amd64 (1:1.0, 1:2.0), c:amd64 (1, 2)
Error: Sub-process /usr/bin/dpkg returned an error code (1)
End-Date: 2026-11-29  06:10:09

Start-Date: 2026-11-29  07:00:00
Commandline: /usr/bin/unattended-upgrade --dry-run
Upgrade: d:amd64 (1, 3)
End-Date: 2026-11-29  07:00:01

Start-Date: 2026-11-29  08:00:00
Commandline: apt-get install e
Upgrade: e:amd64 (1, 2)
End-Date: 2026-11-29  08:00:01

Start-Date: 2026-11-29  09:00:00
Commandline: /usr/bin/unattended-upgrade -d
Upgrade: f:amd64 (1, 2)
End-Date: 2026-11-29  09:00:01
"""
DPKG = """\
2026-11-29 06:10:01 upgrade a:all 1 2
2026-11-29 06:10:02 status installed a:all 2
2026-11-29 06:10:08 status installed new:amd64 5
2026-11-29 06:10:08 status installed b:amd64 1:2.0
2026-11-29 06:10:09 status half-configured c:amd64 2
2026-11-29 08:00:01 status installed e:amd64 2
2026-11-29 08:30:01 status installed d:amd64 3
"""


def write(directory: Path, history: str = HISTORY, dpkg: str = DPKG) -> None:
    (directory / "apt").mkdir()
    (directory / "apt/history.log").write_text(history)
    (directory / "dpkg.log").write_text(dpkg)


def test_only_what_dpkg_installed_in_their_transactions_counts(tmp_path: Path) -> None:
    write(tmp_path)

    (run,) = read_their_runs(str(tmp_path))

    assert (run.started_at, run.finished_at) == (
        datetime(2026, 11, 29, 6, 10, 1, tzinfo=timezone.utc),
        datetime(2026, 11, 29, 6, 10, 9, tzinfo=timezone.utc),
    )
    assert run.changes == [
        ("a", "amd64", "1", "2"),
        ("b", "amd64", "1:1.0", "1:2.0"),
        ("new", "amd64", None, "5"),
    ]
    assert run.unconfirmed == ["c"]


KILLED = """
Start-Date: 2026-11-29  06:10:01
Commandline: /usr/bin/unattended-upgrade
Upgrade: a:amd64 (1, 2), b:amd64 (1, 2), c:amd64 (1, 2)
"""
NEXT = """
Start-Date: 2026-11-29  09:00:00
Commandline: apt-get install c
Upgrade: c:amd64 (1, 2)
End-Date: 2026-11-29  09:00:02
"""


@pytest.mark.parametrize("following", ["", NEXT], ids=["the-last", "another-follows"])
def test_what_dpkg_installed_before_a_run_was_killed_counts(tmp_path: Path, following: str) -> None:
    dpkg = (
        "2026-11-29 06:10:05 status installed a:amd64 2\n2026-11-29 06:10:06 status installed b:amd64 2\n"
        "2026-11-29 06:10:07 status unpacked c:amd64 2\n"
    )
    write(
        tmp_path, KILLED + following, dpkg + ("2026-11-29 09:00:01 status installed c:amd64 2\n" if following else "")
    )

    (run,) = read_their_runs(str(tmp_path))

    assert [name for name, *_ in run.changes] == ["a", "b"]
    assert run.unconfirmed == ["c"]
    assert run.finished_at == datetime(2026, 11, 29, 6, 10, 6, tzinfo=timezone.utc)


BY_HAND = {
    "trigger": "2026-12-03 10:00:00 startup archives install\n2026-12-03 10:00:01 status installed a:amd64 2\n",
    "repair": "2026-11-30 06:09:59 startup packages configure\n2026-11-30 06:10:00 status installed b:amd64 2\n",
}
BEGUN = """\
2026-11-29 06:10:01 startup archives unpack
2026-11-29 06:10:03 status installed a:amd64 2
2026-11-29 06:10:04 startup packages configure
2026-11-29 06:10:05 status half-configured b:amd64 2
"""


@pytest.mark.parametrize("later", BY_HAND.values(), ids=BY_HAND)
@pytest.mark.parametrize(
    "following", ["", NEXT.replace("2026-11-29", "2026-12-04")], ids=["the-last", "another-follows"]
)
@pytest.mark.parametrize(
    ("end", "second"), [("", 3), ("End-Date: 2026-11-29  05:10:09\n", 5)], ids=["killed", "clock-set-back"]
)
def test_what_dpkg_does_days_after_a_run_is_not_part_of_it(
    tmp_path: Path, later: str, following: str, end: str, second: int
) -> None:
    write(tmp_path, KILLED + end + following, BEGUN + later)

    (run,) = read_their_runs(str(tmp_path))

    assert ([name for name, *_ in run.changes], run.unconfirmed) == (["a"], ["b", "c"])
    assert run.finished_at == datetime(2026, 11, 29, 6, 10, second, tzinfo=timezone.utc)


def test_what_dpkg_installs_days_after_a_run_that_began_nothing_is_not_its_work(tmp_path: Path) -> None:
    write(tmp_path, KILLED, "2026-11-28 09:00:00 status installed x:amd64 1\n" + BY_HAND["trigger"])

    assert read_their_runs(str(tmp_path)) == []


def test_a_package_that_takes_long_to_configure_is_no_end_of_a_run(tmp_path: Path) -> None:
    write(tmp_path, KILLED, BEGUN + "2026-11-29 06:40:00 status installed b:amd64 2\n")

    (run,) = read_their_runs(str(tmp_path))

    assert run.finished_at == datetime(2026, 11, 29, 6, 40, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("dpkg", "told"),
    [
        ("2026-11-29 06:10:02 status unpacked a:all 2\n", True),
        ("2026-11-29 06:10:02 status half-configured a:all 2\n", True),
        ("2026-11-29 06:10:02 status unpacked a:all 1\n", False),
        ("2026-11-29 06:09:59 status unpacked a:all 2\n", False),
        ("", False),
    ],
    ids=["unpacked", "postinst-failed", "the-old-one", "before", "nothing"],
)
def test_a_run_that_failed_with_its_only_package_is_told(tmp_path: Path, dpkg: str, *, told: bool) -> None:
    history = (
        "\nStart-Date: 2026-11-29  06:10:01\nCommandline: /usr/bin/unattended-upgrade\nUpgrade: a:amd64 (1, 2)\n"
        "Error: Sub-process /usr/bin/dpkg returned an error code (1)\nEnd-Date: 2026-11-29  06:10:03\n"
    )
    write(tmp_path, history, dpkg)

    runs = read_their_runs(str(tmp_path))

    assert [(run.changes, run.unconfirmed, their_cells(run)[-1]) for run in runs] == (
        [([], ["a"], "1 not installed")] if told else []
    )


def test_what_a_run_removed_is_told(tmp_path: Path) -> None:
    history = (
        "\nStart-Date: 2026-11-29  06:10:01\nCommandline: /usr/bin/unattended-upgrade\n"
        "Remove: linux-image-1:amd64 (6.1), lib:amd64 (1), kept:amd64 (1)\nEnd-Date: 2026-11-29  06:10:09\n"
    )
    dpkg = (
        "2026-11-29 06:10:02 status half-installed linux-image-1:amd64 6.1\n"
        "2026-11-29 06:10:03 status config-files linux-image-1:amd64 6.1\n"
        "2026-11-29 06:10:04 status not-installed lib:amd64 <none>\n"
    )
    write(tmp_path, history, dpkg)

    (run,) = read_their_runs(str(tmp_path))

    assert (run.changes, run.unconfirmed) == ([], ["kept"])
    assert run.document["removed"] == [
        {"package": "linux-image-1", "architecture": "amd64", "from": "6.1"},
        {"package": "lib", "architecture": "amd64", "from": "1"},
    ]
    assert their_cells(run)[-1] == "removed linux-image-1, lib; 1 not installed"


def test_a_run_over_the_end_of_summer_time_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    history = (
        "\nStart-Date: 2026-10-25  02:59:58\nCommandline: /usr/bin/unattended-upgrade\n"
        "Upgrade: a:amd64 (1, 2)\nEnd-Date: 2026-10-25  02:00:03\n"
    )
    write(tmp_path, history, "2026-10-25 02:00:02 status installed a:amd64 2\n")

    (run,) = read_their_runs(str(tmp_path))
    monkeypatch.undo()
    time.tzset()

    assert run.changes == [("a", "amd64", "1", "2")]
    assert run.finished_at - run.started_at == timedelta(seconds=5)


def test_rotated_logs_are_read_too(tmp_path: Path) -> None:
    write(tmp_path, "", DPKG)
    (tmp_path / "dpkg.log").rename(tmp_path / "dpkg.log.1")
    (tmp_path / "apt/history.log.1.gz").write_bytes(gzip.compress(HISTORY.encode()))

    assert [len(run.changes) for run in read_their_runs(str(tmp_path))] == [3]


@pytest.mark.parametrize(
    "history",
    [
        "",
        "Start-Date: yesterday\nCommandline: /usr/bin/unattended-upgrade\nUpgrade: a:amd64 (1, 2)\n",
        "Start-Date: 2026-11-29  06:10:01\nCommandline: /usr/bin/unattended-upgrade\nUpgrade: a:amd64 (",
        "Start-Date: 2026-11-29  06:10:01\nCommandline: /usr/bin/my-unattended-upgrade\nUpgrade: a:amd64 (1, 2)\n",
        "\udcff\0: \n\n: \n",
    ],
    ids=["empty", "no-time", "cut-off", "another-program", "no-text"],
)
def test_a_log_that_says_nothing_is_no_run(tmp_path: Path, history: str) -> None:
    write(tmp_path, "")
    (tmp_path / "apt/history.log").write_bytes(history.encode(errors="surrogateescape"))

    assert read_their_runs(str(tmp_path)) == []


def test_missing_and_damaged_logs_are_no_run(tmp_path: Path) -> None:
    assert read_their_runs(str(tmp_path)) == []
    write(tmp_path, "")
    (tmp_path / "apt/history.log.1.gz").write_bytes(b"no gzip")

    assert read_their_runs(str(tmp_path)) == []
