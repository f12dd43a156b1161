"""The commands, and the parser of the command line. Only the module of the requested command is imported.

Options may stand before or behind the command: both are parsed by the command's own parser.
"""

import argparse
import importlib
import os
from collections.abc import Sequence
from types import ModuleType

from agent.cli.output import print_lines
from agent.core.exporters import ExporterName
from agent.errors import CommandLineError
from agent.state.store import DEFAULT_DIRECTORY
from agent.version import VERSION

COMMANDS = {
    "status": "show updates, runs, reboot need: no root, no network",
    "check": "fetch package lists, plan, record; installs nothing",
    "upgrade": "install security updates (--all: every update)",
    "snooze": "leave an update alone until a date, list or end that",
    "provision": "new server: every package to its latest, restart",
    "explain": "why a package is upgraded or not, or a reboot due",
    "docker": "show Docker's versions, plan or apply the manifest's",
    "weave": "show Weave's versions, plan or apply the manifest's",
    "reboot": "reboot through the gates, now or at a time",
    "restart-services": "restart services that run replaced files",
    "lock": "show or release the fleet lock of this machine",
    "unattended-upgrades": "show or switch the distribution's own daily job",
    "requests": "list requests of the endpoint, and how they ended",
    "follow": "show the running job's progress up to its result",
    "history": "list past runs, or show one completely",
    "report": "show the status report, or send it",
    "run": "run the daemon (systemd starts it)",
    "config": "check the configuration, or show its values",
    "help": "list the commands, or show the help of one",
}
_EXPORTERS = {f"export-{one.value}": f"run the {one.value} exporter" for one in ExporterName}
"""Each in its own process (`agent.cli.export`)."""
HIDDEN_COMMANDS = {**_EXPORTERS, "metrics-files": "print where metrics are written"}
"""Commands that only the agent and its package run; `--help` does not list them."""
_OPTIONS_WITH_VALUE = {
    "--config",
    "--state-dir",
    "--run-dir",
    "--plan",
    "--only",
    "--number",
    "-n",
    "--at",
    "--despite",
    "--comment",
    "--until",
}
_HELP = {"-h", "--help"}
_EPILOG = """\
`maestro-agent help COMMAND` shows the options of a command.

exit codes:
  0   done, or healthy
  1   failed
  2   usage
  3   unknown or stale
  4   needs root
  5   busy
  6   the plan is no longer the requested one
  10  attention: updates are pending or held back, a gate is closed
  78  configuration error

example: maestro-agent check; maestro-agent upgrade"""


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """The default formatter without its import of shutil, which it needs only to measure the terminal."""

    def __init__(self, prog: str) -> None:
        try:
            columns = os.get_terminal_size().columns
        except OSError:
            columns = 80
        super().__init__(prog, width=columns - 2)


class _CommandsFormatter(_HelpFormatter):
    """The same for the list of commands: argparse does not count its indent, and would break the longest one's line."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._action_max_length = max(map(len, COMMANDS)) + 4
        self._max_help_position = self._action_max_length + 2


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are raised, so that they can also be a document."""

    def error(self, message: str) -> None:  # type: ignore[override] # typing.NoReturn: `status` does not pay for typing
        raise CommandLineError(message, self.format_usage())

    def _print_message(self, message: str, file: object = None) -> None:
        """Print the help or the version; argparse itself writes to a closed pipe."""
        del file  # always standard output: errors are raised
        print_lines(message.rstrip("\n").split("\n"))


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments of a command, with its function as `run`.

    Raises:
        CommandLineError: there is no such command, or it has no such arguments.
        SystemExit: the help or the version was asked for and has been written to standard output.
    """
    verb, before, behind = _split(argv)
    if verb == "help":
        verb, before, behind = _topic(behind)
    if verb is None:
        if not {*_HELP, "--version"}.intersection(before):
            raise CommandLineError("no command given", _program_parser().format_help())
        return _program_parser().parse_args(before)
    if verb not in COMMANDS and verb not in HIDDEN_COMMANDS:
        # Imported by name: no other command line pays for it.
        similar: str = importlib.import_module("agent.cli.suggestions").suggestion(verb, COMMANDS)
        raise CommandLineError(f"there is no command {verb!r}{similar}", _program_parser().format_usage())
    if "--version" in before:
        return _program_parser().parse_args(["--version"])
    return command_parser(verb).parse_args([*before, *behind])


def _split(argv: Sequence[str]) -> tuple[str | None, Sequence[str], Sequence[str]]:
    """Return the command, and what stands before and behind it; it is the first word that is no option or its value."""
    position = 0
    while position < len(argv):
        if argv[position] in _OPTIONS_WITH_VALUE:
            position += 1
        elif not argv[position].startswith("-"):
            return argv[position], argv[:position], argv[position + 1 :]
        position += 1
    return None, argv, ()


def _topic(words: Sequence[str]) -> tuple[str | None, Sequence[str], Sequence[str]]:
    """Return the command line that shows the help that `help` asks for."""
    topic = next((word for word in words if not word.startswith("-") and word != "help"), None)
    return (topic, ["--help"], ()) if topic in COMMANDS or topic is None else (topic, (), ())


def _program_parser() -> _Parser:
    """Return the parser of a command line without a command."""
    parser = _Parser(
        prog="maestro-agent",
        usage="maestro-agent [--config FILE] [--state-dir DIR] COMMAND [OPTION...]",
        description="Keeps a server patched with security updates, and shows what is missing and why.",
        epilog=_EPILOG,
        formatter_class=_CommandsFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"maestro-agent {VERSION}")
    _add_globals(parser)
    commands = parser.add_subparsers(dest="verb", metavar="COMMAND", title="commands")
    for name, summary in COMMANDS.items():
        commands.add_parser(name, help=summary)
    return parser


def command_parser(verb: str) -> argparse.ArgumentParser:
    """Return the parser of what stands before and behind a command."""
    name = "export" if verb in _EXPORTERS else verb.replace("-", "_")
    module: ModuleType = importlib.import_module(f"agent.cli.{name}")
    summary = HIDDEN_COMMANDS.get(verb) or COMMANDS[verb]
    parser = _Parser(
        prog=f"maestro-agent {verb}",
        description=summary[0].upper() + summary[1:] + ".",
        epilog=getattr(module, "EXAMPLE", None),
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
    )
    _add_globals(parser)
    module.add_arguments(parser)
    parser.set_defaults(run=module.run, verb=verb)
    return parser


def _add_globals(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command."""
    parser.add_argument("--config", metavar="FILE", help="configuration file to read instead of the default")
    parser.add_argument("--state-dir", metavar="DIR", default=DEFAULT_DIRECTORY, help="directory of the record")
