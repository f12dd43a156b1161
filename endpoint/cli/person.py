"""Who runs a command."""

import os
import pwd

_LONGEST = 64


def calling_person() -> str:
    """Return the person's name. Call it first: the process may become another user to write to SQLite's file."""
    asked = os.environ.get("SUDO_USER", "")
    if os.geteuid() == 0 and asked.isprintable() and asked:
        return asked[:_LONGEST]
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
