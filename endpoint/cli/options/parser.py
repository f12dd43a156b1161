"""The parser: what each command takes, in one file for each command with several options.

Standard library only: `--help` and usage errors import no command.
"""

import argparse
from pathlib import Path

from endpoint.cli.options.advisories import add_advisories
from endpoint.cli.options.backup import add_backup
from endpoint.cli.options.demo import add_demo
from endpoint.cli.options.deploy import add_deploy
from endpoint.cli.options.enrolments import add_enrolments
from endpoint.cli.options.kinds import printable, tag
from endpoint.cli.options.locks import add_locks
from endpoint.cli.options.notify import add_notify
from endpoint.cli.options.requests import add_request, add_requests
from endpoint.cli.options.token import add_token
from endpoint.cli.options.try_out import add_try
from endpoint.cli.options.user import add_user
from endpoint.version import VERSION

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
    add_try(commands.add_parser("try", help="serve on loopback with a generated certificate and token"))
    add_demo(commands.add_parser("demo", help="serve pages with an invented fleet on loopback"))
    one = commands.add_parser("fleet", parents=[common], help="hosts: pending, held, reboot required, silent")
    one.add_argument("--json", action="store_true", help="print maestro.fleet/1")
    one.set_defaults(module="fleet")
    one = commands.add_parser("gaps", parents=[common], help="events that are missing")
    one.set_defaults(module="gaps")
    add_locks(commands.add_parser("locks", parents=[common], help="reboot slots: who holds one, who waits"))
    add_deploy(commands.add_parser("deploy", parents=[common], help="upgrades, reboots, Docker, Weave for a selection"))
    add_request(commands.add_parser("request", parents=[common], help="request work of hosts, some at a time"))
    add_requests(commands.add_parser("requests", help="the requests made so far: show, sign, cancel, resume"))
    one = commands.add_parser("tag", parents=[common], help="tags of hosts, for `request --tag`")
    one.add_argument("host", metavar="HOST", type=printable, nargs="?", help="its name or host id")
    one.add_argument("--add", metavar="TAG", type=tag, nargs="+", action="extend", default=[])
    one.add_argument("--remove", metavar="TAG", type=tag, nargs="+", action="extend", default=[])
    one.set_defaults(module="tag")
    add_advisories(commands.add_parser("advisories", help="known exploited vulnerabilities, notices: load them"))
    add_backup(
        commands.add_parser("backup", parents=[common], help="a verified copy of the database, while it is in use")
    )
    add_notify(commands.add_parser("notify", help="notifications by webhook and mail: test, list"), common)
    add_enrolments(commands.add_parser("enrolments", help="hosts that ask for a token: list, approve, refuse"))
    add_user(commands.add_parser("user", help="people who may log in, and what each may do"), common)
    add_token(commands.add_parser("token", help="tokens of agents and administrators"), common)
    return parser
