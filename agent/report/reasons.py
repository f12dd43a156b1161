"""The sentence of every reason code, and the remedy that opens each gate. Pure."""

from collections.abc import Mapping
from datetime import datetime

from agent.core.frozen import replace
from agent.core.model.kernels import Removal
from agent.core.model.plan import Held, Plan, Why
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.packages.explain import GateReport, Opener
from agent.state.timestamps import format_human

SENTENCES: Mapping[ReasonCode, str] = {
    ReasonCode.TEXT: "{0}",
    ReasonCode.ON_HOLD: "marked hold (`apt-mark unhold` opens it)",
    ReasonCode.BLOCKLISTED: "matches {0!r} in security.blocklist",
    ReasonCode.NOT_ALLOWLISTED: "not in security.allowlist ({0})",
    ReasonCode.CONFLICTING_ORIGIN: "{0} offers a different package under version {1}, and apt confuses the two",
    ReasonCode.NOT_AUTHENTICATED: "{0} {1} is not authenticated: its signature is missing or bad",
    ReasonCode.ROLLOUT: "rolled out to {0} % of machines so far, not yet to this one",
    ReasonCode.CONTAINER_RUNTIME: "belongs to the container runtime: upgrading it means downtime "
    "(security.include_runtime = true opens it)",
    ReasonCode.SNOOZED: "snoozed until {1} by {2}: {3}",
    ReasonCode.SNOOZED_CVES: "all its CVEs are snoozed ({0}), until {1} by {2}: {3}",
    ReasonCode.SNOOZED_IN_PART: "{0}: snoozed, but the update also fixes {1}",
    ReasonCode.SNOOZED_UNREAD: "{0}: snoozed, but the changelog was not read completely, so the update may fix others",
    ReasonCode.SOAKING: "first seen here {0}, soaks until {1}",
    ReasonCode.SOAKING_AGAIN: "first seen here {0}, soaks until {1}; an older version of the fix was first seen {2}",
    ReasonCode.SOAKED: "first seen here {0}, due since {1}",
    ReasonCode.SOAK_OVERRIDDEN: "exempt by {0!r} in soak.override; first seen here {1}",
    ReasonCode.NOT_IN_COHORT: "first seen here {0}; the rollout reaches cohort {1}, this machine's, {2}",
    ReasonCode.HELD_WITH_GROUP: "goes together with {0}, which is held back ({1})",
    ReasonCode.ESM_ONLY: "only Ubuntu Pro has it ({0}), and that source is not enabled on this machine",
    ReasonCode.FAILED_IN_RUN: "failed in this run: {0}",
    ReasonCode.SUPERSEDED: "superseded by {0}, and not running",
    ReasonCode.MARKED_MANUAL: "marked as installed by hand (`apt-mark auto` opens it)",
    ReasonCode.UPGRADED_BY_PLAN: "this plan upgrades it",
    ReasonCode.RUNNING_KERNEL: "belongs to the running kernel",
    ReasonCode.RUNNING_KERNEL_UNKNOWN: "the running kernel {0} belongs to no installed package, "
    "so it is not known which installed kernels are still needed",
    ReasonCode.NEWEST_KERNEL: "belongs to the newest kernel",
    ReasonCode.PLANNED_KERNEL: "belongs to a kernel that this plan installs",
    ReasonCode.UNUSED: "installed automatically, and nothing needs it after this upgrade",
    ReasonCode.NEEDED_BY: "needed by {0}, which stays",
    ReasonCode.GATE_OPEN: "nothing in the way",
    ReasonCode.NO_VERSION: "no newer version to judge",
    ReasonCode.ROLLOUT_UNKNOWN: "`maestro-agent upgrade --all --dry-run` shows "
    "whether the rollout has reached this machine",
    ReasonCode.LISTS_USABLE: "package lists are {0}, last verified {1}",
    ReasonCode.LISTS_FAULT: "package lists are {0}: {1}: {2}",
    ReasonCode.LISTS_UNUSABLE: "package lists are {0}, last verified {1}: updates may be missing",
    ReasonCode.INSTALLED: "version {0} is installed",
    ReasonCode.NOT_INSTALLED: "not installed, so there is nothing to upgrade",
    ReasonCode.UNFINISHED: "dpkg did not finish it: {0}",
    ReasonCode.OFFERED: "{0} {1} offers {2}",
    ReasonCode.NOT_OFFERED: "no allowed origin offers a newer version",
    ReasonCode.OFFERED_ELSEWHERE: "no allowed origin offers a newer version; "
    "{0} {1} offers {2}, which is not a security update",
    ReasonCode.DEPENDENCIES_MET: "all dependencies can be satisfied without a removal",
    ReasonCode.NOT_TRIED: "not tried, because the gate {0!r} is shut",
    ReasonCode.PROMPT_UNKNOWN: "whether dpkg would prompt about a configuration file is known only after the download",
    ReasonCode.UNMET_DEPENDENCIES: "dependencies of {0} are not met; "
    "`apt-get --fix-broken install` shows what would help",
    ReasonCode.STOPPED: "stopped: {0}; the next run continues",
    ReasonCode.LISTS_PARTIAL: "the lists of some package sources could not be fetched, so updates may be missing",
    ReasonCode.LISTS_NEVER: "there are no package lists of security sources, so pending security updates are unknown",
    ReasonCode.LISTS_STALE: "the package lists are stale, so updates may be missing",
}
"""By code; `{0}` and so on are the reason's values."""
OPENERS: Mapping[Why | Opener, str] = {
    Why.HELD_BY_ADMIN: "apt-mark unhold {package}",
    Why.BLOCKLISTED: "remove the pattern from security.blocklist",
    Why.NOT_ALLOWLISTED: "add it to security.allowlist, or empty that list",
    Why.PINNED: "change the pin in /etc/apt/preferences.d (`apt-cache policy {package}` shows it)",
    Why.NEEDS_OTHER_ORIGIN: "allow that origin in security.origins, or install by hand: apt-get install {package}",
    Why.WOULD_REMOVE: "decide by hand: apt-get install {package} shows what would be removed",
    Why.UNTRUSTED: "fix the repository's signature or its key in /etc/apt",
    Why.PHASED: "wait: the rollout reaches this machine in a few days",
    Why.RUNTIME_MANAGED: "security.include_runtime = true; plan the downtime first",
    Why.BROKEN_DEPENDENCY: "apt-get install {package} shows the relation that fails",
    Why.DOWNLOAD_FAILED: "the repository must offer the file again; the next run tries it",
    Why.FAILED_BEFORE: "`maestro-agent history` shows the error; the next run tries it again",
    Why.NO_SPACE: "free space on the file system",
    Why.CONFFILE: 'decide by hand: apt-get install {package}; or security.conffiles = "keep"',
    Why.SNOOZED: "wait until it ends; `maestro-agent snooze --list` shows it, `maestro-agent snooze --end` ends it",
    Why.SOAKING: "wait; or at once: maestro-agent upgrade {package}",
    Why.NOT_IN_COHORT: "wait; or at once: maestro-agent upgrade {package}",
    Why.ESM_ONLY: "`pro attach`, or `pro enable` where it is attached, then `maestro-agent check`",
    Opener.CHECK: "maestro-agent check",
    Opener.REPAIR: "maestro-agent upgrade finishes it",
    Opener.FIX_BROKEN: "apt-get --fix-broken install",
    Opener.UPGRADE_ALL: "maestro-agent upgrade --all installs other updates too",
    Opener.UPGRADE_ALL_AT_ONCE: "wait; or at once: maestro-agent upgrade --all {package}",
    Opener.NEEDED_PACKAGE: "`maestro-agent explain` of the needed package shows what opens its gate",
    Opener.KEEP_CONFFILES: 'security.conffiles = "keep"',
}
"""What opens a gate, by the reason it is shut for; `{package}` is the explained package."""


