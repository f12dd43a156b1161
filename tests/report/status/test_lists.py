"""The package lists in `status`: the health, and each cause named once, without advice that leads nowhere."""

from datetime import timedelta
from typing import Any

import pytest

from agent.core.model.facts import Lists, ListsState, SourceError, SourceFault, SourceLists
from agent.report.status.document import Status, build_status
from agent.report.status.health import Health
from agent.report.status.lines import status_lines
from agent.report.status.observed import Observed
from agent.state.documents.plan import plan_to_document
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc
from agent.state.views import StateView
from tests.core import given

NOW = given.NOW
BEFORE = NOW - timedelta(minutes=5)
MAIN, SECURITY, PPA = "https://deb.example.org stable", "https://sec.example.org stable-security", "https://ppa stable"
AWAY, GONE = "Temporary failure in name resolution", "404  Not Found [IP: 192.0.2.1 80]"


def error(
    source: str, fault: SourceFault = SourceFault.UNREACHABLE, detail: str = AWAY, *, security: bool | None = False
) -> SourceError:
    return SourceError(source=source, fault=fault, detail=detail, security=security)


def status(state: ListsState, *errors: SourceError, hours: float = 0, verified_at: Any = BEFORE) -> Status:
    """Return the status after a check at `NOW`, so many hours later."""
    known = tuple(
        SourceLists(source=source, security=source == SECURITY, verified_at=verified_at, released_at=None)
        for source in (MAIN, SECURITY)
    )
    lists = Lists(state=state, updated_at=verified_at, errors=errors, sources=known)
    record = {
        "generated_at": format_utc(NOW),
        "fresh_until": format_utc(BEFORE + timedelta(hours=36)),
        "plan": plan_to_document(given.plan(lists=lists), NOW),
    }
    return build_status(Observed(state=StateView(JsonReader(record, "state"))), NOW + timedelta(hours=hours))


GOOD = "the last good lists are of 2026-11-23 05:05 UTC"
ALL_AWAY = (error(MAIN), error(SECURITY, security=True))
NO_HOOK = error("apt", SourceFault.HOOK_FAILED, "the script of APT::Update::Post-Invoke failed", security=None)


@pytest.mark.parametrize(
    ("found", "health", "reasons"),
    [
        pytest.param(status(ListsState.FRESH), Health.HEALTHY, [], id="fresh"),
        pytest.param(
            status(ListsState.PARTIAL, *ALL_AWAY), Health.ATTENTION,
            [f"{MAIN}, {SECURITY} could not be fetched ({AWAY}); {GOOD}"], id="a dead network, one cause"),
        pytest.param(
            status(ListsState.PARTIAL, error(MAIN), error(PPA, SourceFault.NOT_FOUND, GONE)), Health.ATTENTION,
            [f"{MAIN} could not be fetched ({AWAY}); {GOOD}", f"{PPA} could not be fetched ({GONE})"],
            id="two causes; one source was never fetched"),
        pytest.param(
            status(ListsState.PARTIAL, error(PPA), error(PPA)), Health.ATTENTION,
            [f"{PPA} could not be fetched ({AWAY})"], id="the same twice"),
        pytest.param(
            status(ListsState.PARTIAL, error(PPA, SourceFault.UNSIGNED, "is not signed")), Health.ATTENTION,
            [f"{PPA}: is not signed"], id="a cause that is a sentence"),
        pytest.param(
            status(ListsState.PARTIAL, *(error(f"s{n}") for n in range(5))), Health.ATTENTION,
            [f"s0, s1, s2 and 2 more could not be fetched ({AWAY})"], id="many"),
        pytest.param(
            status(ListsState.PARTIAL), Health.ATTENTION, ["the lists of some package sources could not be fetched"],
            id="no cause on record"),
        pytest.param(
            status(ListsState.FRESH, NO_HOOK), Health.ATTENTION,
            ["apt: the script of APT::Update::Post-Invoke failed"], id="fresh, with a word of apt"),
        pytest.param(
            status(ListsState.STALE, *ALL_AWAY, hours=0), Health.UNKNOWN,
            ["the package lists of security sources are stale (last verified 2026-11-23 05:05 UTC): "
             f"{SECURITY} could not be fetched ({AWAY})",
             f"{MAIN} could not be fetched ({AWAY}); {GOOD}"], id="stale for a cause"),
        pytest.param(
            status(ListsState.FRESH, hours=37), Health.UNKNOWN,
            ["the package lists of security sources are stale (last verified 2026-11-23 05:05 UTC): "
             "run `maestro-agent check`"], id="nobody checked"),
        pytest.param(
            status(ListsState.PARTIAL, error(SECURITY, security=True), hours=37), Health.UNKNOWN,
            ["the package lists of security sources are stale (last verified 2026-11-23 05:05 UTC): "
             f"{SECURITY} could not be fetched ({AWAY})"], id="checks failed for longer than the age"),
        pytest.param(
            status(ListsState.PARTIAL, error(SECURITY, security=True), hours=35), Health.ATTENTION,
            [f"{SECURITY} could not be fetched ({AWAY}); {GOOD}"], id="checks failed for less"),
        pytest.param(
            status(ListsState.NEVER, error(SECURITY, security=None), verified_at=None), Health.UNKNOWN,
            [f"there are no package lists of security sources: {SECURITY} could not be fetched ({AWAY})"],
            id="never, for a cause"),
        pytest.param(
            status(ListsState.NEVER, verified_at=None), Health.UNKNOWN,
            ["there are no package lists of security sources: run `maestro-agent check`"], id="never tried"),
    ],
)  # fmt: skip
def test_reasons_name_each_source_and_cause_once(found: Status, health: Health, reasons: list[str]) -> None:
    assert (found.health, [*found.unknown, *found.attention]) == (health, reasons)


def test_the_text_names_a_cause_once_and_every_source_on_request() -> None:
    found = status(ListsState.PARTIAL, *ALL_AWAY)

    short, long = status_lines(found), status_lines(found, verbose=True)

    assert sum(AWAY in line for line in short) == 1
    assert [line.split() for line in long if line.startswith(" " * 17)] == [
        [*MAIN.split(), "verified", "5", "minutes", "ago"],
        [*SECURITY.split(), "verified", "5", "minutes", "ago"],
    ]
