"""What `status` shows of the daily patcher, and when it asks for a person."""

import json
from dataclasses import replace

import jsonschema
import pytest

from agent.core.model.facts import Reboot, Unseen
from agent.core.policy.policy import DailyJobMode
from agent.core.unattended_upgrades.model import Gap, JobSettings, RebootKeys, StandDown, TheirJob
from agent.core.unattended_upgrades.patcher import daily_patcher
from agent.report.daily_job_text import GAPS, daily_job_lines, daily_job_reasons, status_text
from agent.report.explanation_text import explanation_lines
from agent.report.reboot_explanation import RebootLook, explain_reboot
from agent.report.status.document import build_status, status_document
from agent.report.status.needs import needs
from agent.report.status.observed import Damaged, Observed
from agent.state.daily_job_view import DailyJobView
from agent.state.documents.unattended_upgrades import daily_job_to_document
from agent.state.json_reader import JsonReader
from tests.conftest import CHECKOUT
from tests.core.unattended_upgrades.test_patcher import NOW, OFF, ON, UNKNOWN, WORKS

COEXIST, REPLACE, DELEGATE = DailyJobMode.COEXIST, DailyJobMode.REPLACE, DailyJobMode.DELEGATE
SCHEMA = json.loads((CHECKOUT / "schemas/maestro.unattended-upgrades-1.json").read_text())
ALL = {**{gap.value: job for gap, job in OFF.items()}, **WORKS, **UNKNOWN}


def view(
    theirs: TheirJob | Unseen,
    mode: DailyJobMode = COEXIST,
    *,
    upgrades: bool = True,
    overdue: str = "",
    problem: str = "",
    stood_down: StandDown | None = None,
) -> DailyJobView:
    document = daily_job_to_document(
        theirs,
        daily_patcher(mode, upgrades=upgrades, theirs=theirs),
        mode=mode,
        generated_at=NOW,
        stood_down=stood_down,
        overdue=overdue,
        problem=problem,
    )
    return DailyJobView(JsonReader(document, "unattended-upgrades"))


def test_every_gap_has_its_words() -> None:
    assert set(GAPS) == {gap.value for gap in Gap}


@pytest.mark.parametrize("theirs", ALL.values(), ids=list(ALL))
@pytest.mark.parametrize("mode", list(DailyJobMode))
def test_every_state_is_rendered_and_nobody_is_an_alarm(mode: DailyJobMode, theirs: TheirJob | Unseen) -> None:
    found = view(theirs, mode)

    jsonschema.Draft7Validator(SCHEMA).validate(dict(found.raw))
    assert daily_job_lines(found, NOW)
    assert status_text(found)
    assert bool(daily_job_reasons(found)) is (found.patcher == "nobody" or (mode is REPLACE and found.is_on is True))


@pytest.mark.parametrize("theirs", UNKNOWN.values(), ids=list(UNKNOWN))
@pytest.mark.parametrize("mode", list(DailyJobMode))
def test_a_job_that_could_not_be_looked_at_is_not_called_off(mode: DailyJobMode, theirs: TheirJob | Unseen) -> None:
    found = view(theirs, mode)

    told = "\n".join([*daily_job_lines(found, NOW), *daily_job_reasons(found), status_text(found)])

    assert "unknown" in status_text(found)
    assert not any(words in told for words in (" is off", "not installed", "nobody installs"))


@pytest.mark.parametrize(
    ("gap", "installs"),
    [
        (Gap.UPGRADE_OFF, True),
        (Gap.PERIODIC_OFF, True),
        (Gap.TIMER_MASKED, True),
        (Gap.NO_ORIGINS, False),
        (Gap.NOT_INSTALLED, False),
    ],
)
def test_a_job_that_is_off_and_installs_at_shutdowns_is_told(gap: Gap, *, installs: bool) -> None:
    theirs = OFF[gap]
    assert isinstance(theirs.settings, JobSettings)
    found = view(replace(theirs, settings=replace(theirs.settings, on_shutdown=True)))

    assert any("InstallOnShutdown" in line for line in daily_job_lines(found, NOW)) is installs
    assert ("InstallOnShutdown" in status_text(found)) is installs
    assert "InstallOnShutdown" not in status_text(view(theirs))


