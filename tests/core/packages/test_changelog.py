"""Findings in the changelog entries between the installed version and the candidate."""

import random
import time
from collections.abc import Iterator

import apt_pkg
import pytest

from agent.core.packages.changelog import collect_findings, parse_entries
from agent.core.packages.cves import ChangelogFindings
from agent.core.packages.source_version import source_version
from tests.support.changelogs import changelog, entry

apt_pkg.init_system()


def read(text: str, installed: str = "1", candidate: str = "2") -> ChangelogFindings | None:
    return collect_findings(text.split("\n"), installed=installed, candidate=candidate, compare=apt_pkg.version_compare)


def cves(text: str, installed: str = "1", candidate: str = "2") -> tuple[str, ...]:
    found = read(text, installed, candidate)
    assert found is not None
    return found.cves


def test_an_entry_holds_version_suites_urgency_and_cves() -> None:
    text = entry("1:1.2-3~deb12u1", "Fix CVE-2024-2 and\n    CVE-2024-0001.", suite="bookworm-security UNSTABLE")

    (found,) = parse_entries(text.replace("0001", "1234").replace("CVE-2024-2 ", "CVE-2023-99999 ").split("\n"))

    assert (found.version, found.urgency) == ("1:1.2-3~deb12u1", "high")
    assert found.distributions == ("bookworm-security", "unstable")
    assert found.cves == ("CVE-2023-99999", "CVE-2024-1234")


def test_the_installed_version_is_excluded_and_the_candidate_included() -> None:
    text = changelog("Fix CVE-2024-2222.", "Fix CVE-2024-3333.", "Fix CVE-2024-4444.")

    found = read(text, installed="2", candidate="3")

    assert found == ChangelogFindings(cves=("CVE-2024-3333",), security_upload=True, complete=True)


def test_cves_of_several_entries_are_merged_and_sorted() -> None:
    text = changelog("CVE-2024-20000 CVE-2024-3000", "cve-2024-3000, CVE-2023-9999", "CVE-2024-10000")

    assert cves(text, candidate="4") == ("CVE-2023-9999", "CVE-2024-3000", "CVE-2024-10000", "CVE-2024-20000")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("CVE-2024-12345", "CVE-2024-12345"),
        ("cve-2024-12345", "CVE-2024-12345"),
        ("(Cve-2024-1234)", "CVE-2024-1234"),
        ("CAN-2004-0001", "CVE-2004-0001"),
        ("CVE-2024-1234567", "CVE-2024-1234567"),
        ("[CVE-2024-1234]:", "CVE-2024-1234"),
        ("debian/patches/CVE-2024-1234.patch", "CVE-2024-1234"),
        ("d/p/0003-CVE-2024-1234-1.patch", "CVE-2024-1234"),
        ("SECURITY UPDATE: xss\n    - CVE-2024-\n      1234", "CVE-2024-1234"),
        ("CVE-\n    2024-1234", "CVE-2024-1234"),
        ("CVE\N{NON-BREAKING HYPHEN}2024\N{NON-BREAKING HYPHEN}1234", "CVE-2024-1234"),
        ("CVE_2024_1234", "CVE-2024-1234"),
        ("CVE-2024-123", None),
        ("CVE-2024-XXXX", None),
        ("CVE-24-1234", None),
        ("CVE-9999-1234", None),
        ("CVE-2024-\N{ARABIC-INDIC DIGIT ONE}234", None),
        ("SCVE-2024-1234", None),
        ("a pecan-2024-1234", None),
        ("CVE-2024-1234567890123", None),
        ("CVE-2024", None),
    ],
)
def test_a_cve_is_recognised_in_any_spelling(text: str, found: str | None) -> None:
    assert cves(changelog(text)) == ((found,) if found else ())


def test_ids_in_a_header_count() -> None:
    assert cves(entry("2").replace("urgency=high", "urgency=high, fixes=CVE-2024-1234") + entry("1")) == (
        "CVE-2024-1234",
    )


@pytest.mark.parametrize(
    ("suite", "security"),
    [
        ("bookworm-security", True),
        ("noble-security", True),
        ("Stable-Security", True),
        ("bookworm-backports noble-security", True),
        ("unstable", False),
        ("bookworm", False),
        ("security-team", False),
        ("noble-updates", False),
    ],
)
def test_a_security_upload_is_recognised(suite: str, *, security: bool) -> None:
    found = read(entry("2", suite=suite) + entry("1", suite="bookworm-security"))

    assert found is not None
    assert found.security_upload is security


def test_a_security_upload_between_two_others_is_found() -> None:
    text = entry("4", suite="bookworm") + entry("3", suite="bookworm-security") + entry("2", suite="bookworm")

    found = read(text, installed="2", candidate="4")

    assert found is not None
    assert found.security_upload


def test_a_truncated_changelog_is_not_complete() -> None:
    found = read(entry("3", "CVE-2024-3333") + entry("2", "CVE-2024-2222"), installed="1", candidate="3")

    assert found == ChangelogFindings(cves=("CVE-2024-2222", "CVE-2024-3333"), security_upload=True, complete=False)


def test_an_older_version_ends_the_reading_if_the_installed_one_is_missing() -> None:
    found = read(entry("3", "CVE-2024-3333") + entry("1", "CVE-2024-1111"), installed="2", candidate="3")

    assert found == ChangelogFindings(cves=("CVE-2024-3333",), security_upload=True, complete=True)


