"""Installs and removes the packages of a change of Docker, and has the new engine check its configuration first.

The postinst of docker-ce restarts the engine. There dpkg only replaces the files at first, while the engine runs on;
containers that ignore the stop signal are stopped next, and dpkg configures the packages last.
"""

from collections.abc import Mapping, Sequence

from agent.core.docker.observed import ENGINE_PACKAGES
from agent.core.docker.packages import RESTARTS_ENGINE
from agent.core.docker.verify import Fault, FaultCode, Faults, package_faults
from agent.core.frozen import replace
from agent.core.model.docker import EngineUnit
from agent.core.model.engine_plan import PackageChange
from agent.errors import BusyError, HostError, StoppedError
from agent.worker.steps.docker.starter import EngineStarter
from agent.worker.steps.docker.tools import Course, Tools

Changes = tuple[PackageChange, ...]
_PROGRAM = "dockerd"


class Installer:
    """The packages of one change."""

    def __init__(self, tools: Tools, course: Course, starter: EngineStarter, unit: EngineUnit) -> None:
        self._archives = tools.archives
        self._operator = tools.operator
        self._before = course.snapshot
        self._starter = starter
        self._unit = unit

    def validate_ahead(self) -> Faults:
        """Have the new engine check its configuration from its archive, before any package changes."""
        files = {one.package: one.file for one in self._before.archives}
        file = next((files[name] for name in ENGINE_PACKAGES if files.get(name)), "")
        if not (file and self._before.unit_active and self._unit.starts_engine):
            return ()
        with self._archives.program(file, _PROGRAM) as path:
            if not path:  # it is checked once it is installed
                return ()
            return self._validated(replace(self._unit, arguments=(path, *self._unit.arguments[1:])))

    def validate(self) -> Faults:
        """Have the engine whose files are installed check its configuration."""
        return self._validated(self._unit) if self._before.unit_active and self._unit.starts_engine else ()

    def run(self, changes: Changes, files: Mapping[str, str], *, forward: bool) -> Faults:
        """Install archives, by package, and remove packages; return what is wrong then, and dpkg's error.

        Raises:
            BusyError: another program holds dpkg's lock. StoppedError: while it was waited for. Nothing was changed.
        """
        missing = [one.package for one in changes if one.after is not None and not files.get(one.package)]
        if missing:
            return (Fault(code=FaultCode.PACKAGES, values=tuple(missing)),)
        install = [files[one.package] for one in changes if one.after is not None]
        remove = [one.package for one in changes if one.after is None]
        refused: Faults = ()
        try:
            if self._before.unit_active and any(one.package == RESTARTS_ENGINE for one in changes):
                error, refused = self._in_halves(changes, install, remove, forward=forward)
            else:
                error = self._archives.install(install, remove)
        except HostError as problem:
            error = str(problem)
        if refused:
            return refused
        found = package_faults(changes, self._archives.states())
        return (*found, Fault(code=FaultCode.DPKG, values=(error,))) if found and error else found

    def _in_halves(
        self, changes: Changes, install: Sequence[str], remove: Sequence[str], *, forward: bool
    ) -> tuple[str, Faults]:
        """Replace the files, stop the slow containers, configure; return dpkg's error, and why it was not configured.

        Raises:
            BusyError, StoppedError: as `run`. HostError: dpkg cannot start.
        """
        error = self._archives.unpack(install, remove)
        states = self._archives.states()
        if any((states[one.package][0] if one.package in states else None) != one.after for one in changes):
            return error, ()  # dpkg has not come through, so that nothing may restart the engine yet
        if forward and (refused := self.validate()):
            return error, refused
        self._starter.stop_slow("configuring the packages, which restart the engine")
        try:
            return self._archives.configure() or error, ()
        except (BusyError, StoppedError) as problem:
            self._starter.containers.restore()
            return str(problem), ()

    def _validated(self, unit: EngineUnit) -> Faults:
        problem = self._operator.validate(unit)
        return (Fault(code=FaultCode.CONFIG, values=(problem,)),) if problem else ()
