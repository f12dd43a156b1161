"""The endpoint's sentences for reason codes are those of the agent, and every code has one."""

import pytest

from agent.core.model.plan import Why
from agent.core.reboot.gates import RebootWhy
from agent.report.reasons import OPENERS as AGENTS_OPENERS
from agent.report.reboot_outcome_text import REMEDIES
from agent.report.requests_text import _WHYS
from endpoint.core.host_page.reasons import (
    OPENERS,
    REBOOT_OPENERS,
    REBOOT_WHYS,
    REQUEST_WHYS,
    WHYS,
    opener_text,
    request_why_text,
    why_text,
)


def test_every_reason_of_a_held_update_has_a_sentence_and_what_opens_it() -> None:
    assert {why.value for why in Why} <= set(WHYS)
    assert {why.value: text for why, text in AGENTS_OPENERS.items() if isinstance(why, Why)} == OPENERS


def test_every_reason_why_a_reboot_waits_has_a_sentence_and_what_opens_it() -> None:
    assert {why.value for why in RebootWhy} == set(REBOOT_WHYS)
    assert REBOOT_OPENERS == REMEDIES


def test_every_reason_of_a_refused_request_has_the_agents_sentence() -> None:
    assert REQUEST_WHYS == _WHYS


@pytest.mark.parametrize("package", ["nginx", "{package}", "{0.__class__}", "%s"])
def test_a_packages_name_is_never_read_as_a_format(package: str) -> None:
    assert opener_text("held-by-admin", package) == f"apt-mark unhold {package}"


def test_a_code_of_a_newer_agent_is_shown_as_it_is() -> None:
    assert (why_text("new-gate"), opener_text("new-gate", "x"), request_why_text("new-why")) == (
        "new-gate",
        None,
        "new-why",
    )
    assert request_why_text(None) == ""
