"""The versions that the manifest asks for. Pure; `agent.config.manifest` reads the file."""

from collections.abc import Sequence

from agent.core.frozen import frozen


@frozen
class Manifest:
    """What the manifest asks for; None: the component is not mentioned, so it is never changed."""

    docker_version: str | None = None
    """As written, "27.3.1", "20.10.x", "latest"."""
    weave_version: str | None = None
    problem: str = ""
    """Why the manifest cannot be used (config-invalid), one line per problem; then it asks for nothing."""


NO_MANIFEST = Manifest()

DOCKER_VERSION = "docker_version"
WEAVE_VERSION = "weave_version"


@frozen
class ManifestValue:
    """One value of the manifest and its source."""

    name: str
    """`DOCKER_VERSION` or `WEAVE_VERSION`, also where the file has the older key "version"."""
    value: str
    """As written."""
    source: str
    """File and line: "/etc/maestro-agent/manifest.yml:4"."""


def to_manifest(values: Sequence[ManifestValue]) -> Manifest:
    """Return what these values ask for."""
    by_name = {one.name: one.value for one in values}
    return Manifest(docker_version=by_name.get(DOCKER_VERSION), weave_version=by_name.get(WEAVE_VERSION))
