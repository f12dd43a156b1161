"""Predicts whether dpkg would prompt about a conffile, by dpkg's own rule. Pure.

The recorded, the local and the new version are given as MD5 sums, because dpkg compares those. Sources: dpkg(1),
deb-conffiles(5) and, for what they leave open, experiments with dpkg 1.21 to 1.23, which
tests/machines/test_conffiles.py repeats.
"""

from collections.abc import Iterable
from enum import Enum
from fnmatch import fnmatchcase

from agent.core.frozen import frozen
from agent.core.pattern import lazy_pattern


class NoPlainFile(Enum):
    """What is at a conffile's path, if it is not a regular file."""

    EMPTY = "empty"
    NOT_A_FILE = "not-a-file"
    """A link, a directory or a device: dpkg does not compare it, and leaves the new version beside it."""


class PromptReason(Enum):
    """Why dpkg would prompt, as text that follows the file's name."""

    MODIFIED = "was changed on this machine, and the new version brings a changed one too"
    DELETED = "was deleted on this machine, and the new version brings a changed one"
    CREATED = "was not made by this package, and the new version brings another one"
    UNCHANGED = "was changed on this machine, and dpkg is configured to ask about that (--force-confask)"


@frozen
class Conffile:
    """One conffile of a new version, and its state on this machine."""

    recorded: tuple[str, ...]
    """Sums that dpkg has on record: the package's own or, without one, those of other packages with this file."""
    local: str | NoPlainFile
    packaged: str | None
    """None if the new version contains no file that dpkg would unpack."""


@frozen
class ConffilePrompt:
    """One predicted prompt: the file and the reason."""

    file: str
    reason: PromptReason


@frozen
class DpkgOptions:
    """The part of an administrator's dpkg configuration that concerns conffiles."""

    forced: frozenset[str] = frozenset()
    """Forced things, from `THINGS`."""
    paths: tuple[tuple[bool, str], ...] = ()
    """Shell patterns of paths that are included (True) or excluded; the last match counts."""

    @property
    def answers(self) -> bool:
        """Whether the configuration answers every prompt, whatever the answer is."""
        return bool(self.forced & {"confdef", "confold", "confnew"})

    def unpacks(self, name: str) -> bool:
        """Whether dpkg unpacks a file of this name."""
        return next((included for included, pattern in reversed(self.paths) if fnmatchcase(name, pattern)), True)


DPKG_DEFAULTS = DpkgOptions()
"""dpkg without configuration."""
_FORCE = lazy_pattern(r"(force|no-force|refuse)(?:-|[ \t]*=[ \t]*|[ \t]+)(\S+)")
_PATH = lazy_pattern(r"path-(include|exclude)(?:[ \t]*=[ \t]*|[ \t]+)(\S.*)")
THINGS = frozenset({"confask", "confdef", "confmiss", "confnew", "confold"})
"""What can be forced about conffiles (dpkg(1), --force-things)."""


def prompt_reason(conffile: Conffile, options: DpkgOptions = DPKG_DEFAULTS) -> PromptReason | None:
    """Return why dpkg, run with these options, would prompt about this file; None if it would not."""
    if conffile.packaged is None or conffile.local is NoPlainFile.NOT_A_FILE or conffile.local == conffile.packaged:
        return None
    if options.answers or (conffile.local is NoPlainFile.EMPTY and "confmiss" in options.forced):
        return None
    if not conffile.recorded:
        return None if conffile.local is NoPlainFile.EMPTY else PromptReason.CREATED
    # Of several other packages with this file, dpkg compares with the one whose file list it read last.
    reasons = (_compare(conffile, recorded, ask="confask" in options.forced) for recorded in conffile.recorded)
    return next((one for one in reasons if one is not None), None)


def _compare(conffile: Conffile, recorded: str, *, ask: bool) -> PromptReason | None:
    if conffile.local == recorded:
        return None
    if conffile.packaged == recorded:
        return PromptReason.UNCHANGED if ask else None
    return PromptReason.DELETED if conffile.local is NoPlainFile.EMPTY else PromptReason.MODIFIED


def describe_prompts(prompts: Iterable[ConffilePrompt], package: str) -> str:
    """Return a sentence with the files that hold a package, and what to do about them."""
    files = "; ".join(f"{one.file} {one.reason.value}" for one in prompts)
    return f'{files}. Decide by hand (apt-get install {package}), or set security.conffiles = "keep"'


def read_options(lines: Iterable[str]) -> DpkgOptions:
    """Parse the options about conffiles from lines of dpkg.cfg(5), in dpkg's order: later ones win.

    Leading hyphens are accepted, as on the command line.
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
