"""What each command takes. Standard library only: `--help` and usage errors import no command."""

import argparse
import os
from pathlib import Path

from endpoint.version import VERSION

_LONGEST = 256
_EPILOG = """\
exit codes: 0 done, 1 failed, 2 usage, 78 configuration error

example: maestro-endpoint try"""


def make_parser() -> argparse.ArgumentParser:
    """Build the parser; `module` of its result names the file in this folder whose `run` takes the result."""
    parser = argparse.ArgumentParser(
        prog="maestro-endpoint",
        description="Receives what maestro agents report, and shows the fleet.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"maestro-endpoint {VERSION}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", metavar="FILE", type=Path, help="instead of /etc/maestro-endpoint/config.toml")
    one = commands.add_parser("serve", parents=[common], help="accept reports until stopped")
    one.set_defaults(module="serve")
    _add_try(commands.add_parser("try", help="serve on loopback with a generated certificate and token"))
    one = commands.add_parser("fleet", parents=[common], help="hosts: pending, held, reboot required, silent")
    one.add_argument("--json", action="store_true", help="print maestro.fleet/1")
    one.set_defaults(module="fleet")
    one = commands.add_parser("gaps", parents=[common], help="events that are missing")
    one.set_defaults(module="gaps")
    _add_locks(commands.add_parser("locks", parents=[common], help="reboot slots: who holds one, who waits"))
    _add_token(commands.add_parser("token", help="tokens of agents and administrators"), common)
    return parser


def _add_try(parser: argparse.ArgumentParser) -> None:
    default = Path("/var/lib/maestro-endpoint-try" if os.geteuid() == 0 else Path.home() / ".maestro-endpoint-try")
    parser.add_argument("--dir", type=Path, default=default, help=f"where all files are kept (default: {default})")
    parser.add_argument("--port", type=int, default=8443, help="on 127.0.0.1 (default: 8443)")
    parser.set_defaults(module="try_out")


def _add_locks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print maestro.locks/1")
    # Without defaults: those of an action would replace what was given before it.
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--config", metavar="FILE", type=Path, help="instead of /etc/maestro-endpoint/config.toml")
    actions = parser.add_subparsers(dest="action", metavar="COMMAND")
    parser.set_defaults(module="locks", action="list")
    one = actions.add_parser("list", parents=[common], help="the same")
    one.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print maestro.locks/1")
    one = actions.add_parser("release", parents=[common], help="release the slot of a host that cannot do it itself")
    one.add_argument("host", metavar="HOST", type=_printable, help="its name, host id or client id")
    one.add_argument("--why", metavar="TEXT", type=_printable, required=True, help="for the record")
    one.add_argument("--group", type=_printable, help="if it holds several")


def _add_token(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    parser.set_defaults(module="token")
    actions = parser.add_subparsers(dest="action", metavar="COMMAND", required=True)
    one = actions.add_parser("add", parents=[common], help="create a token and print it, once")
    one.add_argument("--name", type=_printable, default="", help="what it is for")
    one.add_argument("--host", metavar="UUID", help="valid for this host only")
    one.add_argument("--admin", action="store_true", help="may read the fleet, may not send")
    actions.add_parser("list", parents=[common], help="all tokens, without their secrets")
    one = actions.add_parser("revoke", parents=[common], help="revoke a token; takes effect within seconds")
    one.add_argument("id", type=_printable, help="as `token list` shows it")


def _printable(text: str) -> str:
    if not text.isprintable() or len(text) > _LONGEST:
        raise argparse.ArgumentTypeError(f"not printable text of at most {_LONGEST} characters: {text[:_LONGEST]!a}")
    return text
