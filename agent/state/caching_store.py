"""The state directory for a process that lives for days, as the daemon: unchanged documents are not parsed again."""

from collections.abc import Callable

from agent.state.file_version import FileVersion, file_version
from agent.state.json_reader import JsonReader
from agent.state.store import DEFAULT_DIRECTORY, Store

_MOST_BYTES = 256 * 1024
"""Of all files whose documents are kept; in memory a document takes some four times its file."""


class CachingStore(Store):
    """A store that keeps what it has read, as long as the files are the same.

    Readers share a document: none may change it (`JsonReader.raw` is read-only by its type).
    """

    def __init__(self, directory: str = DEFAULT_DIRECTORY, warn: Callable[[str], None] = lambda _message: None) -> None:
        """Take what `Store` takes; keeps nothing yet."""
        super().__init__(directory, warn)
        self._kept: dict[str, tuple[FileVersion, JsonReader]] = {}
        """By name, in the order in which they were read."""

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

    def _forget_oldest(self) -> None:
        for name in list(self._kept):  # a copy, as other threads read, too
            if sum(size for (size, *_), _ in list(self._kept.values())) <= _MOST_BYTES:
                return
            self._kept.pop(name, None)
