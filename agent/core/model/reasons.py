"""Reasons as codes and parameters; `agent.report.reasons` holds the sentence of each code."""

from datetime import datetime
from enum import Enum

from agent.core.frozen import frozen, replace


class ReasonCode(Enum):
    """Codes of reasons. The text below a code lists its parameters, in order."""

    TEXT = "text"
    """A complete sentence: of libapt, of dpkg, or of the resolver's diagnosis."""

    # gates
    ON_HOLD = "on-hold"
    BLOCKLISTED = "blocklisted"
    """The pattern."""
    NOT_ALLOWLISTED = "not-allowlisted"
    """The patterns of the allowlist, joined by commas."""
    CONFLICTING_ORIGIN = "conflicting-origin"
    """The other origin; the version."""
    NOT_AUTHENTICATED = "not-authenticated"
    """Origin and archive."""
    ROLLOUT = "rollout"
    """The percentage of machines that the rollout reached."""
    CONTAINER_RUNTIME = "container-runtime"
    SNOOZED = "snoozed"
    """What is snoozed; until when; by whom; the comment."""
    SNOOZED_CVES = "snoozed-cves"
    """The CVE ids, joined by commas; until when the first of them is snoozed; by whom; the comment."""
    SNOOZED_IN_PART = "snoozed-in-part"
    """The CVE ids that are snoozed, and the others that the update fixes; both joined by commas."""
    SNOOZED_UNREAD = "snoozed-unread"
    """The CVE ids that are snoozed, joined by commas; the changelog was not read completely."""
    SOAKING = "soaking"
    """When it was first seen here; when its soak ends."""
    SOAKING_AGAIN = "soaking-again"
    """The same; when an older version of the fix was first seen."""
    SOAKED = "soaked"
    """When it was first seen here; when it was due."""
    SOAK_OVERRIDDEN = "soak-overridden"
    """The entry of `soak.override`; when it was first seen here."""
    NOT_IN_COHORT = "not-in-cohort"
    """When it was first seen here; this machine's cohort; when that is due."""
    HELD_WITH_GROUP = "held-with-group"
    """The held package; the value of its `Why`."""
    ESM_ONLY = "esm-only"
    """Origin and archive."""
    FAILED_IN_RUN = "failed-in-run"
    """The error."""

    # obsolete kernels
    SUPERSEDED = "superseded"
    """The newest kernel's release."""
    MARKED_MANUAL = "marked-manual"
    UPGRADED_BY_PLAN = "upgraded-by-plan"
    RUNNING_KERNEL = "running-kernel"
    RUNNING_KERNEL_UNKNOWN = "running-kernel-unknown"
    """The running kernel's release."""
    NEWEST_KERNEL = "newest-kernel"
    PLANNED_KERNEL = "planned-kernel"
    NEEDED_BY = "needed-by"
    """The package that stays."""

    UNUSED = "unused"

    # explain
    GATE_OPEN = "gate-open"
    NO_VERSION = "no-version"
    ROLLOUT_UNKNOWN = "rollout-unknown"
    LISTS_USABLE = "lists-usable"
    """State of the lists, and when they were last verified."""
    LISTS_FAULT = "lists-fault"
    """State of the lists, the source with a fault, and apt's message."""
    LISTS_UNUSABLE = "lists-unusable"
    """As `LISTS_USABLE`."""
    INSTALLED = "installed"
    """The version."""
    NOT_INSTALLED = "not-installed"
    UNFINISHED = "unfinished"
    """dpkg's state of the package, or that dependencies are not met."""
    OFFERED = "offered"
    """Origin, archive, version."""
    NOT_OFFERED = "not-offered"
    OFFERED_ELSEWHERE = "offered-elsewhere"
    """Origin, archive, version."""
    DEPENDENCIES_MET = "dependencies-met"
    NOT_TRIED = "not-tried"
    """The gate that is shut."""
    PROMPT_UNKNOWN = "prompt-unknown"

    # the summary of a run
    UNMET_DEPENDENCIES = "unmet-dependencies"
    """The packages, joined by commas."""
    STOPPED = "stopped"
    """Why."""
    LISTS_PARTIAL = "lists-partial"
    LISTS_NEVER = "lists-never"
    LISTS_STALE = "lists-stale"


@frozen
class Reason:
    """One reason: the code of its sentence, the parameters, and clauses ahead of it."""

    code: ReasonCode
    values: tuple[str | datetime, ...] = ()
    """A time is shown as local time."""
    clauses: tuple[str, ...] = ()
    """Text ahead of the sentence: the path of the resolver's diagnosis from the update to the package at fault."""

    def after(self, clause: str) -> "Reason":
        """Return the same reason with a clause ahead of it."""
        return replace(self, clauses=(clause, *self.clauses))


def text_reason(text: str) -> Reason:
    """Return a complete sentence as a reason."""
    return Reason(code=ReasonCode.TEXT, values=(text,))


NO_REASON = text_reason("")
