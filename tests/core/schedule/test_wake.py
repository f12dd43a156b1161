"""The daemon never sleeps past the moment at which something becomes due."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, time, timedelta, timezone
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given as examples
from hypothesis import strategies as st

from agent.core.job_kinds import JobKind
from agent.core.schedule.engine_windows import EngineWork, LastTry, window_start
from agent.core.schedule.exports import ExportSchedule, ExportState, ExportTick
from agent.core.schedule.jobs import ScheduleContext, next_runs
from agent.core.schedule.provision import NewServer, provision_at
from agent.core.schedule.slots import Interval, JobAttempts
from agent.core.schedule.wake import BUSY_INTERVAL, LONGEST_SLEEP, next_look
from agent.core.windows import Window, parse_window
from tests.core import given

UTC = timezone.utc
NOW = datetime(2026, 3, 28, 23, 50, tzinfo=UTC)
"""An hour before Europe's clocks are set forward."""
SECOND = timedelta(seconds=1)
Due = Callable[[datetime], list[datetime]]

zones = st.sampled_from([UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kathmandu")])
spans = st.integers(-2 * 86400, 2 * 86400).map(lambda seconds: timedelta(seconds=seconds))
moments = spans.map(lambda span: NOW + span)
attempts = st.builds(JobAttempts, last=st.none() | moments, failures=st.integers(0, 12))
windows = st.none() | st.sampled_from(
    ["Sun 01:00-03:30", "daily 23:55-00:05 Europe/Berlin", "last Sun 02:00-02:30"]
).map(lambda text: parse_window(text, ZoneInfo))


def test_it_sleeps_until_the_first_moment_ahead_and_no_longer_than_the_limit() -> None:
    soon, late = NOW + SECOND, NOW + timedelta(hours=1)

    assert next_look([late, soon], NOW, quiet=True) == soon
    assert next_look([late], NOW, quiet=True) == next_look([], NOW, quiet=True) == NOW + LONGEST_SLEEP
    assert next_look([late], NOW, quiet=False) == NOW + BUSY_INTERVAL
    assert next_look([NOW, late], NOW, quiet=True) == NOW + BUSY_INTERVAL


def test_a_change_of_packages_is_seen_before_it_has_settled() -> None:
    checked, now = {JobKind.CHECK: JobAttempts(last=NOW)}, NOW + timedelta(hours=2)
    host = ScheduleContext(machine="a", zone=UTC, up_since=NOW - timedelta(days=1), packages_changed_at=now)

    assert now + LONGEST_SLEEP < next_runs(given.policy().agent, checked, host, now)[JobKind.CHECK]


def assert_nothing_becomes_due_in_its_sleep(due: Due, start: datetime) -> None:
    """Look at each second for as long as the daemon would sleep, from a moment shortly before the first is due."""
    ahead = [at for at in due(start) if at > start]
    now = max(start, min(ahead, default=start) - timedelta(seconds=90))
    until = next_look(due(now), now, quiet=True)
    already = [at for at in due(now) if at <= now]
    seconds = takewhile(lambda at: at < until, (now + SECOND * count for count in range(1, 400)))

    assert until > now
    if not already:
        assert [at for at in seconds if any(moment <= at for moment in due(at))] == []


@examples(
    moment=moments,
    zone=zones,
    own=st.fixed_dictionaries({}, optional={JobKind.CHECK: attempts, JobKind.UPGRADE: attempts}),
    interval=st.integers(3600, 86400),
    at=st.times(),
    splay=st.integers(0, 86400),
    window=windows,
    host=st.fixed_dictionaries(
        {
            "up_since": st.integers(0, 1800).map(lambda ago: timedelta(seconds=ago)),
            "known_since": st.none() | moments,
            "booted_at": st.none() | moments,
            "packages_changed_at": st.none() | moments,
            "engine_interrupted": st.booleans(),
            "interrupted_since": st.none() | moments,
        }
    ),
)
def test_no_job_becomes_due_while_it_sleeps(
    moment: datetime,
    zone: ZoneInfo,
    own: Mapping[JobKind, JobAttempts],
    interval: int,
    at: time,
    splay: int,
    window: Window | None,
    host: Mapping[str, Any],
) -> None:
    policy = replace(
        given.policy().agent,
        check_interval=timedelta(seconds=interval),
        upgrade_at=at.replace(second=0, microsecond=0),
        splay=timedelta(seconds=splay),
    )
    up_since = moment - host["up_since"]
    context = ScheduleContext(
        machine="a",
        zone=zone,
        upgrade_window=window,
        **{**host, "up_since": up_since},
    )

    assert_nothing_becomes_due_in_its_sleep(lambda now: list(next_runs(policy, own, context, now).values()), moment)


@examples(
    moment=moments,
    share=st.floats(0, 0.999),
    interval=st.integers(30, 3600),
    state=st.builds(ExportState, last=st.none() | moments, failures=st.integers(0, 9), not_before=st.none() | moments),
    up_for=st.integers(0, 600),
    local=st.booleans(),
    started_at=st.none() | moments,
    reconfigured=st.booleans(),
)
def test_no_exporter_becomes_due_while_it_sleeps(
    *,
    moment: datetime,
    share: float,
    interval: int,
    state: ExportState,
    up_for: int,
    local: bool,
    started_at: datetime | None,
    reconfigured: bool,
) -> None:
    slots = Interval(interval=timedelta(seconds=interval), share=share)
    schedule = ExportSchedule(exported="same", started_at=started_at, reconfigured=reconfigured)

    def due(now: datetime) -> list[datetime]:
        up_since = moment - timedelta(seconds=up_for)
        tick = ExportTick(now=now, up_since=up_since, slots=slots, local=local, seen="same")
        return [schedule.next(state, tick)[0]]

    assert_nothing_becomes_due_in_its_sleep(due, moment)


@examples(
    moment=moments,
    window=windows.filter(bool),
    needed=st.none() | st.integers(0, 7200),
    last=st.none() | st.builds(LastTry, at=moments),
    zone=zones,
)
def test_no_upgrade_in_a_window_becomes_due_while_it_sleeps(
    moment: datetime, window: Window, needed: int | None, last: LastTry | None, zone: ZoneInfo
) -> None:
    work = EngineWork(plan_id="a", startable=True, expected_s=needed)

    def due(now: datetime) -> list[datetime]:
        at = window_start(window, work, last, now=now, local=zone)
        return [] if at is None else [at]

    assert_nothing_becomes_due_in_its_sleep(due, moment)


@examples(moment=moments, booted=st.none() | moments, own=st.none() | attempts, share=st.floats(0, 0.999))
def test_no_provisioning_becomes_due_while_it_sleeps(
    moment: datetime, booted: datetime | None, own: JobAttempts | None, share: float
) -> None:
    server = NewServer(machine="a", first_booted_at=booted, booted_at=moment, boot_id="b")

    def due(now: datetime) -> list[datetime]:
        at = provision_at(None, own, server, first_boot=True, share=share, now=now)
        return [] if at is None else [at]

    assert_nothing_becomes_due_in_its_sleep(due, moment)
