"""The accepted configuration: the last valid one, which the daemon and the jobs that it requests use.

Root validates the files when systemd starts or reloads the daemon, and writes a copy into the state directory. A wrong
drop-in then changes nothing until it is repaired. The copy has the parsed files and not the policy, so that another
version of the agent can validate it by its own rules. The manifest belongs to it: a wrong one is not accepted either.
"""

import json
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import Any

from agent.config.fragments import Fragment, configuration_files, read_fragments
from agent.config.load import Inputs, UnmatchedPatternsError, load, merge, to_policy
from agent.config.manifest import check_values, load_manifest, read_manifest
from agent.config.signers import check_signers
from agent.core.frozen import frozen
from agent.core.manifest import Manifest, ManifestValue, to_manifest
from agent.core.policy.distro import Distro
from agent.core.policy.policy import DockerPolicy, Policy
from agent.core.schemas import ACCEPTED_CONFIG_SCHEMA
from agent.errors import ConfigError, HostError

_FILE = "accepted-config.json"
_MAX_BYTES = 1 << 22
_TIME = "%Y-%m-%dT%H:%M:%SZ"
Signature = list[list[object]]
"""Path, inode, size and change time of each configuration file."""


class FilesState(Enum):
    """How the configuration files differ from the accepted configuration."""

    SAME = "same"
    CHANGED = "changed"
    INVALID = "invalid"


@frozen
class AcceptedConfig:
    """The accepted configuration."""

    policy: Policy
    inputs: Inputs
    accepted_at: datetime
    signature: Signature
    manifest: Manifest
    problem: str = ""
    """Which patterns match nothing and have no effect: an older version of the agent has accepted them."""


@frozen
class ConfigInUse:
    """The configuration of the daemon and its jobs."""

    policy: Policy
    manifest: Manifest
    accepted: AcceptedConfig | None
    """None: it is that of the files."""
    problem: str = ""
    """As `AcceptedConfig.problem`."""


def accept(directory: str, distro: Distro, at: str, group: int) -> None:
    """Validate the configuration files and write their accepted copy, for root and that group to read.

    Raises:
        ConfigError: they are invalid; the copy is unchanged. HostError: it cannot be written.
    """
    signature = _signature()
    fragments = read_fragments(None)
    policy = to_policy(merge(fragments, distro), distro)
    docker = policy.docker
    check_signers(policy.requests)
    signature += _manifest_signature(docker)
    manifest = read_manifest(docker)
    document = {
        "schema": ACCEPTED_CONFIG_SCHEMA,
        "accepted_at": at,
        "signature": signature,
        "files": [{"path": str(fragment.path), "tables": fragment.tables} for fragment in fragments],
        "manifest": [{"name": one.name, "value": one.value, "source": one.source} for one in manifest],
    }
    try:
        os.makedirs(directory, mode=0o755, exist_ok=True)
        _replace(os.path.join(directory, _FILE), json.dumps(document, indent=1), group)
    except OSError as error:
        raise HostError(f"{directory}/{_FILE}: cannot be written: {error.strerror}") from error


def load_accepted(directory: str, distro: Distro) -> AcceptedConfig | None:
    """Return the accepted configuration; None if there is none.

    Raises:
        ConfigError: it cannot be used: damaged, not root's own, or not valid for this version of the agent.
    """
    path = os.path.join(directory, _FILE)
    try:
        document = json.loads(_read_own(path))
        fragments = [Fragment(path=Path(one["path"]), tables=dict(one["tables"])) for one in document["files"]]
        schema, signature = document["schema"], document["signature"]
        values = _manifest_values(document)
        accepted_at = datetime.strptime(document["accepted_at"], _TIME).replace(tzinfo=timezone.utc)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ConfigError(f"{path}: is damaged") from error
    if schema != ACCEPTED_CONFIG_SCHEMA or not isinstance(signature, list):
        raise ConfigError(f"{path}: is of another version")
    inputs, problem = _merge_without_unmatched(fragments, distro)
    return AcceptedConfig(
        policy=to_policy(inputs, distro),
        inputs=inputs,
        accepted_at=accepted_at,
        signature=signature,
        manifest=_valid(values),
        problem=problem,
    )


def load_in_use(directory: str, distro: Distro) -> ConfigInUse:
    """Return the accepted configuration or, where there is none that can be used, that of the files.

    Patterns that match nothing do not stop the daemon, if there is nothing better: an older version of the agent, which
    kept no copy or had other rules, may have started with them, and an update of the agent must not end the updates.

    Raises:
        ConfigError: there is none, and the files are invalid.
    """
    accepted = None
    with suppress(ConfigError):
        accepted = load_accepted(directory, distro)
    if accepted is None or accepted.problem:
        try:
            inputs, problem = _merge_without_unmatched(read_fragments(None), distro)
        except ConfigError:
            if accepted is None:
                raise
        else:
            if accepted is None or not problem:
                policy = to_policy(inputs, distro)
                return ConfigInUse(policy=policy, manifest=load_manifest(policy.docker), accepted=None, problem=problem)
    return ConfigInUse(policy=accepted.policy, manifest=accepted.manifest, accepted=accepted, problem=accepted.problem)


