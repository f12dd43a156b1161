"""How packages are named for people: with the architecture wherever it is not the machine's own. Light.

The form is the one that apt and dpkg take on the command line, so that it can be copied from a message.
"""

from collections import Counter
from collections.abc import Sequence

_native: list[str] = []


def set_native(architecture: str) -> None:
    """Set the machine's own architecture for this process; empty if it has no other."""
    _native[:] = [architecture] if architecture else []


def package_label(name: str, architecture: str) -> str:
    """Return `name`, or `name:architecture` for a package of another architecture than the machine's own."""
    foreign = architecture not in {"", "all"} and bool(_native) and architecture not in _native
    return f"{name}:{architecture}" if foreign else name


def package_labels(packages: Sequence[tuple[str, str]]) -> list[str]:
    """Return the label of each name and architecture; with the architecture also where a name occurs more than once."""
    counts = Counter(name for name, _ in packages)
    return [package_label(name, own) if counts[name] == 1 else f"{name}:{own}" for name, own in packages]


def label_of(text: str) -> str:
    """Return the label of a package that a document holds as `name:architecture`."""
    name, _, architecture = text.partition(":")
    return package_label(name, architecture)
