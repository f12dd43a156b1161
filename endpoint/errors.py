"""All errors, by who has to act."""

import sys

_PACKAGES = {"endpoint": "maestro-endpoint", "gunicorn": "gunicorn"}
"""Debian packages by module, where the name is not the module's."""


class EndpointError(Exception):
    """Base of errors that are reported as one sentence, without a traceback."""

    exit_code = 1


class UsageError(EndpointError):
    """The operator must act: the arguments are invalid."""

    exit_code = 2


class SpentKeyError(UsageError):
    """The operator must act: an enrolment key has expired, or has no use left for this host."""


class ConfigError(EndpointError):
    """The operator must act: the configuration is invalid."""

    exit_code = 78


class SourceError(EndpointError):
    """The operator must act: a file that is to be loaded is missing, damaged or cut short."""


class StoreError(EndpointError):
    """The database is unreachable, full or busy; the same request may succeed later."""

    def __init__(self, message: str, *, of_the_data: bool = False) -> None:
        super().__init__(message)
        self.of_the_data = of_the_data
        """True if the database rejected the data itself."""


class RefusedError(EndpointError):
    """The sender must act: the request is rejected; becomes the response."""

    def __init__(self, status: int, detail: str, errors: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        """JSON pointers into the request's body, each with the error there."""


class LaterError(RefusedError):
    """The sender must retry later: 429 or 503."""

    def __init__(self, status: int, detail: str, retry_after_s: int) -> None:
        super().__init__(status, detail)
        self.retry_after_s = retry_after_s


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
