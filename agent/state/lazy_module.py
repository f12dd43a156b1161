"""Modules that are imported when something of them is first used. Pure and light: `status` imports it.

For the views and texts of what most records do not have. Importing a small module takes as long as reading a small
document, and `status` would otherwise spend most of its time with it.
"""

from importlib import import_module
from types import ModuleType


class _Module:
    """Has the names of its module."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> object:
        return getattr(import_module(self._name), name)


def lazy_module(name: str) -> ModuleType:
    """Return what `importlib.import_module` returns, not yet imported: a name that is wrong shows when it is used."""
    return _Module(name)  # type: ignore[return-value] # it has the same names
