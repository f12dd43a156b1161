"""What is recorded of people's actions. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class AuditAction(Enum):
    """What a person did."""

    LOGGED_IN = "logged-in"
    LOGGED_OUT = "logged-out"
    PASSWORD_SET = "password-set"  # noqa: S105 - not a secret
    TOTP_ENABLED = "totp-enabled"
    TOTP_DISABLED = "totp-disabled"
    USER_ADDED = "user-added"
    USER_CHANGED = "user-changed"
    USER_DISABLED = "user-disabled"
    USER_ENABLED = "user-enabled"
    LINK_MADE = "link-made"
    TOKEN_ADDED = "token-added"  # noqa: S105 - not a secret
    TOKEN_REVOKED = "token-revoked"  # noqa: S105 - not a secret
    DEPLOYMENT_CREATED = "deployment-created"
    DEPLOYMENT_SIGNED = "deployment-signed"
    DEPLOYMENT_CANCELLED = "deployment-cancelled"
    DEPLOYMENT_RESUMED = "deployment-resumed"
    SLOT_RELEASED = "slot-released"
    TAGS_CHANGED = "tags-changed"
    NOTE_CHANGED = "note-changed"
    VIEW_SAVED = "view-saved"
    VIEW_DELETED = "view-deleted"
    HOST_ENROLLED = "host-enrolled"
    ENROLMENT_APPROVED = "enrolment-approved"
    ENROLMENT_REFUSED = "enrolment-refused"
    ADVISORIES_LOADED = "advisories-loaded"
    BACKUP_MADE = "backup-made"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One recorded action."""

    id: int
    at: datetime
    person: str
    action: str
    """A value of `AuditAction`, or one of a newer version."""
    subject: str
    """What it was done to, as shown: a host's name, a person's name, a token's id."""
    detail: str
    host_id: str | None
    deployment: str | None
    address: str | None
    """Where the request came from; None: a command on the endpoint's machine."""
