"""`maestro-agent history`: past runs, newest first, or one of them completely."""

import argparse
import os

from agent.cli.output import print_error, print_json, print_lines
from agent.core.schemas import HISTORY_SCHEMA, OUTCOME_SCHEMA
from agent.errors import ExitCode, RecordError, UsageError
from agent.report.text import history_line, outcome_lines
from agent.state.json_reader import JsonReader
from agent.state.store import Store
from agent.state.timestamps import format_utc, utc_now
from agent.state.views import OutcomeView, RunView

EXAMPLE = "example: maestro-agent history 20261123T051000Z"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `history`."""
    parser.add_argument("id", nargs="?", metavar="ID", help="id of a run, as the list shows it")
    parser.add_argument("--json", action="store_true", help="print maestro.history/1, or maestro.outcome/1 for one run")


def run(arguments: argparse.Namespace) -> int:
    """Show the history; exit 2 if there is no such run."""
    store = Store(arguments.state_dir)
    if arguments.id is not None:
        return _show_one(store, arguments.id, as_json=arguments.json)
    runs, lines = [], []
    for run_id in store.run_ids():
        try:
            found = store.read_run(run_id, OUTCOME_SCHEMA)
            lines += [history_line(RunView(found))] if found is not None else []
        except RecordError as error:
            print_error(str(error))
            continue
        runs += [found] if found is not None else []
    if arguments.json:
        print_json(
            {
                "schema": HISTORY_SCHEMA,
                "generated_at": format_utc(utc_now()),
                "runs": [found.raw for found in runs],
            }
        )
    else:
        print_lines(lines or ["No run on record yet."])
    return ExitCode.OK


def _show_one(store: Store, run_id: str, *, as_json: bool) -> int:
    found: JsonReader | None = store.read_run(run_id, OUTCOME_SCHEMA) if run_id in store.run_ids() else None
    if found is None:
        raise UsageError(f"no run {run_id!r} on record; `maestro-agent history` lists them")
    if as_json:
        print_json(found.raw)
    else:
        log = store.log_path(run_id)
        more = [f"Output of the package manager: {log}"] if os.path.exists(log) else []
        print_lines([*outcome_lines(OutcomeView(found)), *more])
    return ExitCode.OK
