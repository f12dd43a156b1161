"""Weave's script and what is kept while it is being changed, behind the port `agent.core.weave.ports.WeaveFiles`."""

import hashlib
import os
import stat
from contextlib import suppress

from agent.core.frozen import replace
from agent.core.policy.policy import WeavePolicy
from agent.core.version_numbers import version_numbers
from agent.core.weave.snapshot import SavedScript
from agent.errors import HostError
from agent.host.weave.script import script_version
from agent.host.weave.source import MOST_BYTES, read_source
from agent.state.safe_open import open_regular, sync_directory

_SHELL = b"#!/bin/sh"
_UNRELEASED = "unreleased"
"""SCRIPT_VERSION of the fork's scripts, which nothing stamps (M1): then the checksum alone says which version it is."""
_NEW_MODE = 0o755
_STAGED = ".maestro-new"
_SCRIPT, _PASSWORD = "script", "password"  # names of files


class LocalWeaveFiles:
    """The script of this machine; kept files are in a directory that only root can enter."""

    def __init__(self, directory: str, policy: WeavePolicy) -> None:
        """Take the directory of kept files, and where scripts come from."""
        self._directory = directory
        self._policy = policy

    def keep(self, script: SavedScript, password: str) -> SavedScript:
        """Keep a copy of the installed script and the password; return the script with mode and owner.

        Raises:
            HostError: they cannot be kept, or the script is another one by now.
        """
        try:
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            os.chmod(self._directory, 0o700)
            self._write(_PASSWORD, password.encode("utf-8", "surrogateescape"))
            return self._keep_script(script) if script.sha256 else script
        except OSError as error:
            raise HostError(f"{error.filename or self._directory}: cannot be kept: {error.strerror}") from error

    def password(self) -> str:
        """Return the kept password; empty if there is none. Raises HostError: it cannot be read."""
        try:
            return _read(self._kept(_PASSWORD)).decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise HostError(f"{error.filename}: cannot be read: {error.strerror}") from error

    def fetch(self, version: str, script: SavedScript) -> str:
        """Fetch and check a version's script, beside the installed one; return its SHA-256.

        Raises:
            HostError: it cannot be had, or is not the one of that version; nothing was changed.
        """
        content = read_source(self._policy.source, version)
        problem, digest = self._problem(content, version), hashlib.sha256(content).hexdigest()
        if problem:
            raise HostError(f"the script of Weave {version} cannot be used: {problem}")
        path = f"{os.path.realpath(script.path)}{_STAGED}"
        try:
            with suppress(FileNotFoundError):
                os.unlink(path)
            _write(path, content, 0o600)
        except OSError as error:
            raise HostError(f"{path}: cannot be written: {error.strerror}") from error
        return digest

    def install(self, script: SavedScript, sha256: str) -> None:
        """Replace the installed script by the fetched one in one step. Raises HostError: it is unchanged."""
        path = os.path.realpath(script.path)
        staged = f"{path}{_STAGED}"
        try:
            if hashlib.sha256(_read(staged)).hexdigest() != sha256:
                raise HostError(f"{staged}: has changed since it was checked")
            os.chmod(staged, _NEW_MODE)
            os.replace(staged, path)
            sync_directory(os.path.dirname(path))
        except OSError as error:
            raise HostError(f"{path}: cannot be replaced: {error.strerror}") from error

    def restore(self, script: SavedScript) -> None:
        """Put the kept script back, or remove the installed one where there was none. Raises HostError."""
        path = os.path.realpath(script.path)
        try:
            if not script.sha256:
                with suppress(FileNotFoundError):
                    os.unlink(path)
                return
            content = _read(self._kept(_SCRIPT))
            if hashlib.sha256(content).hexdigest() != script.sha256:
                raise HostError(f"{self._kept(_SCRIPT)}: is not the script of before")
            temporary = f"{path}.maestro-old"
            with suppress(FileNotFoundError):
                os.unlink(temporary)
            _write(temporary, content, 0o600)
            os.chown(temporary, *script.owner)
            os.chmod(temporary, script.mode)
            os.replace(temporary, path)
            sync_directory(os.path.dirname(path))
        except OSError as error:
            raise HostError(f"{path}: cannot be restored: {error.strerror}") from error

    def forget(self, script: SavedScript) -> None:
        """Remove everything that is kept, and a fetched script that was not installed. Raises HostError."""
        places = [self._kept(_PASSWORD), self._kept(_SCRIPT), f"{os.path.realpath(script.path)}{_STAGED}"]
        try:
            for path in places:
                with suppress(FileNotFoundError):
                    os.unlink(path)
            with suppress(FileNotFoundError):
                os.rmdir(self._directory)
        except OSError as error:
            raise HostError(f"{error.filename}: cannot be removed: {error.strerror}") from error

    def _problem(self, content: bytes, version: str) -> str:
        """Return why a script is not that of a version; empty if it is."""
        digest = hashlib.sha256(content).hexdigest()
        if digest != self._policy.sha256.of(version):
            return f"its SHA-256 is {digest}, weave.sha256 has another"
        if not content.startswith(_SHELL) or content.partition(b"\n")[0].rstrip() != _SHELL:
            return "it does not begin with #!/bin/sh"
        shown = script_version(content)
        if shown != _UNRELEASED and version_numbers(shown) != version_numbers(version):
            return f"its SCRIPT_VERSION is {shown or 'missing'}"
        return ""

    def _keep_script(self, script: SavedScript) -> SavedScript:
        path = os.path.realpath(script.path)
        content, shown = _read(path), os.stat(path)
        if hashlib.sha256(content).hexdigest() != script.sha256:
            raise HostError(f"{path}: is another file by now")
        self._write(_SCRIPT, content)
        return replace(script, path=path, mode=stat.S_IMODE(shown.st_mode), owner=(shown.st_uid, shown.st_gid))

    def _kept(self, name: str) -> str:
        return os.path.join(self._directory, name)

    def _write(self, name: str, content: bytes) -> None:
        path = self._kept(name)
        with suppress(FileNotFoundError):
            os.unlink(path)
        _write(path, content, 0o600)
        sync_directory(self._directory)


def _read(path: str) -> bytes:
    with open(path, "rb", opener=open_regular) as file:
        return file.read(MOST_BYTES + 1)


def _write(path: str, content: bytes, mode: int) -> None:
    """Create a file and have it on the disk."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
