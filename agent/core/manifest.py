"""The versions that the manifest asks for. Pure; `agent.config.manifest` reads the file."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the manifest asks for; None: the component is not mentioned, so it is never changed."""

    docker_version: str | None = None
    """As written, "27.3.1", "20.10.x", "latest"."""
    weave_version: str | None = None


NO_MANIFEST = Manifest()
