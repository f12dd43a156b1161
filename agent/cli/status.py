"""`maestro-agent status`: answers at once from the record, whatever else is on fire. Imports nothing heavy."""

import argparse
import os
from datetime import datetime, timezone

from agent.cli.output import print_json, print_lines
from agent.errors import RecordError
from agent.host.rebootflag import read_flag
from agent.reading import Reader
from agent.status import status_document, status_lines
from agent.store import STATE, Store

EXAMPLE = "example: maestro-agent status --json | jq .reasons"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `status` takes."""
    parser.add_argument("--json", action="store_true", help="print maestro.status/1")


def run(arguments: argparse.Namespace) -> int:
    """Print the record as it stands now; exit 0 healthy, 10 attention, 3 unknown or stale."""
    store = Store(arguments.state_dir)
    now = datetime.now(timezone.utc).replace(microsecond=0)
    problem = ""
    state = last = None
    try:
        state = store.read(STATE, "maestro.state/1")
        last = next((store.read_run(run_id, "maestro.outcome/1") for run_id in store.run_ids()), None)
    except RecordError as error:
        problem = str(error)
    health, document = status_document(
        state, last, read_flag(), now=now, problem=problem, worker_pid=store.worker_pid()
    )
    if arguments.json:
        print_json(document)
    else:
        print_lines(status_lines(Reader(document, "status"), os.uname().nodename, now))
    return health.exit_code
