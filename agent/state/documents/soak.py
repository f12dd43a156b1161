"""The `soak` of `maestro.state/1`. Pure; the view is `agent.state.soak_view`."""

from agent.core.policy.policy import SoakPolicy
from agent.core.schemas import Document


def soak_to_document(soak: SoakPolicy, cohort: int) -> Document | None:
    """Return the age policy and this machine's cohort; null if no update has to wait."""
    if not (soak.security or soak.other or soak.rollout):
        return None
    return {
        "security_s": int(soak.security.total_seconds()),
        "other_s": int(soak.other.total_seconds()),
        "rollout_s": int(soak.rollout.total_seconds()),
        "cohort": cohort,
        "override": list(soak.override),
    }
