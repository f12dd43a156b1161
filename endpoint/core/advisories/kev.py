"""Reads CISA's catalogue of known exploited vulnerabilities (KEV), version 1.x of its JSON schema. Pure.

https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities_schema.json
"""

from typing import Any

from endpoint.core.advisories.model import CVE, KevCatalogue, KevEntry, day_of, text_of

_RANSOMWARE = {"known": True, "unknown": None}
_MAX_NAME, _MAX_ACTION = 256, 1024


def read_kev(document: object) -> KevCatalogue:
    """Return the catalogue; of a CVE that is listed twice, the first entry.

    Raises:
        ValueError: it is no such catalogue, or no entry of it can be read.
    """
    catalogue = document if isinstance(document, dict) else {}
    raws = catalogue.get("vulnerabilities")
    if not isinstance(raws, list):
        raise ValueError("not a KEV catalogue: no list `vulnerabilities`")  # noqa: TRY004 - invalid data, not a bug
    found: dict[str, KevEntry] = {}
    refused = 0
    for raw in raws:
        entry = _entry(raw) if isinstance(raw, dict) else None
        if entry is None:
            refused += 1
        else:
            found.setdefault(entry.cve, entry)
    if raws and not found:
        raise ValueError(f"not a KEV catalogue: none of its {len(raws)} entries can be read")
    return KevCatalogue(released=day_of(catalogue, "dateReleased"), entries=tuple(found.values()), refused=refused)


def _entry(raw: dict[str, Any]) -> KevEntry | None:
    cve, added = raw.get("cveID"), day_of(raw, "dateAdded")
    if not isinstance(cve, str) or not CVE.fullmatch(cve) or added is None:
        return None
    return KevEntry(
        cve=cve,
        added=added,
        due=day_of(raw, "dueDate"),
        name=text_of(raw, "vulnerabilityName", _MAX_NAME),
        action=text_of(raw, "requiredAction", _MAX_ACTION),
        ransomware=_RANSOMWARE.get(text_of(raw, "knownRansomwareCampaignUse", 16).lower()),
    )
