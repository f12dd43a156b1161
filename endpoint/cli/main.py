"""The command line: picks the command, and turns every error into a message and an exit code.

Only the requested command is imported, and only after its arguments were parsed: `token --help` does not pay for Flask,
SQLAlchemy and gunicorn.
"""

import importlib
import io
import os
import sys
from collections.abc import Sequence

from endpoint.cli.options.parser import make_parser
from endpoint.errors import EndpointError, missing_module

_INTERRUPTED = 130


def main(argv: Sequence[str]) -> int:
    """Run one command; return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a host name may not fit the terminal's encoding
    try:
        arguments = make_parser().parse_args(argv)
        importlib.import_module(f"endpoint.cli.{arguments.module}").run(arguments)
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
