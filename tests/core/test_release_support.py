"""The end of a release's security updates, by the dates and by the archives that the machine has."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest

from agent.core.model.facts import Lists, ListsState, SourceLists
from agent.core.model.release import Release, release_support
from agent.core.release_support import (
    WARNING,
    ConfiguredArchive,
    Support,
    SupportState,
    UnknownEnd,
    ends_soon,
    offered_phase,
    support_on,
    support_phases,
)
from tests.core import given

JAMMY = {
    "series": "jammy", "release": "2022-04-21", "eol": "2027-06-01", "eol-server": "2027-06-01",
    "eol-esm": "2032-04-21", "eol-legacy": "2034-04-25",
}  # fmt: skip
QUESTING = {"series": "questing", "release": "2025-10-09", "eol": "2026-07-09"}
BOOKWORM = given.BOOKWORM.row
FORKY = {"series": "forky", "created": "2025-08-09"}
SECURITY = ConfiguredArchive("http://security.example.org/ubuntu jammy-security", "Ubuntu", "jammy-security")
DEBIAN = ConfiguredArchive("http://deb.example.org/debian-security bookworm-security", "Debian", "stable-security")
INFRA = ConfiguredArchive(
    "https://esm.example.org/infra/ubuntu jammy-infra-security", "UbuntuESM", "jammy-infra-security"
)
APPS = ConfiguredArchive(
    "https://esm.example.org/apps/ubuntu jammy-apps-security", "UbuntuESMApps", "jammy-apps-security"
)
LEGACY = ConfiguredArchive("https://esm.example.org/legacy jammy", "UbuntuESM", "jammy-infra-legacy-security")
ELTS = ConfiguredArchive("http://deb.freexian.com/extended-lts bookworm-lts", "Freexian", "bookworm-lts")


def on(row: Mapping[str, str], day: str, *archives: ConfiguredArchive) -> Support:
    return support_on(support_phases(row, archives), date.fromisoformat(day))


@pytest.mark.parametrize(
    ("row", "archives", "day", "state", "phase", "until"),
    [
        pytest.param(JAMMY, [SECURITY], "2026-11-29", "supported", "standard", "2027-06-01", id="ubuntu"),
        pytest.param(JAMMY, [SECURITY], "2027-06-01", "supported", "standard", "2027-06-01", id="on-the-last-day"),
        pytest.param(JAMMY, [SECURITY], "2027-06-02", "ended", None, "2027-06-01", id="not-attached-to-pro"),
        pytest.param(JAMMY, [SECURITY, APPS], "2027-06-02", "ended", None, "2027-06-01", id="esm-of-apps-alone"),
        pytest.param(JAMMY, [SECURITY, INFRA], "2026-11-29", "supported", "standard", "2032-04-21", id="esm-ahead"),
        pytest.param(JAMMY, [SECURITY, INFRA], "2027-06-02", "extended", "esm", "2032-04-21", id="esm"),
        pytest.param(JAMMY, [SECURITY, INFRA], "2032-04-22", "ended", None, "2032-04-21", id="past-esm"),
        pytest.param(JAMMY, [INFRA, LEGACY], "2032-04-22", "extended", "esm-legacy", "2034-04-25", id="legacy"),
        pytest.param(JAMMY, [INFRA, LEGACY], "2034-04-26", "ended", None, "2034-04-25", id="past-legacy"),
        pytest.param(QUESTING, [SECURITY], "2026-07-09", "supported", "standard", "2026-07-09", id="short-row"),
        pytest.param(QUESTING, [SECURITY, INFRA], "2026-07-10", "ended", None, "2026-07-09", id="no-esm-of-it"),
        pytest.param(BOOKWORM, [DEBIAN], "2026-07-11", "supported", "standard", "2028-06-30", id="debian"),
        pytest.param(BOOKWORM, [DEBIAN], "2026-11-29", "extended", "lts", "2028-06-30", id="lts"),
        pytest.param(BOOKWORM, [], "2026-11-29", "ended", None, "2026-07-11", id="lts-without-a-security-suite"),
        pytest.param(BOOKWORM, [DEBIAN], "2028-07-01", "ended", None, "2028-06-30", id="elts-not-configured"),
        pytest.param(BOOKWORM, [DEBIAN, ELTS], "2028-07-01", "extended", "elts", "2033-06-30", id="elts"),
        pytest.param(FORKY, [DEBIAN], "2026-11-29", "unknown", None, None, id="in-development"),
        pytest.param({**JAMMY, "eol-server": ""}, [SECURITY], "2027-06-02", "ended", None, "2027-06-01", id="desktop"),
        pytest.param({**JAMMY, "eol-server": "?"}, [SECURITY], "2027-06-02", "ended", None, "2027-06-01", id="damaged"),
        pytest.param({"eol": "2027-02"}, [SECURITY], "2027-02-28", "supported", "standard", "2027-02-28", id="month"),
        pytest.param({"eol": "2026-12"}, [SECURITY], "2027-01-01", "ended", None, "2026-12-31", id="end-of-a-year"),
        pytest.param({"eol": "2027-13"}, [SECURITY], "2027-02-28", "unknown", None, None, id="no-month"),
        pytest.param({"eol": "soon"}, [SECURITY], "2027-06-02", "unknown", None, None, id="no-date"),
        pytest.param({"eol-lts": "2028-06-30"}, [DEBIAN], "2026-11-29", "unknown", None, None, id="no-standard-end"),
    ],
)  # fmt: skip
def test_support_follows_the_dates_and_what_the_machine_has(
    row: Mapping[str, str],
    archives: list[ConfiguredArchive],
    day: str,
    state: str,
    phase: str | None,
    until: str | None,
) -> None:
    found = on(row, day, *archives)

    assert found.state is SupportState(state)
    assert (found.phase.name if found.phase else None) == phase
    assert (found.until.isoformat() if found.until else None) == until


def test_no_release_is_supported_after_its_last_day() -> None:
    for row in (JAMMY, QUESTING, BOOKWORM):
        phases = support_phases(row, [SECURITY, DEBIAN, INFRA, LEGACY, ELTS])
        last = max(phase.until for phase in phases)
        states = [support_on(phases, last + timedelta(days=days)).state for days in (0, 1, 3650)]
        assert states[0] in {SupportState.SUPPORTED, SupportState.EXTENDED}
        assert states[1:] == [SupportState.ENDED] * 2


def test_the_warning_begins_ninety_days_before_the_end_of_what_the_machine_has() -> None:
    end = date(2027, 6, 1)
    days = {days: end - timedelta(days=days) for days in (WARNING.days + 1, WARNING.days, 0, -1)}

    assert [ends_soon(on(JAMMY, day.isoformat(), SECURITY), day) for day in days.values()] == [
        False,
        True,
        True,
        False,
    ]
    assert not any(ends_soon(on(JAMMY, day.isoformat(), SECURITY, INFRA), day) for day in days.values())


def test_the_phase_that_could_follow_is_named_until_it_is_over() -> None:
    phases = support_phases(JAMMY, [SECURITY])

    found = [offered_phase(phases, date.fromisoformat(day)) for day in ("2027-06-02", "2033-01-01", "2034-04-26")]
    assert [phase.name if phase else None for phase in found] == ["esm", "esm-legacy", None]


def lists(state: ListsState = ListsState.FRESH, **fields: Any) -> Lists:
    parts: dict[str, Any] = {"source": "s", "security": True, "verified_at": given.NOW, "released_at": None, **fields}
    return Lists(state=state, updated_at=given.NOW, sources=(SourceLists(**parts),))


@pytest.mark.parametrize(
    ("fields", "covered"),
    [
        pytest.param({}, True, id="verified"),
        pytest.param({"verified_at": None}, False, id="never-verified"),
        pytest.param({"security": False}, False, id="not-an-allowed-origin"),
        pytest.param({"enabled": False}, False, id="excluded-by-preferences"),
    ],
)
def test_a_phase_counts_only_where_its_archive_is_in_use(fields: Mapping[str, Any], *, covered: bool) -> None:
    jammy = Release(distribution="ubuntu", codename="jammy", row=JAMMY)
    esm = {"origin": "UbuntuESM", "archive": "jammy-infra-security"}

    found = release_support(jammy, lists(**{**esm, **fields}))

    assert {phase.name: phase.covered for phase in found.phases}["esm"] is covered


@pytest.mark.parametrize(
    ("release", "state", "unknown"),
    [
        pytest.param(given.BOOKWORM, ListsState.FRESH, None, id="known"),
        pytest.param(given.BOOKWORM, ListsState.STALE, None, id="stale-lists"),
        pytest.param(given.BOOKWORM, ListsState.NEVER, UnknownEnd.NO_LISTS, id="no-lists"),
        pytest.param(Release(distribution="debian", row=FORKY), ListsState.FRESH, UnknownEnd.NO_DATE, id="no-date"),
        pytest.param(
            Release(distribution="debian", row={"eol": "soon", "eol-lts": "2030-01-01"}),
            *(ListsState.FRESH, UnknownEnd.NO_DATE),
            id="a-date-of-a-later-phase-only",
        ),
        pytest.param(
            Release(distribution="ubuntu", row={"release": "2022-04-21", "eol": "2027-0"}),
            *(ListsState.FRESH, UnknownEnd.NO_DATA),
            id="no-end-of-a-release-that-is-out",
        ),
        pytest.param(
            Release(distribution="mint", unknown=UnknownEnd.NO_DATA), ListsState.NEVER, UnknownEnd.NO_DATA, id="no-data"
        ),
    ],
)
def test_why_an_end_is_not_known(release: Release, state: ListsState, unknown: UnknownEnd | None) -> None:
    assert release_support(release, lists(state)).unknown is unknown
