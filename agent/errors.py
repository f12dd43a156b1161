"""The agent's errors by who has to act next, and the exit codes of its commands. Light: `status` imports it."""

import sys
from enum import IntEnum

_PACKAGES = {"agent": "maestro-agent", "apt_inst": "python3-apt", "apt_pkg": "python3-apt"}
"""Debian packages by module, where the name is not the module's."""


class ExitCode(IntEnum):
    """Exit codes of every command, as the interface lists them."""

    OK = 0
    """Done, or healthy."""
    FAILED = 1
    USAGE = 2
    STALE = 3
    """Unknown or stale: never checked, package lists too old, daemon not running."""
    NEEDS_ROOT = 4
    BUSY = 5
    """Another process held a lock up to the deadline."""
    CHANGED = 6
    """The plan is no longer the requested one; nothing was done."""
    ATTENTION = 10
    """Updates are pending or held back, or something needs a person."""
    CONFIG = 78
    """A configuration value is wrong (sysexits.h EX_CONFIG)."""
    STOPPED = 130
    """Stopped on request: 128 + SIGINT, as a shell reports it."""


SUCCESS_CODES = frozenset({ExitCode.OK, ExitCode.ATTENTION})
"""Exit codes of a job that did everything it could; what is left, if anything, needs a person."""


class AgentError(Exception):
    """Base of all expected errors; never raised itself. `str()` gives a message for a person."""

    exit_code = ExitCode.FAILED


class ConfigError(AgentError):
    """The operator has to act: a configuration value is wrong."""

    exit_code = ExitCode.CONFIG


class UsageError(AgentError):
    """The caller has to act: the command line asks for something that does not exist."""

    exit_code = ExitCode.USAGE


class CommandLineError(UsageError):
    """The command line cannot be parsed; `usage` shows what is accepted."""

    def __init__(self, message: str, usage: str) -> None:
        super().__init__(message)
        self.usage = usage


class PrivilegeError(AgentError):
    """The caller has to act: the command needs root."""

    exit_code = ExitCode.NEEDS_ROOT


class BusyError(AgentError):
    """Nobody has to act, retry later: another process held a lock up to the deadline."""

    exit_code = ExitCode.BUSY


class DeferredError(BusyError):
    """Nobody has to act, retry later: a hook asks for that; nothing was installed."""


class StoppedError(AgentError):
    """The job was asked to stop and stopped at a safe point."""

    exit_code = ExitCode.STOPPED


class HostError(AgentError):
    """The machine has a fault; check again after it is repaired."""


class NoSpaceError(HostError):
    """The plan does not fit on a file system; nothing was changed."""

    def __init__(self, message: str, packages: tuple[str, ...]) -> None:
        super().__init__(message)
        self.packages = packages
        """Names of the packages to leave out so that the rest fits."""


class ChangedError(HostError):
    """The machine changed after the plan was made; nothing of the plan was done."""


class NothingDoneError(AgentError):
    """The request was refused before anything was done: no run in the history, no attempt in jobs.json."""


class PlanChangedError(NothingDoneError):
    """The plan is no longer the requested one."""

    exit_code = ExitCode.CHANGED


class NotInPlanError(NothingDoneError):
    """A requested package is not in the plan."""

    def __init__(self, message: str, exit_code: ExitCode) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class RecordError(AgentError):
    """A document of the state directory cannot be read; it is set aside and the next check writes a new one."""

    exit_code = ExitCode.STALE


def missing_module(error: ImportError) -> str:
    """Return a message for a module that cannot be loaded, with the package to install again, if it is known."""
    module = (error.name or _raised_in(error)).partition(".")[0]
    if not module:
        return str(error)
    package = _PACKAGES.get(module, f"python3-{module.lower().replace('_', '-')}")
    if module in sys.stdlib_module_names:
        package = "libpython3-stdlib"
    return f"{error}: `apt-get install --reinstall {package}` repairs it"


def _raised_in(error: ImportError) -> str:
    """Return the innermost module of a Debian package that the error passed; empty if it passed none.

    A library that finds its own parts not to match raises the error itself, and without a name.
    """
    module, frames = "", error.__traceback__
    while frames is not None:
        frame, frames = frames.tb_frame, frames.tb_next
        if "/dist-packages/" in frame.f_code.co_filename:
            module = str(frame.f_globals.get("__name__", ""))
    return module
