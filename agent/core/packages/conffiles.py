"""Whether dpkg would ask what to do with a configuration file: its own rule, from what is there before it runs.

Pure: reads no files. What dpkg has on record, what lies on disk and what the new version brings come in as MD5
sums, for that is what dpkg compares. Sources: dpkg(1), deb-conffiles(5), and, where they are silent,
experiments with dpkg 1.21 to 1.23, which tests/machines/test_conffiles.py repeats.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase


class NoPlainFile(Enum):
    """What is where a configuration file should be, if it is no plain file."""

    EMPTY = "empty"
    NOT_A_FILE = "not-a-file"
    """A link, a directory or a device: dpkg compares nothing, and leaves it and the new version side by side."""


class PromptReason(Enum):
    """What dpkg would ask about, in words that follow the file's name."""

    MODIFIED = "was changed on this machine, and the new version brings a changed one too"
    DELETED = "was deleted on this machine, and the new version brings a changed one"
    CREATED = "was not made by this package, and the new version brings another one"
    UNCHANGED = "was changed on this machine, and dpkg is configured to ask about that (--force-confask)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conffile:
    """One configuration file of a new version, and what this machine has of it."""

    recorded: tuple[str, ...]
    """What dpkg has on record: the package's own sum or, without one, those of others that had this file."""
    local: str | NoPlainFile
    packaged: str | None
    """None where the new version brings no file that dpkg would unpack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConffilePrompt:
    """A question that dpkg would ask, and about which file."""

    file: str
    question: PromptReason


@dataclass(frozen=True, slots=True, kw_only=True)
class DpkgOptions:
    """What an administrator's configuration of dpkg has to do with configuration files."""

    forced: frozenset[str] = frozenset()
    """Things that are forced, of `THINGS`."""
    paths: tuple[tuple[bool, str], ...] = ()
    """Shell patterns of files that are unpacked (True) or not; the last that matches counts."""

    @property
    def answers(self) -> bool:
        """Whether each question has its answer already, whatever that is."""
        return bool(self.forced & {"confdef", "confold", "confnew"})

    def unpacks(self, name: str) -> bool:
        """Whether dpkg unpacks a file of this name at all."""
        return next((wanted for wanted, pattern in reversed(self.paths) if fnmatchcase(name, pattern)), True)


DPKG_DEFAULTS = DpkgOptions()
"""dpkg as it comes."""
_FORCE = re.compile(r"(force|no-force|refuse)(?:-|[ \t]*=[ \t]*|[ \t]+)(\S+)")
_PATH = re.compile(r"path-(include|exclude)(?:[ \t]*=[ \t]*|[ \t]+)(\S.*)")
THINGS = frozenset({"confask", "confdef", "confmiss", "confnew", "confold"})
"""What can be forced about configuration files (dpkg(1), --force-things)."""


def prompt_reason(conffile: Conffile, options: DpkgOptions = DPKG_DEFAULTS) -> PromptReason | None:
    """Return what dpkg would ask about this file, were it run with these options; None where nothing."""
    if conffile.packaged is None or conffile.local is NoPlainFile.NOT_A_FILE or conffile.local == conffile.packaged:
        return None
    if options.answers or (conffile.local is NoPlainFile.EMPTY and "confmiss" in options.forced):
        return None
    if not conffile.recorded:
        return None if conffile.local is NoPlainFile.EMPTY else PromptReason.CREATED
    # Of several other packages that had the file, dpkg goes by the one whose list of files it happened to read last.
    asked = (_compare(conffile, recorded, ask="confask" in options.forced) for recorded in conffile.recorded)
    return next((one for one in asked if one is not None), None)


def _compare(conffile: Conffile, recorded: str, *, ask: bool) -> PromptReason | None:
    if conffile.local == recorded:
        return None
    if conffile.packaged == recorded:
        return PromptReason.UNCHANGED if ask else None
    return PromptReason.DELETED if conffile.local is NoPlainFile.EMPTY else PromptReason.MODIFIED


def describe_prompts(asked: Iterable[ConffilePrompt], package: str) -> str:
    """Say which files stand in the way of a package, and what to do about it."""
    files = "; ".join(f"{one.file} {one.question.value}" for one in asked)
    return f'{files}. Decide by hand (apt-get install {package}), or set security.conffiles = "keep"'


def read_options(lines: Iterable[str]) -> DpkgOptions:
    """Read what concerns configuration files from options as dpkg.cfg(5) holds them, in dpkg's order; later ones win.

    Leading hyphens are accepted too, as on the command line.
    """
    forced: set[str] = set()
    paths: list[tuple[bool, str]] = []
    for line in lines:
        option = line.strip().removeprefix("--")
        if found := _PATH.fullmatch(option):
            paths.append((found[1] == "include", found[2].strip("\"'")))
        elif found := _FORCE.fullmatch(option):
            named = set(found[2].strip("\"'").split(","))
            things = THINGS if "all" in named else THINGS & named
            forced = forced | things if found[1] == "force" else forced - things
    return DpkgOptions(forced=frozenset(forced), paths=tuple(paths))
