"""What the daemon goes by beside the clock, and whose changes wake it: flags, record, packages, zone, configuration.

What starts nothing before ten minutes have passed, as a change of apt's configuration, is seen in time without.
"""

import os
from pathlib import Path

from agent.config.fragments import DEFAULT_PATH, DROP_INS
from agent.core.policy.policy import Policy
from agent.host import log
from agent.host.directory_watch import DirectoryWatch, Watched
from agent.host.dpkg.installed import ADMIN_DIRECTORY
from agent.host.reboot.flag import FLAG_NAMES

_FLAGS = tuple(name + suffix for name in FLAG_NAMES for suffix in ("", ".pkgs"))


class Surroundings:
    """Files and directories of this machine."""

    def __init__(self, state_dir: str, config: Path | None, policy: Policy) -> None:
        """Take the record, the configuration's file (None: the usual one), and what it says; watches nothing yet."""
        self._state_dir = state_dir
        self._config = config or DEFAULT_PATH
        self._problem = ""
        self._watch = DirectoryWatch(self._places(policy))

    def use(self, policy: Policy) -> None:
        """Watch what another policy names, from the next `watch` on."""
        self._watch.close()
        self._watch = DirectoryWatch(self._places(policy))

    def watch(self) -> bool:
        """Have changes from now on wake the daemon; return whether they do. Why not is logged once."""
        try:
            self._watch.arm()
        except OSError as error:
            self._watch.close()
            if str(error) != self._problem:
                self._problem = str(error)
                log.event(log.LogEvent.WATCH_UNAVAILABLE, error=self._problem)
            return False
        return True

    def changed(self) -> bool:
        """Return whether something changed after `watch`."""
        return self._watch.changed()

    def _places(self, policy: Policy) -> list[Watched]:
        directory, manifest = str(self._config.parent), policy.docker.manifest
        files = {directory: [self._config.name]}
        if manifest:
            files.setdefault(os.path.dirname(manifest), []).append(os.path.basename(manifest))
        return [
            *(Watched(directory=one, names=_FLAGS) for one in _run_directories()),
            Watched(directory=self._state_dir),
            Watched(directory=ADMIN_DIRECTORY, names=("status",)),
            Watched(directory="/etc", names=("localtime",)),
            Watched(directory=os.path.join(directory, DROP_INS), contents=True),
            *(Watched(directory=one, names=tuple(names), contents=True) for one, names in files.items()),
        ]


def _run_directories() -> tuple[str, ...]:
    """Return where packages set flags (`agent.host.reboot.flag`): usually one directory with two names."""
    return ("/run",) if os.path.realpath("/var/run") == "/run" else ("/run", "/var/run")
