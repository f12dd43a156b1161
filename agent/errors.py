"""The agent's errors, sorted by whose move is next; each carries the exit code it ends a command with."""


class AgentError(Exception):
    """Base of all expected errors; never raised itself. `str()` of one is a message for a person."""

    exit_code = 1


class ConfigError(AgentError):
    """The operator's move: a configuration value is wrong (sysexits.h EX_CONFIG)."""

    exit_code = 78


class UsageError(AgentError):
    """The caller's move: the command line asks for something that cannot be asked for."""

    exit_code = 2


class PrivilegeError(AgentError):
    """The caller's move: the work needs root."""

    exit_code = 4


class BusyError(AgentError):
    """Nobody's move, later: somebody else held a lock up to the deadline."""

    exit_code = 5


class StoppedError(AgentError):
    """Somebody asked for a stop, and nothing was half done."""

    exit_code = 130


class HostError(AgentError):
    """The machine's move: it answered with a fault; look again once that is mended."""


class NoSpaceError(HostError):
    """The plan does not fit on a file system; nothing was changed."""

    def __init__(self, message: str, packages: tuple[str, ...]) -> None:
        super().__init__(message)
        self.packages = packages
        """Names of the packages that would have to stay for the rest to fit."""


class ChangedError(HostError):
    """The machine is not what the plan was made for, so nothing of the plan was done."""


class RecordError(AgentError):
    """A remembered record cannot be read; it is set aside and the next look writes a new one."""

    exit_code = 3
