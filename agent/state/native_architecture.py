"""The machine's own architecture, from dpkg's list. Light: apt is not asked."""

_LIST = "/var/lib/dpkg/arch"
"""Written once a second architecture is added; the machine's own comes first (dpkg(1), --add-architecture)."""


def native_architecture(path: str = _LIST) -> str:
    """Return the machine's own architecture; empty if it never had another."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.readline().strip()
    except OSError:
        return ""
