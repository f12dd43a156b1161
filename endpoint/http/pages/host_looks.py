"""How runs, requests and stages of fixes look."""

from collections.abc import Mapping

from endpoint.http.pages.looks import Look, Tone

_GOOD = ("up-to-date", "updated", "upgraded", "restarted", "rebooted", "unchanged", "not-required", "done", "active")
_WARN = ("degraded", "deferred", "busy", "blocked", "stale", "rolled-back", "held", "refused", "expired", "left")
_BAD = (
    *("failed", "interrupted", "failed-needs-attention", "rebooted-with-problems", "not-rebooted", "problem"),
    *("container lost", "missing"),
)
_INFO = (
    *("running", "requested", "queued", "delivered", "received", "accepted", "pending", "installed", "planned"),
    *("end-not-reported", "waiting-signature", "new", "repaired", "changed", "restarting"),
)
_TONES: Mapping[str, Tone] = {
    **dict.fromkeys(_GOOD, Tone.GOOD),
    **dict.fromkeys(_WARN, Tone.WARN),
    **dict.fromkeys(_BAD, Tone.BAD),
    **dict.fromkeys(_INFO, Tone.INFO),
}


def result_look(result: str) -> Look:
    """Return how a result, a status or a stage is shown; one that is not known here by its name."""
    return Look(label=result.replace("-", " "), tone=_TONES.get(result, Tone.MUTE))
