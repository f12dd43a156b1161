"""Which packages dpkg has left unfinished, without libapt."""

import os
import re

from agent.core.model.facts import Unseen
from agent.host.dpkg.at_work import has_journal
from agent.host.dpkg.installed import ADMIN_DIRECTORY

_STANZA = re.compile(rb"^Package: *(\S+)\n(?:(?!\n).*\n)*?Status: *(\S+) (\S+) (\S+)$", re.MULTILINE)
_FINISHED = frozenset({b"installed", b"not-installed", b"config-files"})


def unfinished_packages(directory: str = ADMIN_DIRECTORY) -> tuple[str, ...] | Unseen:
    """Return the packages that are not completely installed or removed, and the journal of an interrupted dpkg.

    Pending triggers count: one of them may be the initramfs of a new kernel, without which it does not boot.
    """
    try:
        with open(os.path.join(directory, "status"), "rb") as file:
            found = _STANZA.findall(file.read())
        journal = ("dpkg's journal",) if has_journal(directory) else ()
    except OSError as error:
        return Unseen(reason=f"{error.filename}: {error.strerror}")
    names = {name for name, _want, flag, state in found if flag != b"ok" or state not in _FINISHED}
    return (*sorted(name.decode("utf-8", "replace") for name in names), *journal)
