"""What `deploy` takes."""

import argparse

from endpoint.cli.options.kinds import comment, count, fix, printable


def add_deploy(parser: argparse.ArgumentParser) -> None:
    """Add what `deploy` takes."""
    text = "the hosts, as in the address of the list of hosts: 'state=pending&tag=web'; '' for all"
    parser.add_argument("query", metavar="QUERY", type=printable, help=text)
    what = ("security", "fixes", "none")
    parser.add_argument("--upgrade", choices=what, default="security", help="which packages (default: security)")
    parser.add_argument(
        "--fix", metavar="PACKAGE|CVE", type=fix, nargs="+", action="extend", help="for --upgrade fixes"
    )
    parser.add_argument("--reboot", choices=("no", "if-required"), default="no", help="(default: no)")
    parser.add_argument("--docker", action="store_true", help="Docker to the version of the host's manifest")
    parser.add_argument("--weave", action="store_true", help="the same for Weave")
    parser.add_argument("--when", choices=("now", "window"), default="now", help="window: the host's own")
    parser.add_argument("--at-once", metavar="N|N%", default="10", help="hosts in flight (default: 10)")
    parser.add_argument("--stop-after", metavar="N", type=count, default=1, help="failures (default: 1)")
    parser.add_argument("--expires", metavar="TIME", default="24h", help="(default: 24h)")
    parser.add_argument("--comment", metavar="TEXT", type=comment, default="", help="why; hosts show it")
    parser.add_argument("--exact", action="store_true", help="only the plan that each host has now")
    parser.add_argument("--sign-later", action="store_true", help="all wait for `requests sign`")
    parser.add_argument("--dry-run", action="store_true", help="show what each host would do, change nothing")
    parser.add_argument("--json", action="store_true", help="print maestro.deployment/1, or the preview")
    parser.set_defaults(module="deploy")
