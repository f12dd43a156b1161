"""Sentences for people about previews and requests, by their codes. Pure."""

from collections.abc import Mapping

from endpoint.core.deployments import EARLIER_STEP
from endpoint.core.host_choice import LeftOut

LEFT_OUT_TEXT: Mapping[str, str] = {
    LeftOut.SHARED_ID.value: "several machines report under its id",
    LeftOut.TOO_OLD.value: "its agent takes no requests: it is of an earlier version",
    LeftOut.NO_REQUESTS.value: "takes no requests ([requests] allow in its configuration)",
    LeftOut.SILENT.value: "silent",
    LeftOut.NOT_ALLOWED.value: "not allowed by its configuration",
    LeftOut.NO_WINDOW.value: "has no maintenance window for it",
    LeftOut.NOTHING_PENDING.value: "nothing to do",
    LeftOut.HELD.value: "all of it is held back there",
    LeftOut.PAST_END.value: "past end of life, and nothing is pending",
    LeftOut.UNKNOWN.value: "no such host, or none in the scope of the person",
    LeftOut.PLAN_UNKNOWN.value: "has reported no plan that it could be held to",
    LeftOut.BLOCKED.value: "its plan is blocked; its page has the reasons",
}
_WHY_TEXT: Mapping[str, str] = {
    "not-allowed": "its configuration does not allow it",
    "unknown-verb": "its agent does not know this kind of request",
    "invalid": "it is not a valid request for this agent",
    "not-for-this-host": "it is for another host",
    "expired": "it arrived too late",
    "stale": "it is older than requests that are no longer on record there",
    "duplicate-id": "another request has the same id",
    "unsigned": "the host takes only what a person has signed",
    "bad-signature": "the signature does not fit",
    "signer-unknown": "nobody in its list of signers has signed it",
    "not-confirmed": "the endpoint did not confirm it to the host",
    "no-window": "no maintenance window opens before it expires",
    "plan-changed": "its plan is another one by now; nothing was done",
    "not-in-plan": "its plan does not have what was requested; nothing was done",
    "busy-too-long": "another package manager or other requests kept it busy",
    "interrupted": "the job was killed, or the machine went down",
    EARLIER_STEP: "an earlier step was not done there",
}


def left_out_text(why: str) -> str:
    """Return why a host is left out; the code of a newer version as it is."""
    return LEFT_OUT_TEXT.get(why, why)


def why_text(why: str) -> str:
    """Return why a request was refused or has failed; the code of a newer agent as it is."""
    return _WHY_TEXT.get(why, why)


def verb_text(verb: str, arguments: Mapping[str, object]) -> str:
    """Return what is requested."""
    texts = {
        "check": "Check",
        "send-report": "Send a report",
        "upgrade-security": "Security upgrades",
        "upgrade-fixes": "Upgrade of named fixes",
        "reboot-if-required": "Reboot if required",
        "apply-docker": "Docker to the version of the manifest",
        "apply-weave": "Weave to the version of the manifest",
    }
    fixes = arguments.get("fixes")
    named = f": {', '.join(map(str, fixes))}" if isinstance(fixes, list) and fixes else ""
    reboot = ", reboot if required" if arguments.get("reboot") == "if-required" else ""
    window = ", in the maintenance window" if arguments.get("when") == "window" else ""
    return f"{texts.get(verb, verb)}{named}{reboot}{window}"
