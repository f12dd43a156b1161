"""The sentences of the reason codes: each code has one, and documents show the whole reason."""

import pytest

from agent.core.model.plan import Refusal, Why
from agent.core.model.reasons import Reason, ReasonCode, text_reason
from agent.core.packages.explain import GateReport, GateVerdict, Opener
from agent.report.reasons import OPENERS, SENTENCES, gate_texts, sentence, with_sentences
from tests.core import given


def test_every_code_has_a_sentence_and_every_shut_gate_an_opener() -> None:
    assert set(SENTENCES) == set(ReasonCode)
    assert set(OPENERS) == {*Why, *Opener}


@pytest.mark.parametrize(
    ("code", "values", "expected"),
    [
        (ReasonCode.TEXT, ("a {brace}",), "a {brace}"),
        (ReasonCode.ON_HOLD, (), "marked hold (`apt-mark unhold` opens it)"),
        (ReasonCode.BLOCKLISTED, ("a*",), "matches 'a*' in security.blocklist"),
        (ReasonCode.NOT_ALLOWLISTED, ("y, z",), "not in security.allowlist (y, z)"),
        (ReasonCode.NOT_AUTHENTICATED, ("Debian", "stable-security"),
         "Debian stable-security is not authenticated: its signature is missing or bad"),
        (ReasonCode.ROLLOUT, ("20",), "rolled out to 20 % of machines so far, not yet to this one"),
        (ReasonCode.HELD_WITH_GROUP, ("runc", "pinned"), "goes together with runc, which is held back (pinned)"),
    ],
)  # fmt: skip
def test_a_sentence_holds_the_values_of_its_reason(code: ReasonCode, values: tuple[str, ...], expected: str) -> None:
    assert sentence(Reason(code=code, values=values)) == expected


def test_a_refusal_of_another_package_stands_behind_the_way_to_it() -> None:
    refusal = Refusal(why=Why.BLOCKLISTED, reason=Reason(code=ReasonCode.BLOCKLISTED, values=("l*",)))

    found = refusal.after("needs lib (>= 2), but lib").after("needs b, and b in turn")

    assert found.why is Why.BLOCKLISTED
    assert sentence(found.reason) == (
        "needs b, and b in turn needs lib (>= 2), but lib matches 'l*' in security.blocklist"
    )


def test_a_gate_that_is_shut_names_its_reason_and_what_opens_it() -> None:
    why = Why.HELD_BY_ADMIN
    held = GateReport(name="hold", verdict=GateVerdict.SHUT, reason=Reason(code=ReasonCode.ON_HOLD), why=why, opens=why)
    open_gate = GateReport(name="hold", verdict=GateVerdict.OPEN, reason=Reason(code=ReasonCode.GATE_OPEN))

    assert gate_texts(held, "a") == (
        "held-by-admin: marked hold (`apt-mark unhold` opens it)",
        "apt-mark unhold a",
    )
    assert gate_texts(open_gate, "a") == ("nothing in the way", None)


def test_a_plan_shows_the_sentence_of_every_reason() -> None:
    held = given.held(cause=text_reason("needs lib"), detail="")
    plan = with_sentences(given.plan(held=(held,), remove=(given.REMOVAL,), kept=(given.REMOVAL,)))

    assert [item.detail for item in plan.held] == ["needs lib"]
    assert [item.reason for item in (*plan.remove, *plan.kept)] == [given.REMOVAL.reason] * 2