def load_for_job(config: Path | None, directory: str, distro: Distro, *, scheduled: bool) -> tuple[Policy, Manifest]:
    """Return the configuration in use for a scheduled job; a person's job reads the files and sees what is wrong.

    A wrong manifest stops only upgrades of Docker and Weave (`Manifest.problem`).

    Raises:
        ConfigError: the configuration is wrong.
    """
    if scheduled:
        in_use = load_in_use(directory, distro)
        return in_use.policy, in_use.manifest
    policy, _ = load(config, distro)
    return policy, load_manifest(policy.docker)


def _merge_without_unmatched(fragments: Iterable[Fragment], distro: Distro) -> tuple[Inputs, str]:
    """Merge fragments; return also which patterns match nothing, if nothing else is wrong.

    Raises:
        ConfigError: something else is wrong.
    """
    try:
        return merge(fragments, distro), ""
    except UnmatchedPatternsError as error:
        return error.inputs, str(error)


class FilesWatch:
    """Compares the configuration files with the accepted configuration; reads them only after a change."""

    def __init__(self) -> None:
        self._seen: object = None
        self._result = (FilesState.SAME, "")

    def compare(self, accepted: AcceptedConfig, distro: Distro) -> tuple[FilesState, str]:
        """Return how the files differ, and for invalid ones what is wrong."""
        try:
            signature = _signature() + _manifest_signature(accepted.policy.docker)
        except ConfigError as error:
            return _unreadable(error)
        if signature == accepted.signature:
            return FilesState.SAME, ""
        seen = (signature, accepted.accepted_at)
        if seen != self._seen:
            self._seen = seen
            self._result = _difference(accepted, distro)
        return self._result


def _difference(accepted: AcceptedConfig, distro: Distro) -> tuple[FilesState, str]:
    try:
        found = merge(read_fragments(None), distro)
        if _values(found) != _values(accepted.inputs):
            return FilesState.CHANGED, ""
        manifest = to_manifest(read_manifest(to_policy(found, distro).docker))
    except ConfigError as error:
        return _unreadable(error)
    return (FilesState.SAME if manifest == accepted.manifest else FilesState.CHANGED), ""


def _unreadable(error: ConfigError) -> tuple[FilesState, str]:
    """Return the result for files that only root may read, as is its right: unknown, and so none."""
    return (FilesState.SAME, "") if isinstance(error.__cause__, PermissionError) else (FilesState.INVALID, str(error))


def _values(inputs: Inputs) -> Mapping[str, object]:
    return {name: one.value for name, one in inputs.items()}


def _manifest_values(document: Mapping[str, Any]) -> list[ManifestValue]:
    """Return the manifest's values in a copy; none in one of an agent that did not read the manifest."""
    found = [ManifestValue(**one) for one in document.get("manifest", ())]
    if not all(isinstance(text, str) for one in found for text in (one.name, one.value, one.source)):
        raise TypeError("a value of the manifest is not text")
    return found


def _valid(values: Sequence[ManifestValue]) -> Manifest:
    """Return the accepted manifest, or that it is not valid for this version of the agent."""
    try:
        check_values(values)
    except ConfigError as error:
        return Manifest(problem=str(error))
    return to_manifest(values)


def _manifest_signature(docker: DockerPolicy) -> Signature:
    return [[docker.manifest, *_identity(Path(docker.manifest))]] if docker.manifest else []


def _signature() -> Signature:
    return [[str(path), *_identity(path)] for path in configuration_files(None)]


def _identity(path: Path) -> Sequence[object]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _read_own(path: str) -> str:
    """Read a file that nobody but root, or this user, can have written.

    Raises:
        OSError: it cannot be read, or somebody else can write it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, encoding="utf-8") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid not in {0, os.geteuid()} or found.st_mode & 0o022:
            raise PermissionError(f"it is not a file that only root can write: {path}")
        return file.read(_MAX_BYTES)


def _replace(path: str, text: str, group: int) -> None:
    temporary = f"{path}.new"
    with suppress(FileNotFoundError):
        os.unlink(temporary)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        os.fchown(descriptor, -1, group)
        os.fchmod(descriptor, 0o640)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    os.replace(temporary, path)
    directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
