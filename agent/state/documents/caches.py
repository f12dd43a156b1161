"""Documents that only the agent reads: `maestro.refresh/1`, `maestro.cves/1`, `maestro.ahead/1`. Pure.

Decoders raise RecordError if the document is malformed.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from agent.core.packages.cves import ChangelogFindings, Findings, VersionChange
from agent.core.ports import Archive, RefreshResult
from agent.core.schemas import AHEAD_SCHEMA, CVES_SCHEMA, REFRESH_SCHEMA, Document
from agent.state.documents.parts import source_error_from_document
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc


def refresh_to_document(refreshed: RefreshResult, generated_at: datetime) -> Document:
    """Return `maestro.refresh/1`: the result of the last refresh of the package lists."""
    verified = refreshed.verified_at
    return {
        "schema": REFRESH_SCHEMA,
        "generated_at": format_utc(generated_at),
        "verified_at": format_utc(verified) if verified else None,
        "errors": [
            {"source": error.source, "fault": error.fault.value, "detail": error.detail} for error in refreshed.errors
        ],
        "sources": _verified_to_document(refreshed.sources),
        "finished_at": format_utc(refreshed.finished_at) if refreshed.finished_at else None,
    }


def refresh_from_document(document: JsonReader) -> RefreshResult:
    """Return the result; of errors the document does not hold `security`."""
    return RefreshResult(
        verified_at=document.optional_time("verified_at"),
        errors=tuple(source_error_from_document(error) for error in document.children("errors")),
        sources=_verified_from_document(document),
        finished_at=document.optional_time("finished_at"),
    )


def _verified_to_document(sources: Mapping[str, datetime] | None) -> list[Document] | None:
    if sources is None:
        return None
    return [{"source": source, "verified_at": format_utc(time)} for source, time in sources.items()]


def _verified_from_document(document: JsonReader) -> Mapping[str, datetime] | None:
    if document.raw.get("sources") is None:
        return None
    return {part.text("source"): part.time("verified_at") for part in document.children("sources")}


def findings_to_document(findings: Findings, generated_at: datetime) -> Document:
    """Return `maestro.cves/1`: what was read in changelogs, by version change."""
    return {
        "schema": CVES_SCHEMA,
        "generated_at": format_utc(generated_at),
        "readings": [_reading_to_document(subject, found) for subject, found in findings.items()],
    }


def findings_from_document(document: JsonReader) -> Findings:
    """Return the findings; None for a changelog that does not exist or says nothing about the versions."""
    return dict(_reading_from_document(part) for part in document.children("readings"))


def archives_to_document(archives: Sequence[Archive], generated_at: datetime) -> Document:
    """Return `maestro.ahead/1`: the prefetched archives."""
    found = [
        {
            "package": one.package,
            "architecture": one.architecture,
            "version": one.version,
            **({"file": one.file} if one.file else {}),
        }
        for one in archives
    ]
    return {"schema": AHEAD_SCHEMA, "generated_at": format_utc(generated_at), "archives": found}


def archives_from_document(document: JsonReader) -> tuple[Archive, ...]:
    """Return the prefetched archives."""
    return tuple(
        Archive(
            package=part.text("package"),
            architecture=part.text("architecture"),
            version=part.text("version"),
            file=part.optional_text("file") or "",
        )
        for part in document.children("archives")
    )


def _reading_to_document(subject: VersionChange, found: ChangelogFindings | None) -> Document:
    return {
        "package": subject.package,
        "architecture": subject.architecture,
        "installed": subject.installed,
        "candidate": subject.candidate,
        "cves": list(found.cves) if found else None,
        "security_upload": found.security_upload if found else None,
        "complete": found.complete if found else None,
    }


def _reading_from_document(part: JsonReader) -> tuple[VersionChange, ChangelogFindings | None]:
    subject = VersionChange(
        package=part.text("package"),
        architecture=part.text("architecture"),
        installed=part.text("installed"),
        candidate=part.text("candidate"),
    )
    cves = part.optional_texts("cves")
    if cves is None:
        return subject, None
    upload, complete = part.boolean("security_upload"), part.boolean("complete")
    return subject, ChangelogFindings(cves=tuple(cves), security_upload=upload, complete=complete)
