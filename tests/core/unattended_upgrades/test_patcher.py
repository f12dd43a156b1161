"""Who patches: exactly one, in every mode and every state of the distribution's job."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import product

import pytest

from agent.core.model.facts import Unseen
from agent.core.policy.policy import DailyJobMode
from agent.core.unattended_upgrades.model import ALWAYS, Gap, JobSettings, Patcher, RebootKeys, TheirJob, UnitFacts
from agent.core.unattended_upgrades.patcher import daily_patcher

NOW = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)
SETTINGS = JobSettings(
    enabled=True, every=DAY, every_text="1", lists_text="1", origins=("origin=Debian",), reboot=RebootKeys()
)
TIMER = UnitFacts(load="loaded", active="active", sub="waiting", enabled="enabled", next_at=NOW + DAY)
SERVICE = UnitFacts(load="loaded", active="inactive", sub="dead", enabled="static")
ON = TheirJob(version="2.12", settings=SETTINGS, timer=TIMER, service=SERVICE, last_success=NOW - DAY)
OFF = {
    Gap.NOT_INSTALLED: replace(ON, version=None),
    Gap.PERIODIC_OFF: replace(ON, settings=replace(SETTINGS, enabled=False)),
    Gap.UPGRADE_OFF: replace(ON, settings=replace(SETTINGS, every=None, every_text="0")),
    Gap.UPGRADE_INVALID: replace(ON, settings=replace(SETTINGS, every=None, every_text="yes")),
    Gap.NO_ORIGINS: replace(ON, settings=replace(SETTINGS, origins=())),
    Gap.TIMER_MASKED: replace(ON, timer=replace(TIMER, load="masked", active="failed", enabled="masked")),
    Gap.TIMER_DISABLED: replace(ON, timer=replace(TIMER, active="inactive", sub="dead", enabled="disabled")),
    Gap.TIMER_STOPPED: replace(ON, timer=replace(TIMER, active="inactive", sub="dead")),
    Gap.TIMER_MISSING: replace(ON, timer=replace(TIMER, load="not-found", active="inactive", sub="dead", enabled="")),
    Gap.TIMER_INVALID: replace(ON, timer=replace(TIMER, load="bad-setting", active="inactive", sub="dead")),
    Gap.SERVICE_MASKED: replace(ON, service=replace(SERVICE, load="masked")),
    Gap.NO_SCHEDULER: replace(ON, timer=None, service=None, scheduler=False),
}
WORKS = {
    "as-installed": ON,
    "every-week": replace(ON, settings=replace(SETTINGS, every=7 * DAY, every_text="7d")),
    "always": replace(ON, settings=replace(SETTINGS, every=ALWAYS, every_text="always")),
    "empty-value": replace(ON, settings=replace(SETTINGS, every=ALWAYS, every_text="")),
    "disabled-until-the-next-boot": replace(ON, timer=replace(TIMER, enabled="disabled")),
    "at-work": replace(ON, timer=replace(TIMER, sub="running"), service=replace(SERVICE, active="activating")),
    "started-by-cron": replace(ON, timer=None, service=None),
    "changed-unit-not-loaded": replace(ON, timer=replace(TIMER, load="bad-setting")),
}
UNKNOWN = {"nothing": Unseen(reason="?"), "settings": replace(ON, settings=Unseen(reason="?"))}
MODES = list(DailyJobMode)


def test_every_gap_has_a_case() -> None:
    assert set(OFF) == set(Gap)


@pytest.mark.parametrize("theirs", OFF.values(), ids=[gap.value for gap in OFF])
def test_each_gap_is_found(theirs: TheirJob) -> None:
    found = daily_patcher(DailyJobMode.COEXIST, upgrades=True, theirs=theirs)

    assert found.patcher is Patcher.AGENT
    assert [OFF[gap] for gap in found.gaps] == [theirs]


def test_a_timer_that_never_elapses_again_is_off() -> None:
    theirs = replace(ON, timer=replace(TIMER, sub="elapsed", next_at=None))

    assert daily_patcher(DailyJobMode.COEXIST, upgrades=True, theirs=theirs).gaps == (Gap.TIMER_STOPPED,)


@pytest.mark.parametrize(("mode", "upgrades"), product(MODES, (True, False)))
@pytest.mark.parametrize("theirs", WORKS.values(), ids=list(WORKS))
def test_a_job_that_is_on_is_never_joined(mode: DailyJobMode, theirs: TheirJob, *, upgrades: bool) -> None:
    assert daily_patcher(mode, upgrades=upgrades, theirs=theirs).patcher is Patcher.UNATTENDED_UPGRADES


@pytest.mark.parametrize("theirs", [*OFF.values(), *UNKNOWN.values()], ids=[*(gap.value for gap in OFF), *UNKNOWN])
@pytest.mark.parametrize("mode", MODES)
def test_without_their_job_the_agent_patches_unless_its_owner_says_no(
    mode: DailyJobMode, theirs: TheirJob | Unseen
) -> None:
    own = daily_patcher(mode, upgrades=True, theirs=theirs).patcher
    not_allowed = daily_patcher(mode, upgrades=False, theirs=theirs).patcher

    assert own is (Patcher.NOBODY if mode is DailyJobMode.DELEGATE else Patcher.AGENT)
    assert not_allowed is Patcher.NOBODY


@pytest.mark.parametrize("theirs", UNKNOWN.values(), ids=list(UNKNOWN))
def test_what_is_unknown_is_said(theirs: TheirJob | Unseen) -> None:
    found = daily_patcher(DailyJobMode.COEXIST, upgrades=True, theirs=theirs)

    assert (found.unseen, found.gaps) == ("?", ())
