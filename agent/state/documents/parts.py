"""Parts that several documents share, encoded and decoded side by side. Pure.

`X_to_document` returns the JSON object of a value, `X_from_document` the value of such an object. Decoders raise
RecordError if a field is missing, has the wrong type or holds an unknown enum value. docs/documents.md describes each
field. Text for people is rendered from these documents (`agent.report.text`), so that both always agree.
"""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import TypeVar

from agent.core.model.facts import (
    Lists,
    ListsState,
    Reboot,
    Repair,
    SourceError,
    SourceFault,
    SourceLists,
    Unseen,
    Update,
)
from agent.core.model.kernels import Removal
from agent.core.model.package import PackageId
from agent.core.model.plan import Held, Overridden, Step, Why
from agent.core.packages.cves import ChangelogFindings, Findings, VersionChange, findings_of
from agent.core.schemas import Document
from agent.errors import RecordError
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc

_E = TypeVar("_E", bound=Enum)


def enum_from_document(part: JsonReader, key: str, kind: type[_E]) -> _E:
    """Return the enum member of a field."""
    value = part.text(key)
    try:
        return kind(value)
    except ValueError as error:
        raise RecordError(f"{key}: {value!r} is not a known value") from error


def source_error_from_document(part: JsonReader) -> SourceError:
    """Return an element of `errors`; `security` is None for null and absent."""
    return SourceError(
        source=part.text("source"),
        fault=enum_from_document(part, "fault", SourceFault),
        detail=part.text("detail"),
        security=part.optional_boolean("security"),
    )


def lists_to_document(lists: Lists) -> Document:
    """Return the `lists` of a document."""
    return {
        "state": lists.state.value,
        "updated_at": format_utc(lists.updated_at) if lists.updated_at else None,
        "errors": [
            {"source": error.source, "fault": error.fault.value, "detail": error.detail, "security": error.security}
            for error in lists.errors
        ],
    }


def source_lists_to_document(lists: Lists) -> list[Document]:
    """Return the `sources` of a plan's `lists`."""
    return [
        {
            "source": one.source,
            "security": one.security,
            "verified_at": format_utc(one.verified_at) if one.verified_at else None,
            "released_at": format_utc(one.released_at) if one.released_at else None,
        }
        for one in lists.sources
    ]


def lists_from_document(part: JsonReader) -> Lists:
    """Return the package lists' state."""
    return Lists(
        state=enum_from_document(part, "state", ListsState),
        updated_at=part.optional_time("updated_at"),
        errors=tuple(source_error_from_document(error) for error in part.children("errors")),
        sources=tuple(_source_lists_from_document(one) for one in part.optional_children("sources")),
    )


def _source_lists_from_document(part: JsonReader) -> SourceLists:
    return SourceLists(
        source=part.text("source"),
        security=part.optional_boolean("security"),
        verified_at=part.optional_time("verified_at"),
        released_at=part.optional_time("released_at"),
    )


def reboot_to_document(reboot: Reboot | Unseen) -> Document | None:
    """Return the `reboot` of a document; null if it could not be read."""
    if isinstance(reboot, Unseen):
        return None
    return {
        "required": reboot.required,
        "packages": list(reboot.packages),
        "since": format_utc(reboot.since) if reboot.since else None,
    }


def reboot_from_document(part: JsonReader | None) -> Reboot | Unseen:
    """Return the reboot requirement; the reason why it could not be read is not in the document."""
    if part is None:
        return Unseen(reason="not on record")
    return Reboot(
        required=part.boolean("required"), packages=tuple(part.texts("packages")), since=part.optional_time("since")
    )


def repair_to_document(repair: Repair) -> Document:
    """Return an element of `repair` or `repaired`."""
    return {"package": repair.package, "architecture": repair.architecture, "state": repair.state}


_JOURNAL: Document = {"package": "dpkg", "architecture": "", "state": "interrupted"}
"""dpkg's interrupted journal among the repairs: no package, so without an architecture."""


def repairs_to_document(repairs: Sequence[Repair], *, journal: bool) -> list[Document]:
    """Return `repair` or `repaired`; `journal` is whether dpkg's interrupted journal is part of it."""
    found = [repair_to_document(repair) for repair in repairs]
    if journal:
        found.insert(sum(repair.package < "dpkg" for repair in repairs), dict(_JOURNAL))
    return found


def repairs_from_document(parts: Iterable[JsonReader]) -> tuple[tuple[Repair, ...], bool]:
    """Return the packages that dpkg left unfinished, and whether its journal is among the parts."""
    found = list(parts)
    packages = [part for part in found if part.raw != _JOURNAL]
    return tuple(repair_from_document(part) for part in packages), len(packages) < len(found)


