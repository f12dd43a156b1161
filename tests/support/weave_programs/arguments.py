"""The words that a router is started with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WITHOUT_VALUE = {"--plugin", "--proxy", "--no-fastdp", "--no-bridged-fastdp", "--no-dns", "--no-discovery", "--resume"}
DEFAULT_RANGE = "10.32.0.0/12"


@dataclass(frozen=True, kw_only=True)
class Given:
    """What the words say."""

    options: Mapping[str, str]
    peers: tuple[str, ...]
    password: str

    @property
    def range(self) -> str:
        """--ipalloc-range."""
        return self.options.get("--ipalloc-range", DEFAULT_RANGE)

    @property
    def http_address(self) -> str:
        """--http-addr."""
        return self.options.get("--http-addr", "127.0.0.1:6784")

    @property
    def status_address(self) -> str:
        """--status-addr."""
        return self.options.get("--status-addr", "127.0.0.1:6782")

    @property
    def nickname(self) -> str:
        """--nickname."""
        return self.options.get("--nickname", "")

    @property
    def name(self) -> str:
        """--name."""
        return self.options.get("--name", "")

    @property
    def resume(self) -> bool:
        """--resume."""
        return "--resume" in self.options


def given(words: Sequence[str], environment: Mapping[str, str]) -> Given:
    """Read the words; the last of several counts."""
    options: dict[str, str] = {}
    peers = []
    pending = list(words)
    while pending:
        word = pending.pop(0)
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            peers.append(word)
        elif equals:
            options[name] = value
        else:
            options[name] = "" if word in WITHOUT_VALUE else pending.pop(0)
    password = options.get("--password") or environment.get("WEAVE_PASSWORD", "")
    return Given(options=options, peers=tuple(peers), password=password)
