"""The lines of `explain` about a package."""

import pytest

from agent.core.model.facts import Facts
from agent.core.packages.explain import explain_package
from agent.core.packages.explain_cve import InstalledFixes, explain_cve
from agent.report.explanation_text import explanation_lines
from agent.report.reasons import gate_texts
from agent.state.documents.cve_explanation import cve_explanation_to_document
from agent.state.documents.explanation import explanation_to_document
from agent.state.json_reader import JsonReader
from tests.core import given


def signs(facts: Facts, *, verbose: bool = False) -> dict[str, str]:
    """Return the sign of each gate, by the names that share its line."""
    found = explain_package(given.policy(), facts, given.plan(), given.known())
    document = explanation_to_document(found, given.NOW, wording=gate_texts)
    lines = map(str, explanation_lines(JsonReader(document, "explain"), verbose=verbose)[1:])
    return {line[4:].split("  ")[0].split(":")[0]: line[2] for line in lines}


def test_gates_that_have_no_version_to_judge_share_one_line() -> None:
    found = signs(given.facts())

    assert found["signature, soak, rollout, apt-preferences"] == "?"
    assert found["hold, blocklist, runtime, allowlist, snooze"] == "+"


def test_every_gate_has_its_own_line_on_request() -> None:
    found = signs(given.facts(), verbose=True)

    assert {name: found[name] for name in ("hold", "signature", "soak")} == {"hold": "+", "signature": "?", "soak": "?"}


_PATCHERS = pytest.mark.parametrize(
    ("patcher", "snoozed", "warned"),
    [("unattended-upgrades", True, True), ("agent", True, False), ("unattended-upgrades", False, False)],
)
_COMMAND = "unattended-upgrades disable"
"""Which ends that their daily job installs what is snoozed here."""


@_PATCHERS
def test_what_their_daily_job_does_not_go_by_is_told(patcher: str, *, snoozed: bool, warned: bool) -> None:
    facts = given.facts(snoozes=(given.snooze(),) if snoozed else ())
    found = explain_package(given.policy(), facts, given.plan(), given.known())
    document = explanation_to_document(found, given.NOW, wording=gate_texts)
    document["patcher"] = patcher

    assert (_COMMAND in str(explanation_lines(JsonReader(document, "explain"))[-1])) is warned


@_PATCHERS
def test_the_same_is_said_of_a_cve(patcher: str, *, snoozed: bool, warned: bool) -> None:
    snoozes = (given.snooze("CVE-2024-1234"),) if snoozed else ()
    found = explain_cve("CVE-2024-1234", given.plan(), {}, InstalledFixes(read=9), snoozes)
    document = {**cve_explanation_to_document(found, given.NOW), "patcher": patcher}

    assert (_COMMAND in "\n".join(map(str, explanation_lines(JsonReader(document, "explain"))))) is warned


def test_what_their_job_keeps_back_itself_needs_no_warning() -> None:
    found = explain_package(given.policy(), given.facts(snoozes=(given.snooze(),)), given.plan(), given.known())
    document = explanation_to_document(found, given.NOW, wording=gate_texts)
    document |= {"patcher": "unattended-upgrades", "blacklisted": True}

    assert _COMMAND not in "\n".join(map(str, explanation_lines(JsonReader(document, "explain"))))
