"""`maestro-agent status`: answers at once from the record, whatever else is on fire. Imports nothing heavy."""

import argparse
import os
from datetime import datetime, timezone

from agent.cli.output import print_json, print_lines
from agent.errors import RecordError
from agent.host.rebootflag import read_flag
from agent.reading import Reader
from agent.status import Health, status_document, status_lines
from agent.store import STATE, Store

EXAMPLE = "example: maestro-agent status --json | jq .reasons"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `status` takes."""
    parser.add_argument("--json", action="store_true", help="print maestro.status/1")


def run(arguments: argparse.Namespace) -> int:
    """Print the record as it stands now; exit 0 healthy, 10 attention, 3 unknown or stale."""
    store = Store(arguments.state_dir)
    now = datetime.now(timezone.utc).replace(microsecond=0)
    try:
        state = store.read(STATE, "maestro.state/1")
        last = next((store.read_run(run_id, "maestro.outcome/1") for run_id in store.run_ids()), None)
        health, document, lines = _weigh(store, state, last, now=now)
    except (RecordError, ValueError, OverflowError) as error:
        health, document, lines = _weigh(store, None, None, now=now, problem=str(error))
    if arguments.json:
        print_json(document)
    else:
        print_lines(lines)
    return health.exit_code


def _weigh(
    store: Store, state: Reader | None, last: Reader | None, *, now: datetime, problem: str = ""
) -> tuple[Health, dict[str, object], list[str]]:
    """Return health, document and text; a record of the wrong shape shows here and raises RecordError."""
    flag, reboot_problem = None, ""
    try:
        flag = read_flag()
    except OSError as error:
        reboot_problem = f"whether a reboot is required could not be read: {error}"
    health, document = status_document(
        state,
        last,
        flag,
        now=now,
        problem=problem,
        reboot_problem=reboot_problem,
        worker_pid=store.worker_pid(),
    )
    return health, document, status_lines(Reader(document, "status"), os.uname().nodename, now)
