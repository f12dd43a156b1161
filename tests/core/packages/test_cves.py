"""Changelog findings by version change, and unlabelled security fixes."""

from agent.core.model.plan import Plan
from agent.core.packages.cves import ChangelogFindings, Findings, VersionChange, findings_of, unlabelled_security_fixes
from tests.core import given


def fixes(*cves: str, complete: bool = True, security_upload: bool = False) -> ChangelogFindings:
    return ChangelogFindings(cves=cves, security_upload=security_upload, complete=complete)


def subject(candidate: str = "2") -> VersionChange:
    return VersionChange(package="a", architecture="amd64", installed="1", candidate=candidate)


def found(plan: Plan, findings: Findings) -> list[str]:
    return [update.package for update, _ in unlabelled_security_fixes(plan, findings)]


def test_findings_belong_to_exactly_one_version_change() -> None:
    findings = {subject(): fixes("CVE-2024-1234")}

    assert findings_of(findings, given.step()) == fixes("CVE-2024-1234")
    assert findings_of(findings, given.held()) == fixes("CVE-2024-1234")
    assert findings_of(findings, given.step(candidate="3")) is None
    assert findings_of(findings, given.step(installed="0")) is None
    assert findings_of(findings, given.step(architecture="i386")) is None


def test_a_new_package_has_no_findings() -> None:
    assert VersionChange.of(given.step(installed=None)) is None
    assert findings_of({subject(): fixes()}, given.step(installed=None)) is None


def test_a_truncated_changelog_without_cves_is_not_conclusive() -> None:
    assert findings_of({subject(): fixes(complete=False)}, given.step()) is None
    assert findings_of({subject(): fixes(complete=True)}, given.step()) == fixes()
    assert findings_of({subject(): None}, given.step()) is None


def test_an_unplanned_update_with_a_cve_or_a_security_upload_is_unlabelled() -> None:
    plan = given.plan(others=(given.other(),))

    assert found(plan, {subject("3"): fixes("CVE-2024-1234")}) == ["a"]
    assert found(plan, {subject("3"): fixes(security_upload=True)}) == ["a"]
    assert found(plan, {subject("3"): fixes()}) == []
    assert found(plan, {}) == []


def test_only_cves_beyond_the_security_update_are_unlabelled() -> None:
    plan = given.plan(install=(given.step(),), others=(given.other(),))
    higher = {subject("3"): fixes("CVE-2024-1111", "CVE-2024-2222", security_upload=True)}

    assert found(plan, {subject(): fixes("CVE-2024-1111"), **higher}) == ["a"]
    assert found(plan, {subject(): fixes("CVE-2024-1111", "CVE-2024-2222"), **higher}) == []
    assert found(plan, higher) == []
