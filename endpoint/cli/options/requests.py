"""What `request` and `requests` take."""

import argparse
from datetime import timedelta
from pathlib import Path

from endpoint.cli.options.kinds import comment, count, fix, lifetime, plan, printable, tag
from endpoint.core.request_arguments import Verb


def add_request(parser: argparse.ArgumentParser) -> None:
    """Add what `request` takes."""
    verbs = [verb.value for verb in Verb]
    parser.add_argument("verb", metavar="VERB", choices=verbs, help=f"one of {', '.join(verbs)}")
    hosts = parser.add_mutually_exclusive_group(required=True)
    hosts.add_argument("--host", metavar="HOST", type=printable, nargs="+", action="extend", help="by name or host id")
    hosts.add_argument("--tag", type=tag, nargs="+", action="extend", help="all with one of these tags")
    hosts.add_argument("--all", action="store_true", help="all that take requests")
    parser.add_argument("--fix", metavar="PACKAGE|CVE", type=fix, nargs="+", action="extend", help="for upgrade-fixes")
    parser.add_argument("--when", choices=("now", "window"), help="window: in the host's own maintenance window")
    parser.add_argument("--reboot", choices=("no", "if-required"), help="after an upgrade (default: no)")
    parser.add_argument("--plan", metavar="ID", type=plan, help="of one host: refused if its plan is another one")
    parser.add_argument("--at-once", metavar="N", type=count, default=10, help="hosts in flight (default: 10)")
    parser.add_argument("--stop-after", metavar="N", type=count, default=1, help="failures (default: 1)")
    parser.add_argument("--expires", metavar="TIME", type=lifetime, default=timedelta(days=1), help="(default: 24h)")
    parser.add_argument("--comment", metavar="TEXT", type=comment, default="", help="why; hosts show it")
    signature = parser.add_mutually_exclusive_group()
    signature.add_argument("--sign-with", metavar="KEY", type=Path, help="an OpenSSH key, or a public one of an agent")
    signature.add_argument("--sign-later", action="store_true", help="wait for `requests sign`")
    parser.add_argument("--dry-run", action="store_true", help="show the hosts, change nothing")
    parser.add_argument("--json", action="store_true", help="print maestro.deployment/1")
    parser.set_defaults(module="request")


def add_requests(parser: argparse.ArgumentParser) -> None:
    """Add what `requests` takes."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", metavar="FILE", type=Path, help="instead of /etc/maestro-endpoint/config.toml")
    actions = parser.add_subparsers(dest="action", metavar="COMMAND", required=True)
    parser.set_defaults(module="requests")
    one = actions.add_parser("list", parents=[common], help="all deployments, the latest first")
    one.add_argument("--json", action="store_true", help="print maestro.deployments/1")
    one = actions.add_parser("show", parents=[common], help="one deployment, host by host")
    one.add_argument("id", metavar="ID", type=printable)
    one.add_argument("--json", action="store_true", help="print maestro.deployment/1")
    one = actions.add_parser("sign", parents=[common], help="sign what waits for a signature, here or elsewhere")
    one.add_argument("id", metavar="ID", type=printable)
    how = one.add_mutually_exclusive_group(required=True)
    how.add_argument("--with", metavar="KEY", type=Path, dest="key", help="as --sign-with of `request`")
    how.add_argument("--write", metavar="DIR", type=Path, help="write what is to be signed into files there")
    how.add_argument("--read", metavar="DIR", type=Path, help="read the signatures from there")
    one = actions.add_parser("cancel", parents=[common], help="cancel a deployment, or the request of one host")
    one.add_argument("id", metavar="ID", type=printable)
    one.add_argument("--lost", action="store_true", help="wait for no host to report the end: it will not come back")
    one = actions.add_parser("resume", parents=[common], help="go on with a deployment that stopped")
    one.add_argument("id", metavar="ID", type=printable)
