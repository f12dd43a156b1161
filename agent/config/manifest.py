"""Reads the manifest: which versions of Docker and Weave the machine is to have.

It has the form of a Cloud 66 manifest. PyYAML, and the rules of versions with the model that they need, are loaded only
where there is one: every job and the daemon import this module.
"""

import os
import stat
from collections.abc import Sequence
from importlib import import_module

from agent.core.manifest import Manifest, ManifestValue, to_manifest
from agent.core.policy.policy import DockerPolicy
from agent.core.redact import redact
from agent.errors import ConfigError

DEFAULT_MANIFEST = "/etc/maestro-agent/manifest.yml"
_PARSER = "agent.config.manifest_yaml"
_VERSIONS = "agent.core.docker.versions"
_MAX_BYTES = 1 << 16
"""A manifest has some hundred lines at most; this also bounds the time and memory of parsing."""


def read_manifest(policy: DockerPolicy) -> tuple[ManifestValue, ...]:
    """Return the manifest's values; none if there is no manifest.

    The default file may be missing, any other must exist.

    Raises:
        ConfigError: it cannot be read or used; one line per problem, each names file, line and key.
    """
    if not policy.manifest:
        return ()
    data = _read(policy.manifest)
    if data is None:
        return ()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{policy.manifest}: is not UTF-8 text (byte {error.start})") from error
    values: tuple[ManifestValue, ...] = import_module(_PARSER).parse(text, policy.manifest, policy.environment)
    return values


def load_manifest(policy: DockerPolicy) -> Manifest:
    """Return what the manifest asks for; one that cannot be used has a `problem` and stops nothing else."""
    try:
        return to_manifest(read_manifest(policy))
    except ConfigError as error:
        return Manifest(problem=str(error))


def check_values(values: Sequence[ManifestValue]) -> None:
    """Validate values that another version of the agent has read.

    Raises:
        ConfigError: as `read_manifest`.
    """
    for one in values:
        try:
            import_module(_VERSIONS).parse_request(one.value)
        except ValueError as error:
            raise ConfigError(redact(f"{one.source}: {one.name} = {one.value!r}: {error}")) from error


def _read(path: str) -> bytes | None:
    """Return the file's content; None if it may be missing and is. A link to nothing is not missing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        if path == DEFAULT_MANIFEST and not os.path.lexists(path):
            return None
        raise ConfigError(f"{path}: does not exist (docker.manifest)") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ConfigError(f"{path}: is not a regular file")
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"{path}: is larger than {_MAX_BYTES} bytes")
    return data
