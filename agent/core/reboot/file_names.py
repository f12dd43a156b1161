"""Under which names dpkg's database may have a replaced file that still runs. Pure."""

from agent.core.pattern import lazy_pattern

_SONAME = lazy_pattern(r"(.*\.so\.[0-9]+)((?:\.[0-9]+)+)")
_ALIASED = ("bin/", "sbin/", "lib/", "lib32/", "lib64/", "libx32/")
"""Directories that are symbolic links to /usr in merged systems, and may be written either way in file lists."""


def recorded_names(path: str) -> tuple[str, ...]:
    """Return the names of a file, the most exact first.

    A new version of a library may have another file name: then its package still has the soname, which is a symbolic
    link (libgnutls.so.30 for libgnutls.so.30.34.3).
    """
    exact = _spellings(path)
    library = _SONAME.fullmatch(path)
    if library is None:
        return exact
    numbers = library[2].split(".")[1:]
    shorter = (".".join((library[1], *numbers[:count])) for count in reversed(range(len(numbers))))
    return (*exact, *(name for one in shorter for name in _spellings(one)))


def _spellings(path: str) -> tuple[str, ...]:
    if path.startswith("/usr/") and path[len("/usr/") :].startswith(_ALIASED):
        return path, path[len("/usr") :]
    if path[1:].startswith(_ALIASED):
        return path, f"/usr{path}"
    return (path,)
