"""The command line: picks the command, and turns every error into a message and an exit code.

Only the requested command is imported, and only after its arguments were parsed: `token --help` does not pay for Flask,
SQLAlchemy and gunicorn.
"""

import gc
import importlib
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from endpoint.cli.options.parser import make_parser
from endpoint.errors import EndpointError, missing_module

_INTERRUPTED = 130


def main_and_exit(argv: Sequence[str]) -> None:
    """Run one command and end the process at once: to tear the interpreter down takes a sixth of a short command.

    The cyclic collector is off while the command's modules are imported, which leaves no garbage.

    Raises:
        SystemExit: after a usage error, --help and --version, and when the server ends.
    """
    gc.disable()
    # SQLAlchemy loads asyncio where greenlet can be imported: a tenth of a short command.
    sys.modules["greenlet"] = None  # type: ignore[assignment]
    code = main(argv)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # the reader has gone, or the stream is closed
            stream.flush()
    os._exit(code)


def main(argv: Sequence[str]) -> int:
    """Run one command; return its exit code."""
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a host name may not fit the terminal's encoding
    try:
        arguments = make_parser().parse_args(argv)
        command = importlib.import_module(f"endpoint.cli.{arguments.module}")
        _collect_again()
        command.run(arguments)
        sys.stdout.flush()
    except EndpointError as error:
        print(f"maestro-endpoint: {error}", file=sys.stderr)
        return error.exit_code
    except ImportError as error:
        print(f"maestro-endpoint: {missing_module(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone
    except OSError as error:
        print(f"maestro-endpoint: cannot go on: {error}", file=sys.stderr)
        return 1
    return 0


def _open_streams() -> None:
    """Make all three streams usable: closed ones discard, and no file is opened in the place of one."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest one, which is this
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - closed streams are None
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def _collect_again() -> None:
    if not gc.isenabled():
        gc.freeze()  # the imported modules stay until the process ends
        gc.enable()
