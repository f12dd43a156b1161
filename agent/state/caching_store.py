"""The state directory for a process that lives for days, as the daemon: unchanged documents are not parsed again."""

import time
from collections.abc import Callable

from agent.state.file_version import FileVersion, file_version
from agent.state.json_reader import JsonReader
from agent.state.store import DEFAULT_DIRECTORY, Store

_MOST_BYTES = 256 * 1024
"""Of all files whose documents are kept; in memory a document takes some four times its file."""
_SETTLED_NS = 2_000_000_000
"""Age of a directory's last change from which on another one would differ: far above the resolution of its time."""


class CachingStore(Store):
    """A store that keeps what it has read, as long as the files are the same.

    Readers share a document: none may change it (`JsonReader.raw` is read-only by its type).
    """

    def __init__(self, directory: str = DEFAULT_DIRECTORY, warn: Callable[[str], None] = lambda _message: None) -> None:
        """Take what `Store` takes; keeps nothing yet."""
        super().__init__(directory, warn)
        self._kept: dict[str, tuple[FileVersion, JsonReader]] = {}
        """By name, in the order in which they were read."""
        self._runs: tuple[FileVersion, list[str]] | None = None

    def read(self, name: str, *schemas: str, keep: bool = False) -> JsonReader | None:
        """Return a document as `Store.read` does."""
        try:
            version = file_version(self.path(name))
        except OSError:  # mostly there is none; otherwise reading it says what is wrong
            self._kept.pop(name, None)
            return super().read(name, *schemas, keep=keep)
        kept = self._kept.get(name)
        if kept is not None and kept[0] == version and kept[1].text("schema") in schemas:
            return kept[1]
        found = super().read(name, *schemas, keep=keep)
        self._kept.pop(name, None)
        if found is not None:
            self._kept[name] = (version, found)
            self._forget_oldest()
        return found

    def run_ids(self) -> list[str]:
        """Return the ids of all runs as `Store.run_ids` does; 500 runs are not listed again at each tick."""
        try:
            version = file_version(self.history_path)
        except OSError:
            return super().run_ids()
        kept = self._runs
        if kept is None or kept[0] != version:
            kept = (version, super().run_ids())
            _, _, _, changed_ns, _ = version
            self._runs = kept if time.time_ns() - changed_ns > _SETTLED_NS else None
        return kept[1]

    def _forget_oldest(self) -> None:
        for name in list(self._kept):  # a copy, as other threads read, too
            if sum(size for (size, *_), _ in list(self._kept.values())) <= _MOST_BYTES:
                return
            self._kept.pop(name, None)
