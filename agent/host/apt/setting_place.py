"""Where apt's configuration sets an option, for an error about its value (apt.conf(5))."""

import os
from collections.abc import Iterator
from contextlib import suppress

import apt_pkg


def setting_place(option: str) -> str:
    """Return the file that sets an option last; empty if no file does."""
    found = ""
    for path in _files():
        own = apt_pkg.Configuration()
        with suppress(SystemError):
            apt_pkg.read_config_file(own, path)
        if own.exists(option):
            found = path
    return found


def _files() -> Iterator[str]:
    """Yield apt's files in the order in which libapt reads them; a later one wins."""
    own = os.environ.get("APT_CONFIG")
    if own:
        yield own
    directory = apt_pkg.config.find_dir("Dir::Etc::parts")
    with suppress(OSError):
        names = sorted(os.listdir(directory))
        yield from (os.path.join(directory, name) for name in names if name.endswith(".conf") or "." not in name)
    main = apt_pkg.config.find_file("Dir::Etc::main")
    if os.path.exists(main):
        yield main
