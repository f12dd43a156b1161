"""What each command takes. Standard library only: `--help` and usage errors import no command."""

import argparse
import os
import re
from datetime import timedelta
from pathlib import Path

from endpoint.core.request_arguments import FIX, MAX_LIFETIME, Verb
from endpoint.core.timestamps import parse_duration
from endpoint.version import VERSION

_LONGEST = 256
_LONGEST_COMMENT = 200
_MOST_HOSTS = 1_000_000
_TAG = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}")
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
    _add_request(commands.add_parser("request", parents=[common], help="request work of hosts, some at a time"))
    _add_requests(commands.add_parser("requests", help="the requests made so far: show, sign, cancel, resume"))
    one = commands.add_parser("tag", parents=[common], help="tags of hosts, for `request --tag`")
    one.add_argument("host", metavar="HOST", type=_printable, nargs="?", help="its name or host id")
    one.add_argument("--add", metavar="TAG", type=_tag, nargs="+", action="extend", default=[])
    one.add_argument("--remove", metavar="TAG", type=_tag, nargs="+", action="extend", default=[])
    one.set_defaults(module="tag")
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


def _add_request(parser: argparse.ArgumentParser) -> None:
    verbs = [verb.value for verb in Verb]
    parser.add_argument("verb", metavar="VERB", choices=verbs, help=f"one of {', '.join(verbs)}")
    hosts = parser.add_mutually_exclusive_group(required=True)
    hosts.add_argument("--host", metavar="HOST", type=_printable, nargs="+", action="extend", help="by name or host id")
    hosts.add_argument("--tag", type=_tag, nargs="+", action="extend", help="all with one of these tags")
    hosts.add_argument("--all", action="store_true", help="all that take requests")
    parser.add_argument("--fix", metavar="PACKAGE|CVE", type=_fix, nargs="+", action="extend", help="for upgrade-fixes")
    parser.add_argument("--when", choices=("now", "window"), help="window: in the host's own maintenance window")
    parser.add_argument("--reboot", choices=("no", "if-required"), help="after an upgrade (default: no)")
    parser.add_argument("--plan", metavar="ID", type=_plan, help="of one host: refused if its plan is another one")
    parser.add_argument("--at-once", metavar="N", type=_count, default=10, help="hosts in flight (default: 10)")
    parser.add_argument("--stop-after", metavar="N", type=_count, default=1, help="failures (default: 1)")
    parser.add_argument("--expires", metavar="TIME", type=_lifetime, default=timedelta(days=1), help="(default: 24h)")
    parser.add_argument("--comment", metavar="TEXT", type=_comment, default="", help="why; hosts show it")
    signature = parser.add_mutually_exclusive_group()
    signature.add_argument("--sign-with", metavar="KEY", type=Path, help="an OpenSSH key, or a public one of an agent")
    signature.add_argument("--sign-later", action="store_true", help="wait for `requests sign`")
    parser.add_argument("--dry-run", action="store_true", help="show the hosts, change nothing")
    parser.add_argument("--json", action="store_true", help="print maestro.deployment/1")
    parser.set_defaults(module="request")


def _add_requests(parser: argparse.ArgumentParser) -> None:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", metavar="FILE", type=Path, help="instead of /etc/maestro-endpoint/config.toml")
    actions = parser.add_subparsers(dest="action", metavar="COMMAND", required=True)
    parser.set_defaults(module="requests")
    one = actions.add_parser("list", parents=[common], help="all deployments, the latest first")
    one.add_argument("--json", action="store_true", help="print maestro.deployments/1")
    one = actions.add_parser("show", parents=[common], help="one deployment, host by host")
    one.add_argument("id", metavar="ID", type=_printable)
    one.add_argument("--json", action="store_true", help="print maestro.deployment/1")
    one = actions.add_parser("sign", parents=[common], help="sign what waits for a signature, here or elsewhere")
    one.add_argument("id", metavar="ID", type=_printable)
    how = one.add_mutually_exclusive_group(required=True)
    how.add_argument("--with", metavar="KEY", type=Path, dest="key", help="as --sign-with of `request`")
    how.add_argument("--write", metavar="DIR", type=Path, help="write what is to be signed into files there")
    how.add_argument("--read", metavar="DIR", type=Path, help="read the signatures from there")
    one = actions.add_parser("cancel", parents=[common], help="cancel a deployment, or the request of one host")
    one.add_argument("id", metavar="ID", type=_printable)
    one.add_argument("--lost", action="store_true", help="wait for no host to report the end: it will not come back")
    one = actions.add_parser("resume", parents=[common], help="go on with a deployment that stopped")
    one.add_argument("id", metavar="ID", type=_printable)


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


def _comment(text: str) -> str:
    if len(text) > _LONGEST_COMMENT:
        raise argparse.ArgumentTypeError(f"longer than {_LONGEST_COMMENT} characters")
    return _printable(text)


def _tag(text: str) -> str:
    if not _TAG.fullmatch(text):
        raise argparse.ArgumentTypeError(f"not a tag of letters, digits, dots, _ and -, at most 64: {text[:64]!a}")
    return text


def _fix(text: str) -> str:
    if not FIX.fullmatch(text):
        raise argparse.ArgumentTypeError(f"neither a package nor a CVE id: {text[:64]!a}")
    return text


def _plan(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{12}", text):
        raise argparse.ArgumentTypeError(f"not the id of a plan, 12 hexadecimal digits: {text[:64]!a}")
    return text


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= _MOST_HOSTS):
        raise argparse.ArgumentTypeError(f"not a number from 1 to {_MOST_HOSTS}: {text[:64]!a}")
    return int(text)


def _lifetime(text: str) -> timedelta:
    try:
        found = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'not a duration, as "24h": {text[:64]!a}') from error
    if found > MAX_LIFETIME:
        raise argparse.ArgumentTypeError(f"longer than {MAX_LIFETIME.days} days")
    return found
