"""Snoozes and soak in `status`: shown while they last, and a damaged record of snoozes asks for attention."""

from datetime import timedelta

import pytest

from agent.core.model.plan import Why
from agent.core.model.waiting import Snooze
from agent.report.status.health import Health
from agent.report.status.lines import status_lines
from agent.report.status.needs import needs
from agent.report.status.observed import Damaged
from agent.report.status.waiting import Waiting
from agent.state.documents.snoozes import snooze_to_document
from agent.state.json_reader import JsonReader
from agent.state.snooze_view import SnoozeView
from tests.core import given
from tests.report.status.test_status import NOW, built, encoded


def view(snooze: Snooze) -> SnoozeView:
    return SnoozeView(JsonReader(snooze_to_document(snooze), "snooze"))


IN_FORCE = view(given.snooze("nginx", until=NOW + timedelta(days=1)))
OVER = view(given.snooze("curl", until=NOW))
ENDED = view(given.snooze("vim", until=NOW + timedelta(days=1), ended_at=NOW))


def test_what_is_snoozed_is_shown_until_it_is_over() -> None:
    status = built(given.plan(), snoozes=[IN_FORCE, OVER, ENDED])

    assert [one["what"] for one in encoded(status)["snoozes"]] == ["nginx"]
    assert [line for line in status_lines(status) if line.startswith("Snoozed")] != []
    assert status.health is Health.HEALTHY
    assert needs(status) == []


def test_a_damaged_record_of_snoozes_asks_for_attention_and_makes_nothing_unknown() -> None:
    status = built(given.plan(), snoozes=Damaged("snoozes.json: is damaged"))

    assert status.health is Health.ATTENTION
    assert encoded(status)["snoozes"] is None
    assert [need.code for need in needs(status)] == ["snoozes"]


@pytest.mark.parametrize("why", [Why.SNOOZED, Why.SOAKING, Why.NOT_IN_COHORT])
def test_a_held_update_says_that_it_waits_for_a_time(why: Why) -> None:
    plan = given.plan(held=(given.held("a", why, until=NOW + timedelta(days=1)), given.held("b")))

    status = built(plan)

    assert status.attention[0].startswith("2 security updates are held back (1 ")
    assert encoded(status)["plan"]["held"][0]["until"] is not None


@pytest.mark.parametrize("patcher", [None, "agent", "nobody", "unattended-upgrades"])
def test_a_snooze_that_the_installing_job_does_not_go_by_is_shown_as_such(patcher: str | None) -> None:
    lines = Waiting([IN_FORCE], None, NOW, patcher).lines(16)
    none = Waiting([], None, NOW, patcher).lines(16)

    assert len(lines) == (2 if patcher == "unattended-upgrades" else 1)
    assert none == []