def package_from_text(text: str) -> PackageId:
    """Return the package that `name:architecture` stands for; dpkg's own database is `dpkg:`."""
    name, colon, architecture = text.partition(":")
    if not colon:
        raise RecordError(f"{text!r} is not of the form name:architecture")
    return PackageId(name=name, architecture=architecture)


def repair_from_document(part: JsonReader) -> Repair:
    """Return a package that dpkg left unfinished."""
    return Repair(package=part.text("package"), architecture=part.text("architecture"), state=part.text("state"))


def removal_to_document(removal: Removal) -> Document:
    """Return an element of `remove`, `kept`, `superseded` or `unused`."""
    return {
        "package": removal.package,
        "architecture": removal.architecture,
        "installed": removal.version,
        "reason": removal.reason,
    }


def unused_to_document(unused: Iterable[Removal]) -> Document:
    """Return the field of the packages that a run makes unneeded; absent if there are none."""
    found = [removal_to_document(removal) for removal in unused]
    return {"unused": found} if found else {}


def removal_from_document(part: JsonReader) -> Removal:
    """Return a package that is removed or kept."""
    return Removal(
        package=part.text("package"),
        architecture=part.text("architecture"),
        version=part.text("installed"),
        reason=part.text("reason"),
    )


def held_to_document(held: Held, findings: Findings) -> Document:
    """Return an element of `held`."""
    return {
        "package": held.package,
        "architecture": held.architecture,
        "installed": held.installed,
        "candidate": held.candidate,
        "why": held.why.value,
        "detail": held.detail,
        **({"until": format_utc(held.until)} if held.until else {}),
        **source_to_document(held),
        **cves_to_document(findings_of(findings, held)),
    }


def held_from_document(part: JsonReader) -> Held:
    """Return a held update."""
    return Held(
        package=part.text("package"),
        architecture=part.text("architecture"),
        installed=part.optional_text("installed"),
        candidate=part.text("candidate"),
        why=enum_from_document(part, "why", Why),
        detail=part.text("detail"),
        until=part.optional_time("until"),
        source=part.optional_text("source") or "",
    )


def overridden_to_document(steps: Sequence[Overridden]) -> Document:
    """Return the field of a plan or a run that installs what would have to wait; others are without it."""
    parts = [
        {"package": one.package, "architecture": one.architecture, "why": one.why.value, "detail": one.detail}
        for one in steps
    ]
    return {"overridden": parts} if parts else {}


def overridden_from_document(parts: Iterable[JsonReader]) -> tuple[Overridden, ...]:
    """Return the steps that were carried out although they would have had to wait."""
    return tuple(
        Overridden(
            package=part.text("package"),
            architecture=part.text("architecture"),
            why=enum_from_document(part, "why", Why),
            detail=part.text("detail"),
        )
        for part in parts
    )


def source_to_document(item: Update | Step | Held) -> Document:
    """Return the field of the source package; no field where it is unknown, as in documents of earlier versions."""
    return {"source": item.source} if item.source else {}


def replaces_to_document(step: Step) -> Document:
    """Return the field of what a step takes the place of; most steps are without it."""
    return {"replaces": list(map(str, step.replaces))} if step.replaces else {}


def replaces_from_document(part: JsonReader) -> tuple[PackageId, ...]:
    """Return what a step takes the place of."""
    return tuple(map(package_from_text, part.optional_texts("replaces") or ()))


def requested_to_document(names: Sequence[str]) -> Document:
    """Return the field of a plan or a run that is limited to some packages; others are without it."""
    return {"requested": list(names)} if names else {}


def cves_to_document(found: ChangelogFindings | None) -> Document:
    """Return the two fields about an update's changelog; null if it was not read."""
    if found is None:
        return {"cves": None, "cves_complete": None}
    return {"cves": list(found.cves), "cves_complete": found.complete}


def findings_from_document(items: Sequence[Step | Held], parts: Sequence[JsonReader]) -> Findings:
    """Return the changelog findings that the parts of these items hold; `security_upload` is not in them."""
    found: dict[VersionChange, ChangelogFindings | None] = {}
    for item, part in zip(items, parts, strict=True):
        subject, cves = VersionChange.of(item), part.optional_texts("cves")
        if subject is not None and cves is not None:
            complete = part.boolean("cves_complete")
            found[subject] = ChangelogFindings(cves=tuple(cves), security_upload=False, complete=complete)
    return found