def sentence(reason: Reason) -> str:
    """Return a reason as text, its clauses first."""
    values = [format_human(value) if isinstance(value, datetime) else value for value in reason.values]
    return " ".join((*reason.clauses, SENTENCES[reason.code].format(*values)))


def gate_texts(gate: GateReport, package: str) -> tuple[str, str | None]:
    """Return the reason of a gate of `explain`, and what opens it; None if it is not shut."""
    prefix = f"{gate.why.value}: " if gate.why is not None else ""
    opens = OPENERS[gate.opens].format(package=gate.opens_for or package) if gate.opens is not None else None
    return prefix + sentence(gate.reason), opens


def with_sentences(plan: Plan) -> Plan:
    """Return the plan with the sentence of each reason, as documents show it."""
    return replace(
        plan,
        held=tuple(_held(held) for held in plan.held),
        esm_only=tuple(_held(held) for held in plan.esm_only),
        overridden=tuple(replace(one, detail=sentence(one.cause)) for one in plan.overridden),
        remove=tuple(_removal(removal) for removal in plan.remove),
        kept=tuple(_removal(removal) for removal in plan.kept),
    )


def _held(held: Held) -> Held:
    return replace(held, detail=sentence(held.cause))


def _removal(removal: Removal) -> Removal:
    return replace(removal, reason=sentence(removal.cause))
