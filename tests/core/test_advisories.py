"""What is taken of CISA's catalogue and of OSV records, and what is refused."""

from typing import Any

import pytest

from endpoint.core.advisories.kev import read_kev
from endpoint.core.advisories.model import CveText, Notice, OsvRecord
from endpoint.core.advisories.osv import read_osv

CVE = "CVE-2026-12345"
ENTRY = {
    "cveID": CVE,
    "vulnerabilityName": "OpenSSL Out-of-Bounds Write",
    "dateAdded": "2026-11-02",
    "dueDate": "2026-11-23",
    "requiredAction": "Apply mitigations.",
    "knownRansomwareCampaignUse": "Known",
}
USN: dict[str, Any] = {
    "id": "USN-7777-1",
    "summary": "openssl vulnerability",
    "published": "2026-11-01T10:00:00Z",
    "upstream": [CVE, "UBUNTU-CVE-2026-1111", "nonsense"],
    "affected": [
        {
            "package": {"ecosystem": "Ubuntu:24.04:LTS", "name": "openssl"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.0.13-0ubuntu3.7"}]}],
            "ecosystem_specific": {"binaries": [{"binary_name": "libssl3t64", "binary_version": "3.0.13-0ubuntu3.7"}]},
        }
    ],
}


def test_an_entry_of_the_catalogue_has_its_days_and_whether_ransomware_uses_it() -> None:
    (entry,) = read_kev({"dateReleased": "2026-11-02T17:00:00Z", "vulnerabilities": [ENTRY]}).entries

    assert (entry.cve, entry.added, entry.due, entry.ransomware) == (CVE, "2026-11-02", "2026-11-23", True)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"dueDate": None}, (None, True)),
        ({"dueDate": "soon"}, (None, True)),
        ({"knownRansomwareCampaignUse": "Unknown"}, ("2026-11-23", None)),
        ({"knownRansomwareCampaignUse": 7}, ("2026-11-23", None)),
    ],
    ids=["no day", "no such day", "unknown", "no text"],
)
def test_what_an_entry_does_not_say_is_unknown(
    change: dict[str, object], expected: tuple[str | None, bool | None]
) -> None:
    (entry,) = read_kev({"vulnerabilities": [{**ENTRY, **change}]}).entries

    assert (entry.due, entry.ransomware) == expected


@pytest.mark.parametrize(
    "bad",
    [7, {}, {"cveID": CVE}, {**ENTRY, "cveID": "CVE-1"}, {**ENTRY, "cveID": [CVE]}, {**ENTRY, "dateAdded": None}],
    ids=["a number", "nothing", "no day", "no CVE", "a list", "null"],
)
def test_a_bad_entry_is_counted_and_the_others_are_taken(bad: object) -> None:
    catalogue = read_kev({"vulnerabilities": [bad, ENTRY, ENTRY]})

    assert ([entry.cve for entry in catalogue.entries], catalogue.refused) == ([CVE], 1)


@pytest.mark.parametrize(
    "document",
    [None, [], {}, {"vulnerabilities": {}}, {"vulnerabilities": [{}]}],
    ids=["null", "a list", "an empty object", "no list", "no good entry"],
)
def test_another_document_is_no_catalogue(document: object) -> None:
    with pytest.raises(ValueError, match="KEV"):
        read_kev(document)


def test_a_notice_has_its_cves_and_the_exact_versions_with_the_fix() -> None:
    assert read_osv(USN) == OsvRecord(
        notice=Notice(id="USN-7777-1", title="openssl vulnerability", published="2026-11-01"),
        cves=(CVE, "CVE-2026-1111"),
        fixed=(("libssl3t64", "3.0.13-0ubuntu3.7"), ("openssl", "3.0.13-0ubuntu3.7")),
    )


@pytest.mark.parametrize("name", ["related", "aliases"])
def test_older_records_name_their_cves_elsewhere(name: str) -> None:
    found = read_osv({"id": "DSA-5000-1", "summary": "x", name: [CVE]})

    assert found is not None
    assert found.cves == (CVE,)


def test_a_record_of_a_cve_has_its_text_and_the_distributions_priority() -> None:
    severity = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}, {"type": "Ubuntu", "score": "high"}]

    found = read_osv({"id": f"UBUNTU-{CVE}", "details": "A flaw.\nIt is bad.", "severity": severity})

    assert found == OsvRecord(text=CveText(cve=CVE, text="A flaw. It is bad.", priority="high"))


@pytest.mark.parametrize(
    "document",
    [{"id": "GHSA-aaaa"}, {**USN, "withdrawn": "2026-11-02T00:00:00Z"}, {"id": "USN-7777-1<script>"}],
    ids=["of something else", "withdrawn", "markup"],
)
def test_a_record_of_no_use_is_left_out(document: object) -> None:
    assert read_osv(document) is None


@pytest.mark.parametrize("document", [None, [], {}, {"id": 7}], ids=["null", "a list", "no id", "a number"])
def test_another_document_is_no_record(document: object) -> None:
    with pytest.raises(ValueError, match="OSV"):
        read_osv(document)


@pytest.mark.parametrize(
    "affected",
    [
        7,
        [7],
        [{"package": 7, "ranges": 7}],
        [{"package": {"name": ["x"]}, "ranges": [{"events": [{"fixed": 7}]}]}],
        [{"package": {"name": "<b>"}, "ranges": [{"events": [{"fixed": "1.0"}]}]}],
        [{"package": {"name": "vim"}, "ranges": [{"events": [{"fixed": "\n"}]}], "ecosystem_specific": []}],
    ],
    ids=["a number", "a list of numbers", "no objects", "no text", "no package", "no version"],
)
def test_a_malformed_part_of_a_record_is_left_out(affected: object) -> None:
    found = read_osv({**USN, "affected": affected})

    assert found is not None
    assert found.fixed == ()
