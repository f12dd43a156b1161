"""The release's support in `status`: a release past its end is never healthy, and each warning has its date."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from agent.core.model.facts import Lists, ListsState, SourceLists
from agent.core.model.outcome import Result
from agent.core.model.release import Release, release_support
from agent.core.policy.distro import Distro
from agent.core.release_support import UnknownEnd
from agent.host.machine.distro_info import release_of
from agent.report.status.document import Status, status_document
from agent.report.status.health import Health
from agent.report.status.lines import status_lines
from agent.report.status.needs import needs
from agent.state.documents.plan import plan_to_document
from agent.state.documents.release import release_to_document
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc
from agent.state.views import StateView
from tests.core import given
from tests.report.status.test_status import built, ended

JAMMY = Release(
    distribution="ubuntu",
    version="22.04",
    codename="jammy",
    row={"eol": "2027-06-01", "eol-server": "2027-06-01", "eol-esm": "2032-04-21", "eol-legacy": "2034-04-25"},
)
FORKY = Release(distribution="debian", codename="forky", row={"created": "2025-08-09"})
NO_DATA = Release(distribution="debian", version="12", codename="bookworm", unknown=UnknownEnd.NO_DATA)
NOT_LISTED = Release(distribution="ubuntu", version="25.10", codename="questing", unknown=UnknownEnd.NOT_LISTED)
ROLLING = Release(distribution="debian", unknown=UnknownEnd.NOT_LISTED)
MINT = Release(distribution="linuxmint", version="22", codename="wilma", unknown=UnknownEnd.NO_DATA)


def lists(day: datetime, *origins: tuple[str, str]) -> Lists:
    sources = tuple(
        SourceLists(
            source=f"s {archive}", security=True, verified_at=day, released_at=day, origin=origin, archive=archive
        )
        for origin, archive in (("Ubuntu", "jammy-security"), *origins)
    )
    return Lists(state=ListsState.FRESH, updated_at=day, sources=sources)


def status(release: Release | None, day: str, *origins: tuple[str, str]) -> Status:
    """Return the status of a machine that was checked on a day, and has nothing to do."""
    now = datetime.fromisoformat(f"{day}T12:00:00+00:00").astimezone(timezone.utc)
    found = lists(now, *origins)
    plan = given.plan(seen_at=now, lists=found)
    state = {
        "schema": "maestro.state/1",
        "generated_at": format_utc(now),
        "fresh_until": format_utc(now + timedelta(hours=36)),
        "plan": plan_to_document(plan, now),
        "release": release_to_document(release_support(release, found)) if release else None,
    }
    return built(None, ended(Result.UP_TO_DATE), now=now, state=StateView(JsonReader(state, "state")))


ESM = ("UbuntuESM", "jammy-infra-security")


@pytest.mark.parametrize(
    ("found", "health", "word"),
    [
        pytest.param(status(JAMMY, "2027-01-01"), Health.HEALTHY, "", id="supported"),
        pytest.param(status(JAMMY, "2027-03-03"), Health.ATTENTION, "2027-06-01", id="ends-in-90-days"),
        pytest.param(status(JAMMY, "2027-06-02"), Health.ATTENTION, "2027-06-01", id="ended"),
        pytest.param(status(JAMMY, "2027-06-02", ESM), Health.HEALTHY, "", id="esm"),
        pytest.param(status(JAMMY, "2032-02-01", ESM), Health.ATTENTION, "2032-04-21", id="esm-ends-in-90-days"),
        pytest.param(status(JAMMY, "2032-04-22", ESM), Health.ATTENTION, "2032-04-21", id="past-esm"),
        pytest.param(status(given.BOOKWORM, "2026-11-29"), Health.HEALTHY, "", id="lts"),
        pytest.param(status(given.BOOKWORM, "2028-07-01"), Health.ATTENTION, "2028-06-30", id="past-lts"),
        pytest.param(status(FORKY, "2026-11-29"), Health.HEALTHY, "", id="in-development"),
        pytest.param(status(NO_DATA, "2026-11-29"), Health.ATTENTION, "distro-info-data", id="no-data"),
        pytest.param(status(NOT_LISTED, "2026-11-29"), Health.ATTENTION, "distro-info-data", id="not-in-the-data"),
        pytest.param(status(ROLLING, "2026-11-29"), Health.HEALTHY, "", id="no-release"),
        pytest.param(status(MINT, "2026-11-29"), Health.HEALTHY, "", id="a-distribution-without-data"),
        pytest.param(status(None, "2026-11-29"), Health.HEALTHY, "", id="a-record-of-an-earlier-version"),
    ],
)
def test_health_by_the_support_of_the_release(found: Status, health: Health, word: str) -> None:
    assert found.health is health
    assert len(found.release.reasons) == bool(word)
    assert all(word in reason for reason in found.release.reasons)
    assert [need.code for need in needs(found)] == ["release-support"] * bool(word)


def days(first: datetime, count: int) -> Iterator[str]:
    return ((first + timedelta(days=day)).date().isoformat() for day in range(0, count, 7))


@pytest.mark.parametrize("origins", [(), (ESM,)], ids=["not-attached", "attached"])
def test_no_machine_is_healthy_after_the_end_of_what_it_has(origins: tuple[tuple[str, str], ...]) -> None:
    end = datetime(2032, 4, 22, tzinfo=timezone.utc) if origins else datetime(2027, 6, 2, tzinfo=timezone.utc)

    assert {status(JAMMY, day, *origins).health for day in days(end, 700)} == {Health.ATTENTION}


@pytest.mark.parametrize(
    "row",
    [
        pytest.param("", id="empty"),
        pytest.param("\0" * 80, id="zeros"),
        pytest.param("21.10,Impish,impish,2021-04-22,2021-10-14,2022-07-14", id="cut-before-the-release"),
        pytest.param("22.04 LTS,Jammy,jammy,2021-10-14,2022-04-21", id="cut-before-its-end"),
        pytest.param("22.04 LTS,Jammy,jammy,2021-10-14,2022-04-21,2027-0", id="cut-within-its-end"),
        pytest.param("22.04 LTS,Jammy,jammy,2021-10-14,2022-04-21,2027-06", id="a-month"),
    ],
)
def test_no_machine_is_healthy_after_the_end_whatever_the_data_of_the_distribution_are(
    tmp_path: Path, row: str
) -> None:
    header = "version,codename,series,created,release,eol,eol-server\n"
    (tmp_path / "ubuntu.csv").write_text(f"{header}{row}" if row.isprintable() and row else row)
    jammy = release_of(Distro(id="ubuntu", codename="jammy", version="22.04"), tmp_path)

    assert status(jammy, "2028-01-01").health is Health.ATTENTION


def test_reasons_stay_the_same_from_day_to_day_so_that_reports_do() -> None:
    assert len({tuple(status(JAMMY, day).release.reasons) for day in ("2027-06-02", "2028-01-01", "2031-12-31")}) == 1
    keys = {need.key for day in ("2027-06-02", "2028-01-01") for need in needs(status(JAMMY, day))}
    assert len(keys) == 1


def test_the_warning_and_the_end_are_two_needs() -> None:
    assert len({need.key for day in ("2027-05-01", "2027-06-02") for need in needs(status(JAMMY, day))}) == 2


def test_the_reason_names_what_could_follow() -> None:
    (reason,) = status(JAMMY, "2027-06-02").release.reasons
    assert "ESM" in reason
    assert "2032-04-21" in reason
    (reason,) = status(given.BOOKWORM, "2028-07-01").release.reasons
    assert "ELTS" in reason


@pytest.mark.parametrize(
    ("found", "part"),
    [
        (status(JAMMY, "2026-11-29"), "standard support until 2027-06-01"),
        (status(JAMMY, "2026-11-29", ESM), "standard support until 2027-06-01, ESM of Ubuntu Pro until 2032-04-21"),
        (status(given.BOOKWORM, "2026-11-29"), "LTS until 2028-06-30 (standard support ended on 2026-07-11)"),
        (status(JAMMY, "2027-06-02"), "no security updates since 2027-06-01"),
        (status(FORKY, "2026-11-29"), "unknown"),
        (status(None, "2026-11-29"), None),
    ],
    ids=["ubuntu", "esm", "lts", "ended", "in-development", "earlier-version"],
)
def test_the_line_has_the_dates(found: Status, part: str | None) -> None:
    lines = [line for line in status_lines(found) if line.startswith("Release ")]

    assert len(lines) == (part is not None)
    assert all((part or "") in line for line in lines)


def test_the_document_has_the_state_of_today() -> None:
    document: Any = status_document(status(JAMMY, "2027-06-02", ESM))["release"]

    assert {name: document[name] for name in ("support", "phase", "until", "unknown")} == {
        "support": "extended",
        "phase": "esm",
        "until": "2032-04-21",
        "unknown": None,
    }
    assert [phase["name"] for phase in document["phases"]] == ["standard", "esm", "esm-legacy"]
