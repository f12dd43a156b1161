"""What is remembered of the packages, on top of the record."""

from datetime import datetime

from agent.core.packages.remembered import RememberedPackages
from agent.core.redact import redact_document
from agent.core.schemas import PACKAGES_SCHEMA
from agent.errors import HostError, RecordError
from agent.state.documents.packages import packages_from_document, packages_to_document
from agent.state.record import Record
from agent.state.store import PACKAGES


def load_packages(record: Record) -> RememberedPackages | None:
    """Return what is remembered; None if there is nothing, or the document cannot be used."""
    reader = record.store.read_or_warn(PACKAGES, PACKAGES_SCHEMA)
    try:
        return packages_from_document(reader) if reader else None
    except RecordError:
        return None


def save_packages(record: Record, remembered: RememberedPackages, now: datetime) -> None:
    """Record what a later job may go by; a failure is kept in the record, as of any document of a check.

    Not what has a secret in it, as a list's path has the token of its source: it would come back as something else.
    """
    document = packages_to_document(remembered, now)
    if record.writable and redact_document(document) == document:
        try:
            record.store.write(PACKAGES, document)
        except HostError as error:
            record.write_error = str(error)
