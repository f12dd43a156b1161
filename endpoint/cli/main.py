"""The command line: picks the command, and turns every error into a message and an exit code."""

import argparse
import io
import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from endpoint.cli import try_out
from endpoint.config import read_config
from endpoint.core.fleet import fleet_document
from endpoint.core.host_id import parse_host_id
from endpoint.core.text import fleet_lines, gap_lines
from endpoint.core.timestamps import format_utc
from endpoint.errors import EndpointError, UsageError
from endpoint.http.server import serve
from endpoint.store.queries import FleetQueries
from endpoint.store.session import open_database
from endpoint.store.tokens import Role, Tokens
from endpoint.version import VERSION

_LONGEST = 256
_EPILOG = """\
exit codes: 0 done, 1 failed, 2 usage, 78 configuration error

example: maestro-endpoint try"""


def main(argv: Sequence[str]) -> int:
    """Run one command; return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # a host may have a name that this terminal has no letters for
    try:
        arguments = _parser().parse_args(argv)
        arguments.run(arguments)
        sys.stdout.flush()
    except EndpointError as error:
        print(f"maestro-endpoint: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone
    except OSError as error:
        print(f"maestro-endpoint: cannot go on: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="maestro-endpoint",
        description="Takes what maestro agents report, and shows the fleet.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"maestro-endpoint {VERSION}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", metavar="FILE", type=Path, help="instead of /etc/maestro-endpoint/config.toml")
    one = commands.add_parser("serve", parents=[common], help="take reports until asked to stop")
    one.set_defaults(run=_serve)
    one = commands.add_parser("try", help="serve on loopback with certificates and a token made on the spot")
    try_out.add_arguments(one)
    one = commands.add_parser("fleet", parents=[common], help="who is pending, held, needs a reboot, has gone silent")
    one.add_argument("--json", action="store_true", help="print maestro.fleet/1")
    one.set_defaults(run=_fleet)
    one = commands.add_parser("gaps", parents=[common], help="which events never came")
    one.set_defaults(run=_gaps)
    one = commands.add_parser("token", help="who may send and who may ask")
    _add_tokens(one, common)
    return parser


def _add_tokens(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    one = commands.add_parser("add", parents=[common], help="make a token and print it, this once")
    one.add_argument("--name", type=_printable, default="", help="what it is for")
    one.add_argument("--host", metavar="UUID", help="good for this host alone")
    one.add_argument("--admin", action="store_true", help="good for reading the fleet, not for sending")
    one.set_defaults(run=_add_token)
    one = commands.add_parser("list", parents=[common], help="all tokens, without their secrets")
    one.set_defaults(run=_list_tokens)
    one = commands.add_parser("revoke", parents=[common], help="make a token good for nothing, within seconds")
    one.add_argument("id", type=_printable, help="as `token list` shows it")
    one.set_defaults(run=_revoke_token)


def _printable(text: str) -> str:
    if not text.isprintable() or len(text) > _LONGEST:
        raise argparse.ArgumentTypeError(f"not plain text of at most {_LONGEST} letters: {text[:_LONGEST]!a}")
    return text


def _serve(arguments: argparse.Namespace) -> None:
    serve(read_config(arguments.config))


def _fleet(arguments: argparse.Namespace) -> None:
    config, now = read_config(arguments.config), datetime.now(timezone.utc)
    with open_database(config) as database:
        streams = FleetQueries(database).streams(now, config.fleet.forgotten_after)
        document = fleet_document(streams, now, config.fleet.silent_after)
    print(json.dumps(document, indent=2) if arguments.json else "\n".join(fleet_lines(document, now)))


def _gaps(arguments: argparse.Namespace) -> None:
    config, now = read_config(arguments.config), datetime.now(timezone.utc)
    with open_database(config) as database:
        print("\n".join(gap_lines(FleetQueries(database).streams(now, config.fleet.forgotten_after))))


def _add_token(arguments: argparse.Namespace) -> None:
    host = parse_host_id(arguments.host) if arguments.host else None
    if arguments.host and host is None:
        raise UsageError(f"--host: {arguments.host!r} is no UUID")
    with open_database(read_config(arguments.config)) as database:
        role = Role.ADMIN if arguments.admin else Role.AGENT
        print(Tokens(database).add(role=role, name=arguments.name, host_id=host, now=datetime.now(timezone.utc)))


def _list_tokens(arguments: argparse.Namespace) -> None:
    with open_database(read_config(arguments.config)) as database:
        for token in Tokens(database).all():
            state = f"revoked {format_utc(token.revoked_at)}" if token.revoked_at else "good"
            host = token.host_id or "any host"
            made = format_utc(token.created_at)
            print(f"{token.id}  {token.role.value:5}  {state}  {host}  {made}  {token.name}".rstrip())


def _revoke_token(arguments: argparse.Namespace) -> None:
    with open_database(read_config(arguments.config)) as database:
        Tokens(database).revoke(arguments.id, datetime.now(timezone.utc))
