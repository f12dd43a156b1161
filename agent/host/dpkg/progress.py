"""Turns the status lines of libapt and dpkg into progress: "unpacking nginx (3 of 11)"."""

from collections import defaultdict

from agent.core.job_control import JobControl
from agent.core.pattern import lazy_pattern

_LIBAPT_ACTION = lazy_pattern(r"(Unpacking|Configuring|Removing) (\S+)(?: \(\S+\))?")
"""`pmstatus` messages name the package as "nginx (amd64)"; the message is not translated (LC_ALL)."""
_DPKG_ACTION = lazy_pattern(r"processing: (configure|trigproc|remove): (\S+)")
"""Written by dpkg itself when it runs without libapt (dpkg(1), --status-fd)."""
_DPKG_WORDS = {"configure": "configuring", "trigproc": "running triggers of", "remove": "removing"}
_KEPT = {"unpacking", "removing"}
"""One line for each package is kept; the other actions are shown while they last."""


class PackageProgress:
    """The progress of one transaction."""

    def __init__(self, total: int, control: JobControl) -> None:
        """Take the number of packages; 0 if it is unknown."""
        self._total = total
        self.control = control
        self._seen: defaultdict[str, list[str]] = defaultdict(list)

    def libapt_status(self, package: str, percent: float, message: str) -> None:
        """Report a `pmstatus` line."""
        action = _LIBAPT_ACTION.fullmatch(message)
        if action is None:
            self.control.progress(f"{percent:3.0f} % {message}")
            return
        word = action[1].lower()
        text = f"{word} {action[2]}{self._position(word, package)}"
        self.control.progress(f"{percent:3.0f} % {text}")

    def dpkg_status(self, line: str) -> None:
        """Report a `processing` line of dpkg; all other lines are ignored."""
        action = _DPKG_ACTION.fullmatch(line)
        if action is not None:
            self.control.progress(f"{_DPKG_WORDS[action[1]]} {action[2]}")

    def _position(self, word: str, package: str) -> str:
        """Return " (3 of 11)"; keeps the line when a package is seen for the first time."""
        seen = self._seen[word]
        first = package not in seen
        if first:
            seen.append(package)
        number = seen.index(package) + 1
        position = f" ({number} of {self._total})" if number <= self._total else ""
        if first and word in _KEPT:
            self.control.keep(f"{word} {package}{position}")
        return position
