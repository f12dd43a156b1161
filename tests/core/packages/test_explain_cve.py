"""What is concluded about a CVE: the worst first, and never that a machine is not affected."""

from typing import Any

import pytest

from agent.core.model.plan import Why
from agent.core.packages.cves import ChangelogFindings, Findings, VersionChange
from agent.core.packages.explain_cve import (
    CveConclusion,
    InstalledFix,
    InstalledFixes,
    cve_id,
    explain_cve,
    held_in,
    looks_like_cve,
)
from tests.core import given

CVE = "CVE-2024-1234"
FIXED = InstalledFixes(found=(InstalledFix(source="s", installed="1", fixed_in="1", packages=("a",)),), read=1)
NONE = InstalledFixes(read=9)


def naming(*items: Any, complete: bool = True, cves: tuple[str, ...] = (CVE,)) -> Findings:
    found = ChangelogFindings(cves=cves, security_upload=True, complete=complete)
    return {subject: found for item in items if (subject := VersionChange.of(item)) is not None}


STEP, HELD, OTHER = given.step("a"), given.held("b"), given.other("c")


@pytest.mark.parametrize(
    ("named", "installed", "conclusion"),
    [
        ((STEP, HELD, OTHER), FIXED, CveConclusion.PENDING),
        ((HELD, OTHER), FIXED, CveConclusion.HELD),
        ((OTHER,), FIXED, CveConclusion.AVAILABLE),
        ((), FIXED, CveConclusion.FIXED),
        ((), NONE, CveConclusion.UNKNOWN),
    ],
)
def test_the_worst_conclusion_counts(
    named: tuple[Any, ...], installed: InstalledFixes, conclusion: CveConclusion
) -> None:
    plan = given.plan(install=(STEP,), held=(HELD,), others=(OTHER,), other_updates=1)

    found = explain_cve(CVE, plan, naming(*named), installed)

    assert found.conclusion is conclusion
    assert (*found.pending, *found.held, *found.available) == named


def test_updates_whose_changelog_was_not_read_completely_are_listed() -> None:
    cut, read = given.step("cut"), given.step("read")
    plan = given.plan(
        install=(given.step("unread"), cut, read, given.step("new", installed=None)),
        held=(HELD,),
        others=(OTHER, given.other("read")),
    )
    findings = {**naming(cut, complete=False, cves=("CVE-2024-9999",)), **naming(read, *plan.others[1:], cves=())}

    assert explain_cve(CVE, plan, findings, NONE).unread == ("b", "c", "cut", "unread")


def test_what_a_plan_of_all_updates_holds_has_the_reason() -> None:
    plan = given.plan(others=(OTHER, given.other("d")))
    snoozed = given.held("c", why=Why.SNOOZED, candidate=OTHER.candidate)

    found = held_in(explain_cve(CVE, plan, naming(*plan.others), NONE), given.plan(held=(snoozed, HELD)))

    assert found.conclusion is CveConclusion.AVAILABLE
    assert found.available == (snoozed, given.other("d"))


@pytest.mark.parametrize(
    ("text", "cve"),
    [
        ("CVE-2024-1234", "CVE-2024-1234"),
        ("cve-2024-123456", "CVE-2024-123456"),
        ("CVE-2024-123", None),
        ("CVE-24-1234", None),
        ("CVE-2024-12345678901234", None),
        ("CVE-0000-0000", None),
    ],
)
def test_what_looks_like_a_cve_is_one_or_an_error(text: str, cve: str | None) -> None:
    assert looks_like_cve(text)
    assert cve_id(text) == cve


@pytest.mark.parametrize(
    "text", ["cve", "cve-bin-tool", "cve-2024", "nginx", "CVE-2024-1234x", "", "reboot", "CVE-2024-\u0661234"]
)
def test_a_package_name_is_no_cve(text: str) -> None:
    assert not looks_like_cve(text)


def test_the_snooze_of_the_cve_is_part_of_the_answer() -> None:
    snoozes = (given.snooze(CVE), given.snooze("a"))

    assert explain_cve(CVE, given.plan(), {}, NONE, snoozes).snooze == snoozes[0]
    assert explain_cve("CVE-2024-1", given.plan(), {}, NONE, snoozes).snooze is None
