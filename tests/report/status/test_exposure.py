"""The fixes that are not active, in `status`: the oldest, and what it waits for."""

from datetime import timedelta
from typing import Any

import pytest

from agent.core.exposure import NO_EXPOSURE, Exposure, Fix
from agent.core.frozen import replace
from agent.core.model.facts import Lists, ListsState
from agent.report.exposure_text import fix_text, run_fixes_lines, why_inactive
from agent.report.status.exposure import exposure_lines
from agent.report.status.observed import CurrentBoot
from agent.report.status.runtime import Runtime
from agent.state.documents.exposure import exposure_summary, fix_to_document
from agent.state.documents.plan import plan_to_document, scan_to_document
from agent.state.exposure_view import FixView
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc
from agent.state.views import StateView
from tests.core import given

NOW = given.NOW
DAY = timedelta(days=1)
OTHER_BOOT = "b0000000-0000-4000-8000-000000000002"
INSTALLED = Fix(
    package="libssl3",
    architecture="amd64",
    version="3.0.15-1",
    source="openssl",
    pending_since=NOW - 9 * DAY,
    installed_at=NOW - 8 * DAY,
    units=("cron.service",),
)
PENDING = Fix(package="curl", architecture="amd64", version="8", source="curl", pending_since=NOW - 2 * DAY)


def runtime(*fixes: Fix, boot: str = given.BOOT, lists: Lists = given.FRESH) -> Runtime:
    exposure = Exposure(fixes=fixes) if fixes else NO_EXPOSURE
    state: dict[str, Any] = {
        "generated_at": format_utc(NOW),
        "fresh_until": format_utc(NOW + DAY),
        **scan_to_document(given.WATCHED),
        "exposure": exposure_summary(exposure),
        "plan": plan_to_document(given.plan(lists=lists), NOW),
    }
    return Runtime(StateView(JsonReader(state, "state")), CurrentBoot(boot))


def line(found: Runtime) -> str:
    [only] = exposure_lines(found.exposure, NOW, width=17, verbose=False)
    return only.removeprefix("Security fixes").strip()


STALE = Lists(state=ListsState.STALE, updated_at=NOW - 9 * DAY)
AFTER = "those installed before the boot are unknown until the next check"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(runtime(), "all active", id="none"),
        pytest.param(runtime(lists=STALE), "unknown without current package lists", id="none-known"),
        pytest.param(
            runtime(INSTALLED),
            "oldest not yet active: 9 days (openssl: cron.service still runs the old version)",
            id="restart",
        ),
        pytest.param(
            runtime(INSTALLED, PENDING),
            "oldest not yet active: 9 days (openssl: cron.service still runs the old version); 2 in all",
            id="several",
        ),
        pytest.param(
            runtime(PENDING, lists=STALE), "oldest not yet active: 2 days (curl: not installed)", id="stale-lists"
        ),
        pytest.param(
            runtime(INSTALLED, PENDING, boot=OTHER_BOOT),
            f"oldest not yet active: 2 days (curl: not installed); {AFTER}",
            id="after-boot",
        ),
        pytest.param(runtime(INSTALLED, boot=OTHER_BOOT), f"none pending; {AFTER}", id="none-pending-after-boot"),
    ],
)
def test_the_line_names_the_oldest_fix_and_what_it_waits_for(found: Runtime, expected: str) -> None:
    assert line(found) == expected


def test_a_record_of_an_earlier_version_shows_no_line() -> None:
    assert exposure_lines(None, NOW, width=17, verbose=True) == []


def test_the_json_of_a_boot_ago_knows_no_number_of_installed_fixes() -> None:
    document: Any = runtime(INSTALLED, boot=OTHER_BOOT).document["exposure"]

    assert document == {"pending": 0, "installed": None, "oldest_since": None, "fixes": []}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"installed_at": None, "units": ()}, "not installed"),
        ({"needs_reboot": True, "units": ()}, "needs a reboot"),
        ({"units": ("dbus.service",)}, "dbus.service still runs the old version, needs a reboot"),
        ({}, "cron.service still runs the old version"),
        ({"units": ("a.service", "b.service", "c.service")}, "a.service and 2 more still run the old version"),
        ({"units": ()}, "not known whether it is in use"),
        ({"active_at": NOW}, ""),
    ],
    ids=["pending", "reboot", "dbus", "restart", "restarts", "unknown", "active"],
)
def test_why_a_fix_is_not_active(changes: dict[str, Any], why: str) -> None:
    fix = replace(INSTALLED, **changes)

    assert why_inactive(FixView(JsonReader(fix_to_document(fix), "fix"))) == why


def test_all_shows_the_oldest_fixes_with_their_dates() -> None:
    _, first, second = exposure_lines(runtime(INSTALLED, PENDING).exposure, NOW, width=17, verbose=True)

    assert first.strip() == (
        "libssl3 3.0.15-1: pending since 2026-11-14, installed 2026-11-15 (cron.service still runs the old version)"
    )
    assert second.strip() == "curl 8: pending since 2026-11-21 (not installed)"
    assert "active 2026" not in fix_text(FixView(JsonReader(fix_to_document(PENDING), "fix")))


def test_a_run_in_the_history_says_which_of_its_fixes_are_active() -> None:
    active = Fix(
        package="curl", architecture="amd64", version="8", source="curl", pending_since=NOW, installed_at=NOW,
        active_at=NOW,
    )  # fmt: skip
    views = [FixView(JsonReader(fix_to_document(fix), "fix")) for fix in (INSTALLED, active)]

    assert run_fixes_lines([]) == []
    assert run_fixes_lines(views[1:]) == ["1 security fix: active since 2026-11-23."]
    assert run_fixes_lines(views) == [
        "2 security fixes, 1 not active: libssl3 (cron.service still runs the old version)"
    ]