@pytest.mark.parametrize(
    ("theirs", "overdue", "remedy"),
    [
        (ON, "late", "`journalctl"),
        (WORKS["started-by-cron"], "late", "/var/log/unattended-upgrades"),
        (ON, "its Package-Blacklist keeps back security updates: a", "`maestro-agent upgrade`"),
    ],
    ids=["late", "without-systemd", "blacklist"],
)
def test_a_job_that_does_not_do_its_work_is_told_with_what_to_do(theirs: TheirJob, overdue: str, remedy: str) -> None:
    (reason,) = daily_job_reasons(view(theirs, overdue=overdue))

    assert remedy in reason


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (RebootKeys(automatic=True), "also with users logged in"),
        (RebootKeys(automatic=True, with_users=False), "not while users are logged in"),
        (RebootKeys(automatic=True, with_users=False, with_system_users=False), "those of the system included"),
        (RebootKeys(automatic=True, with_users=False, ignored_users=("bob", "ann")), "except bob, ann"),
    ],
    ids=["with-users", "without-users", "without-system-users", "ignored-users"],
)
def test_what_their_reboot_waits_for_is_told(keys: RebootKeys, words: str) -> None:
    assert isinstance(ON.settings, JobSettings)
    found = view(replace(ON, settings=replace(ON.settings, reboot=keys)))

    assert any(words in line for line in daily_job_lines(found, NOW) if "Automatic-Reboot" in line)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (view(OFF[Gap.NOT_INSTALLED], upgrades=False), "patcher"),
        (view(OFF[Gap.TIMER_MASKED], DELEGATE), "patcher"),
        (view(ON, overdue="late"), "patcher"),
        (view(ON, REPLACE, problem="no"), "patcher"),
        (view(ON), None),
        (view(OFF[Gap.TIMER_MASKED]), None),
        (view(OFF[Gap.TIMER_MASKED], REPLACE, stood_down=StandDown.MODE), None),
        (None, None),
    ],
    ids=["upgrade-false", "delegate-off", "overdue", "not-switched", "theirs", "ours", "replace", "never-checked"],
)
def test_a_need_where_nobody_patches_or_the_job_does_not_do_its_work(
    found: DailyJobView | None, code: str | None
) -> None:
    status = build_status(Observed(daily_job=found), NOW)

    assert [need.code for need in needs(status) if need.code == "patcher"] == ([code] if code else [])
    assert status_document(status)["unattended_upgrades"] == (found.raw if found else None)


def test_a_damaged_record_is_unknown() -> None:
    status = build_status(Observed(daily_job=Damaged("damaged")), NOW)

    assert status.unknown == ["damaged"]
    assert status.daily_job is None


def test_a_reboot_of_theirs_is_shown() -> None:
    assert isinstance(ON.settings, JobSettings)
    reboots = RebootKeys(automatic=True, time="02:00", with_users=False)
    found = view(replace(ON, settings=replace(ON.settings, reboot=reboots)))

    assert "reboots by itself" in status_text(found)
    assert any("'02:00'" in line and "Automatic-Reboot" in line for line in daily_job_lines(found, NOW))


@pytest.mark.parametrize(
    ("patcher", "words"),
    [
        ("agent", "the next upgrade installs it"),
        (None, "the next upgrade installs it"),
        ("unattended-upgrades", "left to unattended-upgrades"),
        ("nobody", "nobody installs updates"),
    ],
)
def test_the_explanation_of_a_pending_update_names_who_installs_it(patcher: str | None, words: str) -> None:
    names = {"subject": "package", "package": "a", "architecture": "amd64", "installed": "1", "candidate": "2"}
    found: dict[str, object] = {
        **names,
        "conclusion": "would-install",
        "patcher": patcher,
        "gates": [],
        "cves": None,
        "exposure": [],
    }

    assert words in explanation_lines(JsonReader(found, "explain"))[0]


def test_the_explanation_of_a_reboot_has_the_one_that_theirs_takes() -> None:
    document = explain_reboot(RebootLook(reboot=Reboot(required=False), gates=(), theirs_at="02:00"), NOW)

    lines = explanation_lines(JsonReader(document, "explain"))

    assert document["unattended_upgrades_at"] == "02:00"
    assert any("'02:00'" in line for line in lines)
