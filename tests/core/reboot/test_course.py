"""What became of a reboot that is on record as under way."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from agent.core.reboot.course import GOING_DOWN, CourseEnd, continued, course_end, current_course, finish_at
from agent.core.reboot.gates import RebootOrigin
from agent.core.reboot.model import BootIdentity, RebootCourse, RebootPhase, RebootSchedule

NOW = datetime(2026, 11, 29, 2, 0, tzinfo=timezone.utc)
BOOT = BootIdentity(boot_id="a", soft_reboots=0)
NEXT = BootIdentity(boot_id="b", soft_reboots=0)
SOFT = BootIdentity(boot_id="a", soft_reboots=1)
FIRED = RebootCourse(run_id="1", origin=RebootOrigin.POLICY, phase=RebootPhase.FIRED, entered_at=NOW, boot=BOOT)
WAITING = replace(FIRED, phase=RebootPhase.WAITING, retry_at=NOW + timedelta(minutes=2))
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("phase", "boot", "after", "stopping", "end"),
    [
        ("waiting", BOOT, 2, False, CourseEnd.WAITS),
        ("waiting", BOOT, 24 * 60, False, CourseEnd.OVER),
        ("waiting", NEXT, 2, False, CourseEnd.OVER),
        ("hooks", BOOT, 0, False, CourseEnd.INTERRUPTED),
        ("hooks", BOOT, 0, True, CourseEnd.UNDER_WAY),
        ("hooks", NEXT, 2, False, CourseEnd.BACK),
        ("lock", BOOT, 0, False, CourseEnd.INTERRUPTED),
        ("announced", BOOT, 0, False, CourseEnd.INTERRUPTED),
        ("announced", SOFT, 0, False, CourseEnd.BACK),
        ("fired", BOOT, 0, False, CourseEnd.UNDER_WAY),
        ("fired", BOOT, 4, False, CourseEnd.UNDER_WAY),
        ("fired", BOOT, 5, False, CourseEnd.NOT_REBOOTED),
        ("fired", BOOT, -1, False, CourseEnd.NOT_REBOOTED),
        ("fired", BOOT, 25, True, CourseEnd.UNDER_WAY),
        ("fired", NEXT, 0, False, CourseEnd.BACK),
        ("fired", SOFT, 0, False, CourseEnd.BACK),
        ("fired", BootIdentity(boot_id="", soft_reboots=0), 9, False, CourseEnd.UNDER_WAY),
        ("waiting", BootIdentity(boot_id="", soft_reboots=0), 9, False, CourseEnd.WAITS),
    ],
    ids=lambda value: str(getattr(value, "value", getattr(value, "boot_id", value))),
)
def test_the_end_of_a_course(phase: str, boot: BootIdentity, after: int, stopping: bool, end: CourseEnd) -> None:  # noqa: FBT001 - a row
    course = replace(FIRED, phase=RebootPhase(phase))

    assert course_end(course, boot, NOW + after * MINUTE, stopping=stopping) is end


@pytest.mark.parametrize(
    ("phase", "boot_id", "at"),
    [
        (RebootPhase.WAITING, "a", None),
        (RebootPhase.FIRED, "a", NOW + GOING_DOWN),
        (RebootPhase.FIRED, None, NOW + GOING_DOWN),
        (RebootPhase.FIRED, "b", NOW),
        (RebootPhase.HOOKS, "a", NOW),
        (RebootPhase.ANNOUNCED, "b", NOW),
    ],
    ids=str,
)
def test_when_a_job_may_finish_it(phase: RebootPhase, boot_id: str | None, at: datetime | None) -> None:
    assert finish_at(replace(FIRED, phase=phase), boot_id) == at


@pytest.mark.parametrize(
    ("course", "after", "found"),
    [
        pytest.param(WAITING, 2, True, id="in-time"),
        pytest.param(WAITING, 17, True, id="late"),
        pytest.param(WAITING, 18, False, id="too-late"),
        pytest.param(WAITING, -1, False, id="of-the-future"),
        pytest.param(replace(WAITING, origin=RebootOrigin.SCHEDULE), 2, False, id="another-wish"),
        pytest.param(replace(WAITING, boot=NEXT), 2, False, id="another-boot"),
        pytest.param(FIRED, 2, False, id="not-waiting"),
        pytest.param(None, 2, False, id="none"),
    ],
)
def test_which_tries_belong_together(course: RebootCourse | None, after: int, *, found: bool) -> None:
    assert continued(course, RebootOrigin.POLICY, BOOT, NOW + after * MINUTE) is found


SCHEDULE = RebootSchedule(at=NOW, until=NOW + 120 * MINUTE, created_at=NOW)
SCHEDULED = replace(WAITING, origin=RebootOrigin.SCHEDULE)


@pytest.mark.parametrize(
    ("course", "schedule", "after", "shown"),
    [
        pytest.param(None, None, 0, False, id="none"),
        pytest.param(FIRED, None, 999, True, id="has-begun"),
        pytest.param(WAITING, None, 17, True, id="late"),
        pytest.param(WAITING, None, 18, False, id="too-late"),
        pytest.param(WAITING, None, -1, False, id="of-the-future"),
        pytest.param(WAITING, SCHEDULE, 2, False, id="a-schedule-goes-first"),
        pytest.param(SCHEDULED, SCHEDULE, 2, True, id="scheduled"),
        pytest.param(SCHEDULED, None, 2, False, id="cancelled-since"),
        pytest.param(SCHEDULED, replace(SCHEDULE, created_at=NOW + MINUTE), 2, False, id="scheduled-again"),
        pytest.param(replace(WAITING, retry_at=None), None, 999, True, id="for-the-next-opening"),
    ],
)
def test_a_reboot_that_is_not_tried_any_more_does_not_wait(
    course: RebootCourse | None, schedule: RebootSchedule | None, after: int, *, shown: bool
) -> None:
    assert current_course(course, schedule, NOW + after * MINUTE) == (course if shown else None)
