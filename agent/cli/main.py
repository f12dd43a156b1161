"""The command line: runs one command, and turns every error into a message and an exit code.

Only the module of that command is imported, so that `status` never loads libapt.
"""

import argparse
import importlib
import os
import sys
import syslog
from collections.abc import Sequence
from contextlib import suppress
from types import ModuleType

from agent.cli.output import print_error
from agent.core.exporters import ExporterName
from agent.errors import AgentError, ExitCode
from agent.state.store import DEFAULT_DIRECTORY
from agent.version import VERSION

_COMMANDS = {
    "status": "show the last recorded check, plan and run; needs no root, no network and no daemon",
    "check": "refresh the package lists, make a plan, record and print it; changes nothing else",
    "upgrade": "install the updates of the plan: security updates only, unless --all",
    "explain": "show every gate of a package, or of a reboot: its verdict and what would open it",
    "follow": "show the running job's progress up to its result; needs no root",
    "history": "list past runs, or show one: packages, versions, failures",
    "report": "show the report document, or send it to all configured exporters",
    "run": "the daemon: checks, upgrades and reports on schedule; systemd starts it (maestro-agent.service)",
    "config": "validate the configuration, or show the effective values and where each is set",
}
_HIDDEN_COMMANDS = {f"export-{one.value}": f"run the {one.value} exporter" for one in ExporterName}
"""Commands that only the agent runs, each in its own process (`agent.cli.export`); `--help` does not list them."""
_OPTIONS_WITH_VALUE = {"--config", "--state-dir"}
_EPILOG = """\
exit codes: 0 done or healthy, 1 failed, 2 usage, 3 unknown or stale, 4 needs root, 5 busy,
6 the plan is no longer the requested one, 10 attention (updates are pending or held back),
78 configuration error

example: maestro-agent check && maestro-agent upgrade"""


class _Help(argparse.RawDescriptionHelpFormatter):
    """The default formatter without its import of shutil, which it needs only to measure the terminal."""

    def __init__(self, prog: str) -> None:
        try:
            columns = os.get_terminal_size().columns
        except OSError:
            columns = 80
        super().__init__(prog, width=columns - 2)


def main(argv: Sequence[str]) -> int:
    """Run one command; return its exit code."""
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - closed streams are None
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    try:
        verb = _verb(argv)
        module = (
            importlib.import_module(f"agent.cli.{'export' if verb in _HIDDEN_COMMANDS else verb}") if verb else None
        )
        arguments = _parser(argv, verb, module).parse_args(argv)
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except AgentError as error:
        print_error(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        print("maestro-agent: interrupted", file=sys.stderr)
        return ExitCode.STOPPED
    except BrokenPipeError:
        _silence_stdout()  # the reader has gone
        return ExitCode.OK
    except OSError as error:
        _silence_stdout()
        print_error(f"failed: {error}")
        return ExitCode.FAILED
    except Exception as error:  # noqa: BLE001 - the one boundary: a bug is printed and logged, never swallowed
        syslog.openlog("maestro-agent", syslog.LOG_PID, syslog.LOG_DAEMON)
        syslog.syslog(syslog.LOG_ERR, f"internal error: {error!r}")
        print(f"maestro-agent: internal error, please report it with the traceback below: {error}", file=sys.stderr)
        sys.excepthook(type(error), error, error.__traceback__)  # prints it without importing traceback
        return ExitCode.FAILED
    return code


def main_and_exit(argv: Sequence[str]) -> None:
    """Run one command and end the process at once.

    Tearing the interpreter down costs a sixth of what `status` takes, and a command leaves nothing to be torn down.
    """
    code = main(argv)
    with suppress(OSError, ValueError):  # closed by now: main() has reported what could not be written
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _silence_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _verb(argv: Sequence[str]) -> str | None:
    """Return the command: the first argument that is neither an option nor an option's value."""
    arguments = iter(argv)
    for one in arguments:
        if one in _OPTIONS_WITH_VALUE:
            next(arguments, None)
        elif not one.startswith("-"):
            return one if one in _COMMANDS or one in _HIDDEN_COMMANDS else None
    return None


def _listed(verb: str | None, argv: Sequence[str]) -> dict[str, str]:
    """Return the commands to build parsers for: each costs `status` half a millisecond, and one is enough to run it."""
    if verb is None or "-h" in argv or "--help" in argv:
        return {**_COMMANDS, **({verb: _HIDDEN_COMMANDS[verb]} if verb in _HIDDEN_COMMANDS else {})}
    return {verb: _COMMANDS.get(verb) or _HIDDEN_COMMANDS[verb]}


def _parser(argv: Sequence[str], verb: str | None, module: ModuleType | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="maestro-agent",
        description="Keeps a server patched with security updates, and shows what is not installed and why.",
        epilog=_EPILOG,
        formatter_class=_Help,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"maestro-agent {VERSION}")
    _add_globals(parser, suppress=False)
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True)
    for name, summary in _listed(verb, argv).items():
        one = verbs.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog=getattr(module, "EXAMPLE", None) if name == verb else None,
            formatter_class=_Help,
            allow_abbrev=False,
        )
        if name == verb and module is not None:
            _add_globals(one, suppress=True)
            module.add_arguments(one)
            one.set_defaults(run=module.run)
    return parser


def _add_globals(parser: argparse.ArgumentParser, *, suppress: bool) -> None:
    """Add the options of every command, accepted before or after its name."""
    config = argparse.SUPPRESS if suppress else None
    state = argparse.SUPPRESS if suppress else DEFAULT_DIRECTORY
    parser.add_argument(
        "--config",
        metavar="FILE",
        default=config,
        help="configuration file to read instead of the default",
    )
    parser.add_argument("--state-dir", metavar="DIR", default=state, help="directory of the record")
