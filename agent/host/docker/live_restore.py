"""Switches live-restore on in a running engine for one restart, by daemon.json and a reload, and puts the file back.

Measured with 20.10.24, 26.1.5 and 28.5.2: after `systemctl reload docker` the engine has live-restore on, and the
restart after it keeps the containers' processes if the file still says so when the new engine starts. A reload of a
file without the key leaves live-restore as it is (26.1.5), so that it has to be switched off by name. The owner's file
keeps its inode, under another name in the same directory: a rename brings it back with content, mode and times, also
after a crash between any two steps.
"""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from agent.core.model.docker import EngineUnit
from agent.host.docker.api import EngineApi, EngineApiError
from agent.host.docker.control import EngineControl
from agent.host.docker.daemon_config import DEFAULT_CONFIG, option
from agent.state.safe_open import sync_directory

SAVED = ".before-live-restore"
"""Suffix of the owner's file while another one has its name."""
_NEW = ".maestro-new"
_INDENT = 1
"""Not that of the manuals' examples: where there was no file, ours is known by its content, and then removed."""
_EFFECT_S = 10.0
_POLL_S = 0.2


class LiveRestoreSwitch:
    """live-restore for one restart of the engine of a unit."""

    def __init__(self, unit: EngineUnit, control: EngineControl, api: Callable[[], EngineApi]) -> None:
        """Take docker.service, its control, and what makes a client of its engine."""
        self._file = ConfigSwap(Path(next(iter(option(unit.arguments, "--config-file")), DEFAULT_CONFIG)))
        self._control = control
        self._api = api

    def on(self) -> str:
        """Switch it on in the running engine; return why it is not on, empty if it is."""
        try:
            self._file.swap()
        except (OSError, ValueError) as error:
            return f"{self._file.path}: {error}"
        self._control.reload()
        shown = self._shows(on=True)
        return "" if shown else "the engine does not show it after a reload (`journalctl -u docker` has the reason)"

    def off(self, *, running: bool) -> str:
        """Put the owner's file back, and have a running engine read it; return what stays to be done by a person."""
        try:
            if not self._file.swapped:
                return ""
            if running and self._file.say_off():
                self._control.reload()
                self._shows(on=False)
            problem = self._file.put_back()
        except OSError as error:
            return f"{self._file.path}: {error.strerror}"
        if running:
            self._control.reload()
        return problem

    def _shows(self, *, on: bool) -> bool:
        """Wait until the engine has live-restore on, or off; return whether it has."""
        deadline = time.monotonic() + _EFFECT_S
        while self._is_on() is not on:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def _is_on(self) -> bool | None:
        """Return whether it is on; None if the engine does not answer."""
        try:
            info = self._api().get("/info")
        except EngineApiError:
            return None
        found = info.get("LiveRestoreEnabled") if isinstance(info, dict) else None
        return found if isinstance(found, bool) else None


class ConfigSwap:
    """daemon.json with live-restore on in the place of the owner's one."""

    def __init__(self, path: Path) -> None:
        """Take the path; a symbolic link stays, the file behind it is swapped."""
        self.path = Path(os.path.realpath(path))
        self._saved = self.path.with_name(self.path.name + SAVED)

    @property
    def swapped(self) -> bool:
        """Whether the owner's file is under its other name, or the present one is ours where there was none."""
        return self._saved.exists() or self._read(self.path) == _with_live_restore(b"")

    def swap(self) -> None:
        """Keep the owner's file under another name, and put one with live-restore on in its place.

        Raises:
            OSError: a file cannot be written. ValueError: the owner's file is no JSON object.
        """
        owners = self._saved if self._saved.exists() else self.path  # the former after a crash
        content = _with_live_restore(self._read(owners) or b"")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists() and not self._saved.exists():
            os.link(self.path, self._saved)
        self._write(content)
        sync_directory(str(self.path.parent))

    def say_off(self) -> bool:
        """Switch live-restore off in the file that has the owner's place; return False if somebody changed that."""
        owners = self._read(self._saved) or b""
        if self._read(self.path) != _with_live_restore(owners):
            return False
        self._write(_with_live_restore(owners, on=False))
        return True

    def put_back(self) -> str:
        """Give the owner's file its name again; where somebody changed the present one, both stay: return that."""
        if not self._saved.exists():
            self.path.unlink()
        elif self.path.exists() and self.path.samefile(self._saved):  # the swap was interrupted before it took place
            self._saved.unlink()
        elif self._read(self.path) in self._own_contents():
            self._saved.replace(self.path)
        else:
            return f"{self.path} was changed during the upgrade and stays; the one of before is {self._saved}"
        sync_directory(str(self.path.parent))
        return ""

    def _own_contents(self) -> tuple[bytes | None, ...]:
        owners = self._saved.read_bytes()
        return None, _with_live_restore(owners), _with_live_restore(owners, on=False)

    def _write(self, content: bytes) -> None:
        """Write the file that takes the owner's place, with its owner and mode."""
        new = self.path.with_name(self.path.name + _NEW)
        with new.open("wb") as file:
            if self._saved.exists():
                status = self._saved.stat()
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
                os.fchmod(file.fileno(), status.st_mode & 0o7777)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)

    def _read(self, path: Path) -> bytes | None:
        with suppress(FileNotFoundError):
            return path.read_bytes()
        return None


def _with_live_restore(data: bytes, *, on: bool = True) -> bytes:
    """Return a configuration with live-restore on or off. Raises ValueError if it is no JSON object."""
    text = data.decode("utf-8-sig").strip()
    fields = json.loads(text) if text else {}
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - of a file
    return f"{json.dumps({**fields, 'live-restore': on}, indent=_INDENT)}\n".encode()
