"""Weave's installed script, read and never run."""

import hashlib
import os
import re
import stat
from pathlib import Path

from agent.core.frozen import frozen
from agent.core.model.facts import Unseen
from agent.core.model.weave import WeaveScript
from agent.core.redact import redact

_PLACES = ("usr/local/bin/weave", "usr/bin/weave")
_UNIT_PLACES = ("etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system")
_UNIT = "weave.service"
_MOST_BYTES = 4 << 20
"""The script of 2.8.1 has 50 kB."""
_VERSION = re.compile(rb'^SCRIPT_VERSION="?([\w.+~-]{1,64})"?\r?$', re.MULTILINE)
_SIGN = re.compile(rb"^SCRIPT_VERSION=|weaveexec", re.MULTILINE)
"""Another program may be called weave, too."""
_USER = re.compile(rb'DOCKERHUB_USER(?:=|:-|=\$\{DOCKERHUB_USER:-)"?([a-z0-9]{1,64})\b')


@frozen
class ScriptFile:
    """The script and the user of the images that it pulls."""

    script: WeaveScript
    image_user: str
    """Its default for DOCKERHUB_USER; empty if it has none."""


def read_script(root: str = "/") -> ScriptFile | Unseen | None:
    """Return the script; None if there is none, `Unseen` if it is there and cannot be read."""
    for place in _PLACES:
        path = Path(root, place)
        try:
            content = _content(path)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            return Unseen(reason=redact(f"{path}: {getattr(error, 'strerror', None) or error}"))
        if _SIGN.search(content):
            return _script(f"/{place}", content)
    return None


def weave_unit(root: str = "/") -> str:
    """Return the name of the systemd unit that launches Weave; empty if there is none, or if it is masked."""
    for place in _UNIT_PLACES:
        path = Path(root, place, _UNIT)
        if path.is_symlink() and str(path.readlink()) == os.devnull:
            return ""
        if path.exists():
            return _UNIT
    return ""


def script_version(content: bytes) -> str:
    """Return SCRIPT_VERSION of a script; empty if it has none."""
    found = _VERSION.search(content)
    return found[1].decode() if found else ""


def _script(path: str, content: bytes) -> ScriptFile:
    user = _USER.search(content)
    return ScriptFile(
        script=WeaveScript(
            path=path,
            version=script_version(content),
            sha256=hashlib.sha256(content).hexdigest(),
        ),
        image_user=user[1].decode() if user else "",
    )


def _content(path: Path) -> bytes:
    """Read a regular file; O_NONBLOCK, so that opening a FIFO does not wait for its writer."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("not a regular file")
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"larger than {_MOST_BYTES} bytes")
    return content
