"""Sentences for the reason codes of agents, and what opens each. Pure.

The endpoint does not import the agent: these are copies. tests/core/test_host_page_reasons.py compares them with the
agent's. A code that is not listed, of a newer agent, is shown as it is, with the host's own detail.
"""

from collections.abc import Mapping

WHYS: Mapping[str, str] = {
    "held-by-admin": "an administrator marked the package hold",
    "blocklisted": "the host's security.blocklist has it",
    "not-allowlisted": "the host's security.allowlist does not have it",
    "pinned": "apt's preferences pin it",
    "needs-other-origin": "it needs a package that no allowed origin has",
    "would-remove": "installing it would remove packages",
    "would-downgrade": "installing it would install an older version",
    "untrusted": "its repository is not authenticated",
    "phased": "the distribution rolls it out in steps, and has not reached this host",
    "runtime-managed": "it belongs to the container runtime: upgrading it means downtime",
    "broken-dependency": "a dependency of it is not met",
    "download-failed": "it could not be downloaded",
    "failed-before": "it failed in an earlier run",
    "no-space": "a file system has too little space",
    "conffile": "dpkg would ask about a configuration file",
    "esm-only": "only Ubuntu Pro has it, and its source is not enabled on the host",
    "snoozed": "a person snoozed it",
    "soaking": "the host first saw this version lately and lets it soak",
    "not-in-cohort": "the staged rollout has not reached the host's cohort",
}
"""Why an update is held, by the code in `held_items[].why`."""
OPENERS: Mapping[str, str] = {
    "held-by-admin": "apt-mark unhold {package}",
    "blocklisted": "remove the pattern from security.blocklist",
    "not-allowlisted": "add it to security.allowlist, or empty that list",
    "pinned": "change the pin in /etc/apt/preferences.d (`apt-cache policy {package}` shows it)",
    "needs-other-origin": ("allow that origin in security.origins, or install by hand: apt-get install {package}"),
    "would-remove": "decide by hand: apt-get install {package} shows what would be removed",
    "untrusted": "fix the repository's signature or its key in /etc/apt",
    "phased": "wait: the rollout reaches this machine in a few days",
    "runtime-managed": "security.include_runtime = true; plan the downtime first",
    "broken-dependency": "apt-get install {package} shows the relation that fails",
    "download-failed": "the repository must offer the file again; the next run tries it",
    "failed-before": "`maestro-agent history` shows the error; the next run tries it again",
    "no-space": "free space on the file system",
    "conffile": 'decide by hand: apt-get install {package}; or security.conffiles = "keep"',
    "snoozed": "wait until it ends; `maestro-agent snooze --list` shows it, `maestro-agent snooze --end` ends it",
    "soaking": "wait; or at once: maestro-agent upgrade {package}",
    "not-in-cohort": "wait; or at once: maestro-agent upgrade {package}",
    "esm-only": "`pro attach`, or `pro enable` where it is attached, then `maestro-agent check`",
}
"""What opens a held update, for the person at the host."""
REBOOT_WHYS: Mapping[str, str] = {
    "policy-never": "the configuration does not let the agent reboot",
    "outside-window": "no maintenance window is open",
    "run-failed": "the last run failed",
    "dpkg-unfinished": "dpkg has not finished all packages",
    "sessions": "users are logged in",
    "inhibited": "a program inhibits it",
    "hook-deferred": "a hook deferred it",
    "hook-failed": "a hook failed",
    "job-running": "a job is running",
    "fleet-lock": "other hosts of the group hold all slots",
    "lock-unreachable": "the lock server does not answer",
    "scheduled-by-other": "another program has scheduled a shutdown",
}
"""Why a reboot waits."""
REBOOT_OPENERS: Mapping[str, str] = {
    "policy-never": "`maestro-agent reboot` as root reboots now.",
    "outside-window": "Wait for the window, or reboot now: `maestro-agent reboot`.",
    "run-failed": "See `maestro-agent history last`, correct the cause; or `maestro-agent reboot --despite last-run`.",
    "dpkg-unfinished": "`maestro-agent upgrade` finishes the packages.",
    "sessions": "Wait until the users have logged out, or `maestro-agent reboot --despite sessions`.",
    "inhibited": "Wait until the program ends: `systemd-inhibit --list` shows it.",
    "hook-deferred": "Try again later; the hook decides.",
    "hook-failed": "See `journalctl -t maestro-agent`, correct the cause, then try again.",
    "job-running": "Wait for the job: `maestro-agent follow`, then try again; or use `--wait`.",
    "fleet-lock": "Try again once another machine has finished; `maestro-agent lock` shows the group.",
    "lock-unreachable": "Check the lock server; or `maestro-agent reboot --despite fleet-lock`.",
    "scheduled-by-other": "See `shutdown --show`; `maestro-agent reboot --despite scheduled-by-other` replaces it.",
}
"""What lets a reboot that waits happen."""
REQUEST_WHYS: Mapping[str, str] = {
    "not-allowed": "the configuration does not allow it",
    "unknown-verb": "this version of the agent does not know it",
    "invalid": "it is not a valid request",
    "not-for-this-host": "it is for another host",
    "expired": "it arrived after it had expired",
    "stale": "it is older than requests that are no longer on record",
    "duplicate-id": "another request has the same id",
    "plan-changed": "the plan of this host is another",
    "not-in-plan": "the plan of this host does not have it",
    "unsigned": "it is not signed",
    "bad-signature": "its signature is not one of this request",
    "signer-unknown": "nobody in requests.signers has signed it",
    "not-confirmed": "the endpoint does not confirm it",
    "no-window": "no maintenance window opens for it",
    "busy-too-long": "this host was busy for too long",
    "interrupted": "its job was interrupted",
}
"""Why a host refused a request, or why it failed."""


def why_text(why: str) -> str:
    """Return why an update is held, as a clause; an unknown code as it is."""
    return WHYS.get(why, why)


def opener_text(why: str, package: str) -> str | None:
    """Return what opens a held update; None: not known here."""
    found = OPENERS.get(why)
    return None if found is None else found.replace("{package}", package)


def request_why_text(why: str | None) -> str:
    """Return why a request was refused or has failed; empty: no reason was given."""
    return REQUEST_WHYS.get(why, why) if why else ""
