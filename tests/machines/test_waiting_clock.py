"""A snoozed and a soaking fix over the hours of a DST change and clock jumps, by a clock that the test moves.

In the thorough run: on a booted machine.
"""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.support import bases
from tests.support.recorded import RECORD, UNIT, Kept
from tests.support.repository import package
from tests.support.scenario import answer, reasons

pytestmark = [
    pytest.mark.xdist_group("booted-7"),
    pytest.mark.skipif(not bases.thorough(), reason="a minute on a booted machine; tables have the rest"),
]
CLOCK = "/etc/moved-clock"
MOVED = f"""
_utc_now = utc_now
def utc_now():
    from datetime import timedelta
    with open("{CLOCK}") as file:
        return _utc_now() + timedelta(seconds=float(file.read()))
"""
"""The one function that reads the clock, replaced on the machine: libfaketime makes sleep() fail there (EINVAL)."""
SPRING = datetime(2027, 3, 27, 11, tzinfo=timezone.utc)
"""Noon in Berlin, fourteen hours before its clocks go forward."""


class Hours:
    """The machine's agent at any time."""

    def __init__(self, host: Kept) -> None:
        self._host = host
        file = host.machine.path("/usr/share/maestro-agent/agent/state/timestamps.py")
        self.at(datetime.now(timezone.utc))
        file.write_text(file.read_text() + MOVED)
        host.machine.check("ln -sf /usr/share/zoneinfo/Europe/Berlin /etc/localtime")
        self.at(SPRING)
        host.machine.check(f"systemctl restart {UNIT}")
        host.wait_for_daemon()

    def at(self, moment: datetime) -> None:
        seconds = (moment - datetime.now(timezone.utc)).total_seconds()
        new = self._host.machine.path(f"{CLOCK}.new")
        new.write_text(f"{seconds:+.0f}\n")
        new.rename(self._host.machine.path(CLOCK))

    def held(self, moment: datetime) -> Any:
        """Return what a check at that time holds, and why; a person who is no root sees the same."""
        self.at(moment)
        self._host.wait_for_idle()
        plan = self.agent("check --wait --json").json
        assert "held" in plan, self._host.machine.run("journalctl -t maestro-agent -p err --no-pager -o verbose").stdout
        seen = self.agent("status --json", user="nobody").json["plan"]
        assert reasons(seen) == reasons(plan)
        return reasons(plan)

    def agent(self, words: str, user: str | None = None) -> Any:
        return answer(self._host.machine.run(f"maestro-agent {words}", user=user))

    def upgraded(self, moment: datetime) -> list[str]:
        self.at(moment)
        self._host.wait_for_idle()
        done = self.agent("upgrade --wait --json").json
        return sorted(one["package"] for one in done["upgraded"])


def test_fixes_are_told_while_they_wait_and_released_on_time(own: Kept) -> None:
    own.wait_for_daemon()
    own.wait_for_idle()
    own.machine.write("/etc/maestro-agent/config.d/40-soak.toml", '[agent]\nupgrade = false\n[soak]\nsecurity = "1d"\n')
    hours, hour, minute = Hours(own), timedelta(hours=1), timedelta(minutes=1)
    own.have(package("a", "2"), package("b", "2"))
    first = hours.held(SPRING)
    snoozed = hours.agent("snooze b --until 2027-03-28 --comment 'after the fair'")
    night = hours.held(SPRING + 14 * hour)
    early = hours.upgraded(SPRING + 24 * hour - 3 * minute)
    back = hours.held(SPRING - 72 * hour)
    due = hours.upgraded(SPRING + 24 * hour + 3 * minute)
    end = datetime(2027, 3, 28, 22, tzinfo=timezone.utc)  # midnight of a day of 23 hours
    still, over = hours.held(end - 3 * minute), hours.held(end + 3 * minute)
    revived = hours.held(end - 6 * hour)
    released = hours.upgraded(end + 4 * minute)
    own.offer_more(package("a", "3"))
    ahead = hours.held(SPRING + timedelta(days=300))
    corrected = hours.held(SPRING + timedelta(days=3))
    late = hours.upgraded(SPRING + timedelta(days=4, hours=1))

    print(first, night, back, still, over, revived, ahead, corrected)
    assert snoozed.code == 0, snoozed
    assert first == {"a": "soaking", "b": "soaking"}
    assert (night["a"], early) == ("soaking", [])
    assert back["a"] == "soaking"
    assert due == ["a"]
    assert still == {"b": "snoozed"}
    assert (over, revived, released) == ({}, {}, ["b"])
    assert (ahead, corrected, late) == ({"a": "soaking"}, {"a": "soaking"}, ["a"])
    assert "Traceback" not in own.machine.journal(UNIT)
    assert own.machine.path(f"{RECORD}/first-seen.json").exists()
