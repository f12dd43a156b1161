"""The exposure clock: which step a fix has reached, and since when."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from agent.core.exposure import (
    MAX_ACTIVE,
    MAX_OPEN,
    Exposure,
    ExposureFacts,
    Fix,
    FixStage,
    InstalledFiles,
    WaitsFor,
    advance,
    observed_packages,
)
from agent.core.model.facts import PackageState, Reboot, Unseen, Update
from agent.core.model.kernels import RunningKernel
from agent.core.model.package import PackageId
from agent.core.reboot.services import ReplacedFile, ServiceScan
from tests.core import given

SSL = PackageId(name="libssl3", architecture="amd64")
LIBRARY = "/usr/lib/x86_64-linux-gnu/libssl.so.3"
DAY = timedelta(days=1)
NO_REBOOT = Reboot(required=False)
IDLE = ServiceScan(boot_id=given.BOOT, replaced=())
CRON = ServiceScan(
    boot_id=given.BOOT, replaced=("cron.service",), files=(ReplacedFile(path=LIBRARY, units=("cron.service",)),)
)
LOGIND = replace(CRON, files=(ReplacedFile(path=LIBRARY, units=("systemd-logind.service",)),))
FILES = InstalledFiles(unpacked_at=given.NOW + 2 * DAY, paths=frozenset({LIBRARY}))


def offer(version: str, *, security: bool = True) -> Update:
    return given.update("libssl3", candidate=version, security=security, source="openssl")


def facts(
    day: int,
    installed: str | None = "1",
    *offered: Update,
    scan: ServiceScan = IDLE,
    reboot: Reboot | Unseen = NO_REBOOT,
    complete: bool = True,
    state: str = "installed",
    package: str = "libssl3",
) -> ExposureFacts:
    """Return what an observation saw `day` days after the first."""
    name = PackageId(name=package, architecture="amd64")
    return ExposureFacts(
        now=given.NOW + day * DAY,
        offered=offered,
        complete=complete,
        states={} if installed is None else {name: PackageState(version=installed, state=state)},
        scan=scan,
        files={name: FILES},
        reboot=reboot,
    )


def after(*observations: ExposureFacts) -> Exposure:
    found = Exposure()
    for one in observations:
        found = advance(found, one)
    return found


def days(fix: Fix) -> tuple[int | None, ...]:
    """Return the days of the three steps."""
    dates = (fix.pending_since, fix.installed_at, fix.active_at)
    return tuple(None if at is None else (at - given.NOW).days for at in dates)


def steps(exposure: Exposure) -> list[tuple[str, tuple[int | None, ...]]]:
    return [(fix.version, days(fix)) for fix in exposure.fixes]


PENDING = facts(0, "1", offer("2"))
INSTALLED = facts(3, "2", scan=CRON)

COURSES: Mapping[str, tuple[Sequence[ExposureFacts], list[tuple[str, tuple[int | None, ...]]]]] = {
    "nothing-on-offer": ([facts(0)], []),
    "no-security-update": ([facts(0, "1", offer("2", security=False))], []),
    "pending": ([PENDING, facts(5, "1", offer("2"))], [("2", (0, None, None))]),
    "installed-when-dpkg-unpacked-it": ([PENDING, INSTALLED], [("2", (0, 2, None))]),
    "installed-before-it-was-seen": ([facts(2, "1", offer("2")), facts(2, "2", scan=CRON)], [("2", (2, 2, None))]),
    "active-at-once": ([PENDING, facts(3, "2")], [("2", (0, 2, 3))]),
    "active-after-a-restart": ([PENDING, INSTALLED, facts(9, "2")], [("2", (0, 2, 9))]),
    "active-for-ever": ([PENDING, INSTALLED, facts(9, "2"), facts(12, "2", scan=CRON)], [("2", (0, 2, 9))]),
    "a-newer-version-is-installed": ([PENDING, facts(3, "3")], [("2", (0, 2, 3))]),
    "superseded-while-pending": ([PENDING, facts(4, "1", offer("3"))], [("3", (0, None, None))]),
    "superseded-while-inactive": (
        [PENDING, INSTALLED, facts(4, "2", offer("3"), scan=CRON), facts(5, "3", scan=CRON)],
        [("3", (0, 4, None))],
    ),
    "superseded-while-active": (
        [PENDING, facts(3, "2"), facts(6, "2", offer("3"))],
        [("3", (6, None, None)), ("2", (0, 2, 3))],
    ),
    "both-steps-at-once": (
        [PENDING, INSTALLED, facts(4, "2", offer("3"), scan=CRON)],
        [("2", (0, 2, None)), ("3", (4, None, None))],
    ),
    "stale-lists-reset-nothing": (
        [PENDING, facts(4, "1", complete=False), facts(5, "1", offer("2"))],
        [("2", (0, None, None))],
    ),
    "withdrawn": ([PENDING, facts(4, "1")], []),
    "withdrawn-for-an-older-one": ([facts(0, "1", offer("3")), facts(4, "1", offer("2"))], [("2", (4, None, None))]),
    "removed": ([PENDING, INSTALLED, facts(4, None)], []),
    "removed-but-for-its-conffiles": ([PENDING, INSTALLED, facts(4, "2", state="config-files")], []),
    "unfinished": ([PENDING, facts(3, "2", state="half-configured", complete=False)], [("2", (0, None, None))]),
    "taken-back": ([PENDING, INSTALLED, facts(4, "1", offer("2"))], [("2", (0, None, None))]),
    "taken-back-after-it-was-active": (
        [PENDING, facts(3, "2"), facts(4, "1", offer("2"))],
        [("2", (4, None, None))],
    ),
    "processes-not-seen": (
        [PENDING, facts(3, "2", scan=ServiceScan(boot_id=None, replaced=Unseen(reason="x")))],
        [("2", (0, 2, None))],
    ),
    "reboot-not-seen": ([PENDING, facts(3, "2", reboot=Unseen(reason="x"))], [("2", (0, 2, None))]),
    "the-clock-was-set-back": ([facts(9, "1", offer("2")), facts(3, "2", scan=CRON)], [("2", (9, 3, None))]),
}  # fmt: skip


@pytest.mark.parametrize("course", COURSES)
def test_each_course_ends_with_these_versions_and_days(course: str) -> None:
    observations, expected = COURSES[course]

    assert steps(after(*observations)) == expected


@pytest.mark.parametrize(
    ("observation", "waits_for", "units"),
    [
        pytest.param(facts(1, "1", offer("2")), WaitsFor.UPGRADE, (), id="upgrade"),
        pytest.param(INSTALLED, WaitsFor.RESTART, ("cron.service",), id="restart"),
        pytest.param(
            facts(3, "2", reboot=Reboot(required=True, flag_packages=("libssl3",))), WaitsFor.REBOOT, (), id="reboot"
        ),
        pytest.param(facts(3, "2", scan=LOGIND), WaitsFor.REBOOT, ("systemd-logind.service",), id="no-restart"),
        pytest.param(facts(3, "2"), None, (), id="active"),
        pytest.param(facts(3, "2", reboot=Unseen(reason="x")), None, (), id="unknown"),
    ],
)
def test_a_fix_says_what_it_waits_for(
    observation: ExposureFacts, waits_for: WaitsFor | None, units: tuple[str, ...]
) -> None:
    fix = after(PENDING, observation).fixes[0]

    assert (fix.waits_for, fix.units, fix.source) == (waits_for, units, "openssl")


def test_another_packages_replaced_file_does_not_hold_a_fix_back() -> None:
    other = replace(CRON, files=(ReplacedFile(path="/usr/sbin/cron", units=("cron.service",)),))

    assert after(PENDING, facts(3, "2", scan=other)).fixes[0].stage is FixStage.ACTIVE


NEW, OLD = "6.1.0-3-amd64", "6.1.0-2-amd64"
OUTDATED = RunningKernel(running=OLD, newest=NEW, outdated=True)
NEWEST = RunningKernel(running=NEW, newest=NEW, outdated=False)
WITHOUT_IMAGE = RunningKernel(running=OLD, newest=OLD, outdated=False, without_image=(f"linux-image-{NEW}",))


@pytest.mark.parametrize(
    ("package", "source", "kernel", "expected"),
    [
        pytest.param("linux-image-amd64", "linux-signed-amd64", OUTDATED, FixStage.INSTALLED, id="metapackage"),
        pytest.param(f"linux-image-{NEW}", "linux-signed-amd64", OUTDATED, FixStage.INSTALLED, id="image"),
        pytest.param(f"linux-image-{NEW}", "linux-signed-amd64", WITHOUT_IMAGE, FixStage.INSTALLED, id="no-image-file"),
        pytest.param("linux-generic", "linux-meta", OUTDATED, FixStage.INSTALLED, id="ubuntu"),
        pytest.param("linux-headers-generic", "linux-meta", OUTDATED, FixStage.ACTIVE, id="headers"),
        pytest.param("linux-libc-dev", "linux", OUTDATED, FixStage.ACTIVE, id="no-kernel"),
        pytest.param("linux-image-amd64", "linux-signed-amd64", NEWEST, FixStage.ACTIVE, id="booted"),
        pytest.param("linux-image-6.1.0-3-rt-amd64", "linux", OUTDATED, FixStage.ACTIVE, id="other-flavour"),
        pytest.param(
            "linux-image-amd64",
            "linux-signed-amd64",
            RunningKernel(running="6.9.1-custom", newest=None, outdated=None),
            FixStage.ACTIVE,
            id="not-from-a-package",
        ),
    ],
)
def test_a_kernel_is_active_once_it_runs(package: str, source: str, kernel: RunningKernel, expected: FixStage) -> None:
    pending = facts(0, "1", given.update(package, candidate="2", source=source), package=package)
    installed = facts(3, "2", package=package, reboot=Reboot(required=True, kernel=kernel))

    assert after(pending, installed).fixes[0].stage is expected


def test_the_kernel_of_a_container_is_its_hosts() -> None:
    pending = facts(0, "1", given.update("linux-image-amd64", candidate="2"), package="linux-image-amd64")
    reboot = Reboot(required=False, kernel=OUTDATED, host_kernel=True)

    assert after(pending, facts(3, "2", package="linux-image-amd64", reboot=reboot)).inactive == ()


def test_the_packages_of_open_and_of_new_fixes_are_looked_up() -> None:
    before = after(PENDING)

    found = observed_packages(before, [given.update("curl", candidate="2"), given.update("x", security=False)])

    assert found == (PackageId(name="curl", architecture="amd64"), SSL)


def a_fix(number: int, *, active: datetime | None = None) -> Fix:
    since = given.NOW + timedelta(minutes=number)
    return Fix(
        package=f"p{number}" if active is None else f"q{number}",
        architecture="amd64",
        version="2",
        source="p",
        pending_since=since,
        installed_at=active,
        active_at=active,
    )


def test_the_record_is_bounded_and_keeps_the_oldest_inactive_and_the_newest_active_fixes() -> None:
    inactive = tuple(a_fix(number) for number in range(MAX_OPEN + 5))
    active = tuple(a_fix(number, active=given.NOW + timedelta(hours=number)) for number in range(MAX_ACTIVE + 5))
    states = {fix.id: PackageState(version="1", state="installed") for fix in inactive}
    observation = replace(facts(9, complete=False), states=states)

    found = advance(Exposure(fixes=(*inactive, *active)), observation)

    assert found.inactive == inactive[:MAX_OPEN]
    assert found.fixes[MAX_OPEN:] == active[:4:-1]


VERSIONS = st.sampled_from(["1", "2", "3"])
OBSERVATIONS = st.lists(
    st.tuples(
        VERSIONS,
        st.lists(VERSIONS, max_size=2),
        st.sampled_from([IDLE, CRON, ServiceScan(boot_id=None, replaced=Unseen(reason="x"))]),
        st.booleans(),
        st.sampled_from(["installed", "half-configured", "config-files"]),
    ),
    max_size=8,
)


@given_any(OBSERVATIONS)
def test_whatever_happens_the_steps_are_in_order_and_each_version_is_there_once(
    course: list[tuple[str, list[str], ServiceScan, bool, str]],
) -> None:
    found = Exposure()
    for day, (installed, offered, scan, complete, state) in enumerate(course):
        updates = [offer(version) for version in offered if version > installed]
        found = advance(found, facts(day, installed, *updates, scan=scan, complete=complete, state=state))
        assert len({fix.version for fix in found.fixes}) == len(found.fixes)
        assert [fix.pending_since for fix in found.inactive] == sorted(fix.pending_since for fix in found.inactive)
        for fix in found.fixes:
            dates = [at for at in (fix.pending_since, fix.installed_at, fix.active_at) if at is not None]
            assert dates == sorted(dates)
            assert fix.active_at is None or fix.installed_at is not None