def test_fixes_of_the_installed_branch_do_not_count() -> None:
    text = entry("3.5-1", "CVE-2024-1111, CVE-2024-2222") + entry("3.2-1")
    backported = entry("3.2-1+deb12u2", "CVE-2024-1111") + entry("3.2-1+deb12u1", "CVE-2023-1111") + entry("3.2-1")

    found = collect_findings(
        text.split("\n"),
        installed="3.2-1+deb12u2",
        candidate="3.5-1",
        compare=apt_pkg.version_compare,
        before=lambda: backported.split("\n"),
    )

    assert found == ChangelogFindings(cves=("CVE-2024-2222",), security_upload=True, complete=True)


def test_a_corrected_fix_in_the_same_branch_counts_again() -> None:
    def before() -> list[str]:
        raise AssertionError("the installed changelog is not needed here")

    found = collect_findings(
        changelog("CVE-2024-1111 was not fixed entirely").split("\n"),
        installed="1",
        candidate="2",
        compare=apt_pkg.version_compare,
        before=before,
    )

    assert found is not None
    assert found.cves == ("CVE-2024-1111",)


def test_the_reading_stops_at_the_installed_version() -> None:
    drawn = 0

    def lines() -> Iterator[str]:
        nonlocal drawn
        for line in (entry("2", "CVE-2024-2222") + entry("1") + entry("0") * 1000).split("\n"):
            drawn += 1
            yield line

    found = collect_findings(lines(), installed="1", candidate="2", compare=apt_pkg.version_compare)

    assert found is not None
    assert drawn < 20


def test_entries_above_the_candidate_do_not_count() -> None:
    text = changelog("CVE-2024-2222", "CVE-2024-3333")

    assert cves(text, installed="1", candidate="2") == ("CVE-2024-2222",)


def test_there_are_no_findings_without_entries_in_between() -> None:
    assert read(entry("1"), installed="1", candidate="2") is None
    assert read(entry("3"), installed="1", candidate="2") is None
    assert read("", installed="1", candidate="2") is None


def test_a_rebuild_of_the_same_source_fixes_nothing() -> None:
    found = read("", installed=source_version("1.2-3"), candidate=source_version("1.2-3+b1"))

    assert found == ChangelogFindings(cves=(), security_upload=False, complete=True)


@pytest.mark.parametrize(
    ("binary", "source"),
    [
        ("1.2-3+b1", "1.2-3"),
        ("1:1.2-3+deb12u1+b12", "1:1.2-3+deb12u1"),
        ("1.2+b1-3", "1.2+b1-3"),
        ("1.2-3+b", "1.2-3+b"),
        ("1.2-3", "1.2-3"),
        ("1.2+b2", "1.2"),
    ],
)
def test_a_binary_rebuild_suffix_is_not_part_of_the_source_version(binary: str, source: str) -> None:
    assert source_version(binary) == source


def test_versions_are_ordered_as_dpkg_orders_them() -> None:
    text = "".join(entry(v, f"CVE-2024-{n}") for n, v in enumerate(("1:1.0-1", "9.0-1", "9.0~rc1-1", "2.10-1"), 1000))

    assert cves(text, installed="9.0~rc1-1", candidate="1:1.0-1") == ("CVE-2024-1000", "CVE-2024-1001")
    assert cves(text, installed="2.9-1", candidate="9.0~rc1-1") == ("CVE-2024-1002", "CVE-2024-1003")


@pytest.mark.parametrize(
    "header",
    [
        "src (2) bookworm-security; urgency=high",
        "src (2) bookworm-security;urgency=HIGH",
        "src  (2)  bookworm-security ; urgency=high, binary-only=yes",
        "SRC+1.0 (2) bookworm-security; urgency=high",
        "src\t(2) bookworm-security;",
    ],
)
def test_a_header_is_recognised_in_several_spellings(header: str) -> None:
    assert cves(f"{header}\n\n  * CVE-2024-1234\n\n{entry('1')}") == ("CVE-2024-1234",)


@pytest.mark.parametrize(
    "header", ["src 2 bookworm; urgency=high", "(2) bookworm;", "src (2 3) x;", "src (2)", "-- (2) x;", "  src (2) x;"]
)
def test_other_lines_start_no_entry(header: str) -> None:
    assert read(f"{header}\n\n  * CVE-2024-1234\n\n{entry('1')}") is None


def test_text_above_the_first_entry_is_skipped() -> None:
    assert cves("# generated, see CVE-2020-0001\n\n" + changelog("CVE-2024-1234")) == ("CVE-2024-1234",)


@pytest.mark.parametrize(
    "unit",
    ["CVE-", "CVE-2024-", "CVE-2024- ", "src (", "src (2) ", "a" * 50 + " ", "CVE-2024-\n", "\n", " ", "(2) x;", ";("],
)
def test_garbage_is_parsed_in_linear_time(unit: str) -> None:
    text = (entry("2") + unit * (2_000_000 // len(unit)) + "\n" + entry("1")).split("\n")
    started = time.process_time()

    collect_findings(text, installed="1", candidate="2", compare=apt_pkg.version_compare)

    assert time.process_time() - started < 5


def test_no_changelog_content_is_an_error() -> None:
    draw = random.Random(7)  # noqa: S311 - the same garbage in every run
    pieces = ["src", " ", "(", ")", "2", "1:3~", ";", "\n", "CVE-", "2024-", "1234", "\0", "\ufffd", "é", "urgency="]

    for _ in range(3000):
        found = read("".join(draw.choices(pieces, k=draw.randrange(60))))
        assert found is None or all(cve.startswith("CVE-2024-1234") for cve in found.cves)
