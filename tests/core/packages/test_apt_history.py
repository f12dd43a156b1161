"""What cloud-init's own transactions changed, from apt's history."""

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from agent.core.model.outcome import ForeignChange
from agent.core.model.package import PackageId
from agent.core.packages.apt_history import changes_by_cloud_init

CLOUD_INIT = "/usr/bin/apt-get --option=Dpkg::Options::=--force-confold --option=Dpkg::options::=--force-unsafe-io"
HISTORY = f"""
Start-Date: 2026-11-29  10:00:00
Commandline: apt-get install -y vim
Install: vim:amd64 (2:9), libgpm2:amd64 (1.20, automatic)
End-Date: 2026-11-29  10:00:05

Start-Date: 2026-11-29  11:00:00
Commandline: {CLOUD_INIT} --assume-yes --quiet dist-upgrade
Install: libssl3t64:amd64 (3.5, automatic)
Upgrade: openssl:amd64 (3.0, 3.5), curl:amd64 (7.1, 7.2)
Remove: libssl3:amd64 (3.0), old:i386 (1)
End-Date: 2026-11-29  11:01:00

Start-Date: 2026-11-29  12:00:00
Commandline: maestro-agent provision (run 20261129T120000Z)
Upgrade: base-files:amd64 (12, 13)
End-Date: 2026-11-29  12:01:00
"""
EAST = timezone(timedelta(hours=2))
AT = datetime(2026, 11, 29, 9, tzinfo=timezone.utc)
CHANGE = ForeignChange(
    by="cloud-init",
    at=AT,
    installed=1,
    upgraded=2,
    removed=(PackageId(name="libssl3", architecture="amd64"), PackageId(name="old", architecture="i386")),
)


@pytest.mark.parametrize(
    ("since", "found"),
    [(None, (CHANGE,)), (AT, (CHANGE,)), (AT + timedelta(seconds=1), ())],
    ids=["ever", "since-then", "later"],
)
def test_only_what_cloud_init_changed_counts(since: datetime | None, found: tuple[ForeignChange, ...]) -> None:
    assert changes_by_cloud_init(HISTORY, EAST, since) == found


@pytest.mark.parametrize(
    ("first_boot", "found"),
    [
        (datetime(2026, 10, 25, 0, 50, tzinfo=timezone.utc), [datetime(2026, 10, 25, 1, 5, tzinfo=timezone.utc)]),
        (datetime(2026, 10, 25, 0, 1, tzinfo=timezone.utc), [datetime(2026, 10, 25, 0, 5, tzinfo=timezone.utc)]),
        (datetime(2026, 10, 25, 1, 6, tzinfo=timezone.utc), []),
    ],
    ids=["in-the-second-hour", "in-the-first-hour", "before-the-first-boot"],
)
def test_an_upgrade_in_the_hour_that_comes_twice_came_after_the_first_boot(
    first_boot: datetime, found: list[datetime]
) -> None:
    history = f"Start-Date: 2026-10-25  02:05:00\nCommandline: {CLOUD_INIT} dist-upgrade\nUpgrade: a:amd64 (1, 2)\n"

    assert [one.at for one in changes_by_cloud_init(history, ZoneInfo("Europe/Berlin"), first_boot)] == found


@pytest.mark.parametrize("cut", range(0, len(HISTORY), 37))
def test_a_damaged_history_is_read_as_far_as_it_goes(cut: int) -> None:
    for damaged in (HISTORY[:cut], HISTORY[cut:], f"{HISTORY[:cut]}\0 \ufffd(\n{HISTORY[cut:]}"):
        assert len(changes_by_cloud_init(damaged, EAST, None)) <= 1
