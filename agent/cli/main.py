"""The command line's boundary: runs one command, and turns every error into a message and an exit code.

Output that cannot be written changes no exit code: a command ends with the code of its work.
"""

import gc
import importlib
import os
import syslog
from collections.abc import Sequence

from agent.cli.output import finish_output, prepare_output, print_error, print_failure, print_traceback, print_usage
from agent.core.package_label import set_native
from agent.core.redact import redact
from agent.errors import AgentError, CommandLineError, ExitCode, missing_module
from agent.state.native_architecture import native_architecture

_SHORT = (["status"], ["status", "--json"])
"""What people and scripts run most, and without argparse: importing it and building the parser is half of `status`."""


def main(argv: Sequence[str]) -> int:
    """Run one command; return its exit code."""
    prepare_output()
    code = _run(argv, as_json="--json" in argv)
    finish_output()
    return code


def main_and_exit(argv: Sequence[str]) -> None:
    """Run one command and end the process at once.

    Tearing the interpreter down costs a sixth of what `status` takes, and a command leaves nothing to be torn down.
    The cyclic collector is off while modules are imported, which leaves no garbage (bin/maestro-agent begins with it).
    """
    gc.disable()
    os._exit(main(argv))


def _run(argv: Sequence[str], *, as_json: bool) -> int:
    set_native(native_architecture())
    try:
        code = _command(argv)
    except SystemExit:  # after --help and --version
        return ExitCode.OK
    except CommandLineError as error:
        print_usage(error.usage)
        return _fail(str(error), error.exit_code, as_json=as_json)
    except AgentError as error:
        return _fail(str(error), error.exit_code, as_json=as_json)
    except KeyboardInterrupt:
        return _fail("interrupted", ExitCode.STOPPED, as_json=as_json)
    except (OSError, ImportError) as error:
        message = missing_module(error) if isinstance(error, ImportError) else str(error)
        return _fail(f"failed: {message}", ExitCode.FAILED, as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the one boundary: a bug is printed and logged, never swallowed
        syslog.openlog("maestro-agent", syslog.LOG_PID, syslog.LOG_DAEMON)
        syslog.syslog(syslog.LOG_ERR, redact(f"internal error: {error!a}"))
        code = _fail(
            f"internal error, please report it with the traceback below: {error}", ExitCode.FAILED, as_json=as_json
        )
        print_traceback(error)
    return code


def _command(argv: Sequence[str]) -> int:
    """Run the command. Both ways are imported by name, so that neither pays for the other."""
    if list(argv) in _SHORT:
        shown: int = importlib.import_module("agent.cli.show_status").show_status(as_json="--json" in argv)
        return shown
    arguments = importlib.import_module("agent.cli.command_line").parse(argv)
    _collect_again()
    code: int = arguments.run(arguments)
    return code


def _collect_again() -> None:
    if not gc.isenabled():
        gc.freeze()  # the imported modules stay until the process ends
        gc.enable()


def _fail(message: str, exit_code: int, *, as_json: bool) -> int:
    print_error(message)
    if as_json:
        print_failure(message, exit_code)
    return exit_code
