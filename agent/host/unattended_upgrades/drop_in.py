"""The agent's own file in apt.conf.d, which no other program writes; files of others are never edited.

apt reads names without a dot, the last file by name counts for a scalar, and a syntax error would stop every apt
command (apt.conf(5)): the file is read back by apt before it stays.
"""

import os
from collections.abc import Sequence
from contextlib import suppress

from agent.core.model.facts import Unseen
from agent.errors import HostError
from agent.host.unattended_upgrades.look import read_settings
from agent.state.safe_open import sync_directory

_DIRECTORY = "/etc/apt/apt.conf.d"
DROP_IN = f"{_DIRECTORY}/52maestro-agent-daily-job"
"""After 20auto-upgrades and 50unattended-upgrades, before what an administrator calls 99local."""
_HEAD = "// Written by maestro-agent ({why}); `maestro-agent unattended-upgrades` shows what is in force.\n"
OFF = _HEAD.format(why="the daily job is stood down") + (
    'APT::Periodic::Unattended-Upgrade "0";\nUnattended-Upgrade::InstallOnShutdown "false";\n'
)
"""With "0" alone the job is off: an empty value, or `#clear`, would have it run each time that its timer elapses."""


def on_text(names: Sequence[str]) -> str:
    """Return the drop-in that switches these keys of APT::Periodic on."""
    return _HEAD.format(why="unattended-upgrades enable") + "".join(f'APT::Periodic::{name} "1";\n' for name in names)


def read_drop_in() -> str | None:
    """Return the file's text; None: there is none.

    Raises:
        HostError: it cannot be read.
    """
    try:
        with open(DROP_IN, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HostError(f"{DROP_IN}: cannot be read: {error.strerror}") from error


def is_set_up() -> bool:
    """Return whether the file switches the job on, whatever the files before it say.

    Raises:
        HostError: it cannot be read.
    """
    return read_drop_in() not in {None, OFF}


def write_drop_in(text: str | None, apt_config: Sequence[str] = ("apt-config",)) -> None:
    """Replace the file, or remove it with None; it is as it was if apt cannot read its configuration afterwards.

    Raises:
        HostError: it cannot be written, or apt cannot read its configuration, be it for another file.
    """
    before = read_drop_in()
    if text == before:
        return
    _replace(text)
    found = read_settings(apt_config)
    if isinstance(found, Unseen) and text is not None:
        _replace(before)
        raise HostError(found.reason)


def _replace(text: str | None) -> None:
    temporary = f"{_DIRECTORY}/.maestro-agent.new"
    try:
        if text is None:
            with suppress(FileNotFoundError):
                os.unlink(DROP_IN)
        else:
            with open(temporary, "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), 0o644)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, DROP_IN)
        sync_directory(_DIRECTORY)
    except OSError as error:
        raise HostError(f"{DROP_IN}: cannot be written: {error.strerror}") from error
