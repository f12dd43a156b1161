"""Requests of the endpoint (`maestro.request/1`) and the record of their lives, as frozen values."""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum

from agent.core.frozen import frozen
from agent.core.schemas import Document


class Verb(Enum):
    """What a request may ask for: a closed list. Each is allowed by itself in `requests.allow`."""

    CHECK = "check"
    SEND_REPORT = "send-report"
    UPGRADE_SECURITY = "upgrade-security"
    UPGRADE_FIXES = "upgrade-fixes"
    REBOOT_IF_REQUIRED = "reboot-if-required"
    APPLY_DOCKER = "apply-docker"
    APPLY_WEAVE = "apply-weave"


class RequestWhy(Enum):
    """Why a request was refused or has failed."""

    NOT_ALLOWED = "not-allowed"
    UNKNOWN_VERB = "unknown-verb"
    INVALID = "invalid"
    NOT_FOR_THIS_HOST = "not-for-this-host"
    EXPIRED = "expired"
    STALE = "stale"
    """Created before a request that is no longer on record: it may have been carried out."""
    DUPLICATE_ID = "duplicate-id"
    """Another request had the same id."""
    PLAN_CHANGED = "plan-changed"
    NOT_IN_PLAN = "not-in-plan"
    UNSIGNED = "unsigned"
    BAD_SIGNATURE = "bad-signature"
    SIGNER_UNKNOWN = "signer-unknown"
    NOT_CONFIRMED = "not-confirmed"
    """Not signed, and the endpoint does not have it."""
    NO_WINDOW = "no-window"
    BUSY_TOO_LONG = "busy-too-long"
    INTERRUPTED = "interrupted"


class RequestState(Enum):
    """How far a request has come; each change is an event `request-STATE`."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


ENDED = frozenset(
    {
        *(RequestState.REFUSED, RequestState.DONE, RequestState.FAILED),
        *(RequestState.EXPIRED, RequestState.CANCELLED),
    }
)
"""States that never change again."""


@frozen
class Request:
    """One request, valid by itself. Whether it is allowed here is another matter."""

    id: str
    host_id: str
    verb: Verb
    in_window: bool = False
    """Run at the next opening of the maintenance window for this kind of work; else at once."""
    reboot_if_required: bool = False
    """After an upgrade."""
    fixes: tuple[str, ...] = ()
    """Packages or CVE ids, of `Verb.UPGRADE_FIXES`."""
    created_at: datetime
    expires_at: datetime
    requested_by: str
    comment: str = ""
    plan_id: str | None = None
    signature: str | None = None
    digest: str
    """SHA-256 of the canonical form: everything but the signature."""
    document: Document

    @property
    def needs(self) -> tuple[Verb, ...]:
        """The verbs that the configuration has to allow."""
        return (self.verb, Verb.REBOOT_IF_REQUIRED) if self.reboot_if_required else (self.verb,)


@frozen
class Malformed:
    """A document with a request's id that is not a valid request."""

    id: str
    verb: str
    digest: str
    why: RequestWhy
    detail: str


@frozen
class LifeStep:
    """One change of a request's state."""

    state: RequestState
    at: datetime
    sequence: int
    """Position among all events of the record; a step that is sent again gets a new one."""
    why: RequestWhy | None = None
    detail: str = ""
    run: str = ""
    """Id of the run in the history; empty: none, or not known yet."""


@frozen
class RequestEntry:
    """One request on record."""

    id: str
    verb: str
    """As it was sent; "unknown" for an id that was cancelled before its request arrived."""
    digest: str = ""
    """Empty: the content is not known, so that every content counts as the same."""
    created_at: datetime | None = None
    expires_at: datetime | None = None
    requested_by: str = ""
    signed_by: str = ""
    """Principal of the verified signature; empty: none."""
    document: Mapping[str, object] | None = None
    """The request, until it has ended."""
    steps: tuple[LifeStep, ...]
    """At least one, in order."""
    conflict: LifeStep | None = None
    """The refusal of another request with the same id."""
    repeated_at: datetime | None = None
    """When the last step was last put into the events again."""

    @property
    def last(self) -> LifeStep:
        """The step that the request's state comes from."""
        return self.steps[-1]

    @property
    def state(self) -> RequestState:
        """How far the request has come."""
        return self.last.state

    @property
    def ended(self) -> bool:
        """Whether its state never changes again."""
        return self.state in ENDED


@frozen
class RequestBook:
    """All requests on record (`requests.json`): what makes each id run at most once."""

    id: str
    """Identity of this record: the events of another one are numbered from 1 again."""
    entries: tuple[RequestEntry, ...] = ()
    floor: datetime | None = None
    """The latest `created_at` of the entries that were removed: a request that is not younger may be one of them."""
    sequence: int = 0
    """Of the newest event."""

    def find(self, request_id: str) -> RequestEntry | None:
        """Return the entry of an id; None: there is none."""
        return next((entry for entry in self.entries if entry.id == request_id), None)


@frozen
class RequestRefusal:
    """Why a request is not accepted."""

    why: RequestWhy
    detail: str = ""


@frozen
class Authentic:
    """Who a request is from, as verified: the principal of its signature, or empty where the endpoint confirmed it."""

    signed_by: str = ""


@frozen
class Ending:
    """How a request ends."""

    state: RequestState
    why: RequestWhy | None = None
    detail: str = ""
    run: str = ""


@frozen
class RequestOffers:
    """What an answer of the endpoint carries. Nothing in it has been verified."""

    documents: tuple[Document, ...] = ()
    cancelled: tuple[str, ...] = ()
    """Ids."""


NO_OFFERS = RequestOffers()
