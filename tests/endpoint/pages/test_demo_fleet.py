"""The invented fleet of `maestro-endpoint demo`: reports that a real agent could have sent."""

from datetime import datetime, timezone

import pytest

from endpoint.core.demo.fixes import DAYS, demo_fixes
from endpoint.core.demo.history import demo_batch, demo_events, exposure_days, exposures
from endpoint.core.demo.report import demo_report
from endpoint.core.demo.roster import Mood, roster
from endpoint.core.demo.troubles import open_fixes
from endpoint.http.validation import Validators

NOW = datetime(2026, 11, 29, 3, 7, 9, tzinfo=timezone.utc)


def test_every_batch_of_the_invented_fleet_is_valid() -> None:
    validators, fixes = Validators(), demo_fixes(NOW)
    faults = []
    for host in roster(200):
        open_now = open_fixes(host, fixes, NOW)
        events = demo_events(host, exposures(host, fixes, open_now, NOW), NOW)
        batch = demo_batch(host, demo_report(host, open_now, NOW, events=len(events)), events)
        faults += [validators.batch.fault(batch), *(validators.body(raw, precisely=True) for raw in batch["messages"])]

    assert [fault for fault in faults if fault is not None] == []


@pytest.mark.parametrize("count", [1, 20, 200, 450])
def test_hosts_have_names_and_ids_of_their_own(count: int) -> None:
    hosts = roster(count)

    assert len({host.name for host in hosts}) == len({host.host_id for host in hosts}) == count


def test_the_fleet_is_the_same_each_time_and_has_every_trouble() -> None:
    hosts = roster(200)

    assert hosts == roster(200)
    assert {host.mood for host in hosts} == set(Mood)


def test_a_host_with_a_trouble_has_what_makes_it() -> None:
    fixes = demo_fixes(NOW)
    without = {Mood.PATCHED, Mood.ENGINE, Mood.ENDED, Mood.UNKNOWN}

    assert [host.name for host in roster(200) if bool(open_fixes(host, fixes, NOW)) == (host.mood in without)] == []


def test_the_curve_covers_every_day_up_to_yesterday() -> None:
    hosts, fixes = roster(200), demo_fixes(NOW)
    found = [one for host in hosts for one in exposures(host, fixes, open_fixes(host, fixes, NOW), NOW)]
    days = exposure_days(len(hosts), found, NOW)

    assert (len(days), days[0].day, days[-1].day) == (DAYS, "2026-08-31", "2026-11-28")
    assert all(0 <= day.exposed <= day.fixes for day in days)
    assert all((day.oldest_age_s is None) == (day.fixes == 0) for day in days)
