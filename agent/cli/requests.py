"""`maestro-agent requests`: the requests of the endpoint on record, and how each ended."""

import argparse
from itertools import islice

from agent.cli.flags import count
from agent.cli.output import print_json, print_lines
from agent.core.schemas import REQUESTS_SCHEMA, Document
from agent.errors import ExitCode, UsageError
from agent.report.requests_text import request_lines, request_rows
from agent.state.requests_view import read_requests
from agent.state.store import Store
from agent.state.timestamps import format_utc, utc_now

EXAMPLE = "example: maestro-agent requests -n 10"
_NONE = "No request of an endpoint is on record."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `requests`."""
    parser.add_argument("id", nargs="?", metavar="ID", help="show this request completely")
    parser.add_argument("-n", "--number", type=count, metavar="N", help="list only the N newest requests")
    parser.add_argument("--json", action="store_true", help="print maestro.requests/1")


def run(arguments: argparse.Namespace) -> int:
    """Show the requests, the newest first; exit 2 if there is none with that id.

    Raises:
        RecordError: the record is damaged.
    """
    found = read_requests(Store(arguments.state_dir))
    document, requests = (dict(found[0].raw), found[1]) if found is not None else (_empty(), [])
    if arguments.id is not None:
        requests = [one for one in requests if one.id == arguments.id]
        if not requests:
            raise UsageError(f"no request {arguments.id!r} is on record; `maestro-agent requests` lists them")
    requests = list(islice(requests, arguments.number))
    if arguments.json:
        print_json({**document, "requests": [dict(one.raw) for one in requests]})
    elif arguments.id is not None:
        print_lines(request_lines(requests[0]))
    else:
        print_lines(request_rows(requests) or [_NONE])
    return ExitCode.OK


def _empty() -> Document:
    now = format_utc(utc_now())
    return {"schema": REQUESTS_SCHEMA, "generated_at": now, "id": None, "sequence": 0, "floor": None, "requests": []}
