"""The `release` of `maestro.state/1`. Pure; the view is `agent.state.release_view`."""

from agent.core.model.release import ReleaseSupport
from agent.core.schemas import Document


def release_to_document(found: ReleaseSupport) -> Document:
    """Return the release and the phases of its support, each with its last day as a date."""
    release = found.release
    return {
        "distribution": release.distribution,
        "version": release.version or None,
        "codename": release.codename or None,
        "unknown": found.unknown.value if found.unknown else None,
        "phases": [
            {"name": phase.name, "until": phase.until.isoformat(), "covered": phase.covered} for phase in found.phases
        ],
    }
