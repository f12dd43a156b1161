"""Reads dpkg's error messages, and the last lines of what failed, from the output of a transaction.

The status lines (dpkg(1), --status-fd) have no message that concerns dpkg as a whole, and lack some about archives.
The forms are those of dpkg's lib/dpkg/ehandle.c and src/main/errors.c, in English: see `environment`.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from agent.core.frozen import field, frozen
from agent.core.pattern import lazy_pattern

_MAX_BYTES = 4 * 1024 * 1024
"""Of the end of a transaction's output; the rest is ignored."""
FATAL_CODE = 2
"""dpkg's exit status if it cannot work at all; 1 if single packages failed (dpkg(1), EXIT STATUS)."""
_LAST_LINES = 3
_MAX_LINE = 200
_OF_ONE = lazy_pattern(r"dpkg: error processing (?:archive|package) (.+) \(-[^()]*\):")
_FATAL = lazy_pattern(r"dpkg: (?:error: .+|unrecoverable fatal error, aborting:)")
_WARNING = "dpkg: warning: "
_ESCAPE = lazy_pattern(r"\x1b\[[0-9;?]*[@-~]|\x1b.")
_BY_PACKAGE_MANAGER = lazy_pattern(
    r"dpkg(?:-deb|-split)?: |Setting up |Preparing to unpack |Unpacking |Selecting previously |Removing |Purging |"
    r"Processing triggers for |Processing was halted|\(Reading database |Errors were encountered |Replacing |"
    r"Installing new version of config file |Configuration file '|debconf: |Sub-process |Problem executing |"
    r"Failure running script |Note: "
)
"""Starts of lines that dpkg, libapt and debconf write; all others are of a maintainer script or of a hook."""
_BY_LIBAPT = lazy_pattern("Sub-process |Problem executing |Failure running script ")


@frozen
class DpkgError:
    """dpkg's error about one package or archive."""

    message: str
    last_lines: str
    """The last lines that the maintainer script wrote before, joined; empty if there are none."""


@frozen
class DpkgOutput:
    """The errors in the output of one transaction."""

    errors: dict[str, DpkgError] = field(default_factory=dict)
    """The first error of each package or archive, by its name or path as dpkg writes it."""
    fatal: str = ""
    """dpkg's last message that concerns no single package, such as a wrong option; may be empty.

    It counts only if dpkg ended with `FATAL_CODE`: a maintainer script that runs dpkg may write the same.
    """
    last_lines: str = ""
    """The last lines above libapt's error, such as those of a failed hook; empty if it has none."""


def read_output(log: Path, start: int) -> DpkgOutput:
    """Read what a transaction appended to the log from byte `start` on; empty if it cannot be read."""
    with suppress(OSError), log.open("rb") as file:
        end = file.seek(0, 2)
        file.seek(max(start, end - _MAX_BYTES))
        return parse_output(file.read().decode(errors="replace"))
    return DpkgOutput()


def parse_output(text: str) -> DpkgOutput:
    """Parse the output of one transaction."""
    lines = [_plain(line) for line in re.split(r"\r?\n|\r", text)]
    errors: dict[str, DpkgError] = {}
    fatal = ""
    for at, line in enumerate(lines):
        of_one = _OF_ONE.fullmatch(line)
        if of_one is not None:
            found = DpkgError(message=_indented(lines, at), last_lines=_before(lines, at))
            errors.setdefault(of_one[1], found)
        elif _FATAL.fullmatch(line):
            fatal = " ".join([*_warnings(lines, at), line, _indented(lines, at)]).strip()
    ends = [at for at, line in enumerate(lines) if _BY_LIBAPT.match(line)]
    return DpkgOutput(errors=errors, fatal=fatal, last_lines=_before(lines, ends[-1]) if ends else "")


def _plain(line: str) -> str:
    """Return a line without escape sequences and control characters."""
    return "".join(one if one.isprintable() else " " for one in _ESCAPE.sub("", line)).rstrip()


def _indented(lines: list[str], at: int) -> str:
    """Return the indented lines below one, joined: the rest of dpkg's message."""
    found = []
    for line in lines[at + 1 :]:
        if not line.startswith(" "):
            break
        found.append(line.strip())
    return " ".join(found)


def _warnings(lines: list[str], at: int) -> list[str]:
    """Return dpkg's warnings directly above a line; "'tar' not found in PATH" is one."""
    start = at
    while start and lines[start - 1].startswith(_WARNING):
        start -= 1
    return [f"{line};" for line in lines[start:at]]


def _before(lines: list[str], at: int) -> str:
    """Return the last lines above one, joined by " / ", up to a line of the package manager."""
    found = list(_up_to_package_manager(lines[:at]))
    return " / ".join(line[:_MAX_LINE] for line in reversed(found))


def _up_to_package_manager(lines: list[str]) -> Iterator[str]:
    count = 0
    for line in reversed(lines):
        if count == _LAST_LINES or _BY_PACKAGE_MANAGER.match(line):
            return
        if line.strip():
            count += 1
            yield line.strip()
