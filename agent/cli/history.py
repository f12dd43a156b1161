"""`maestro-agent history`: past runs, newest first, or one of them completely."""

import argparse
import os
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice

from agent.cli.flags import add_verbose, count
from agent.cli.output import print_error, print_json, print_lines
from agent.core.schemas import EXPOSURE_SCHEMA, HISTORY_SCHEMA
from agent.errors import ExitCode, RecordError, UsageError
from agent.host.unattended_upgrades.runs import TheirRun, read_their_runs
from agent.report.exposure_text import run_fixes_lines
from agent.report.layout import columns
from agent.report.outcome_text import log_line, undo_lines
from agent.report.run_text import run_cells, run_lines, their_cells
from agent.report.status.collect import collect_status
from agent.report.status.document import build_status
from agent.report.status.restarts import past_restart_lines
from agent.state.exposure_view import FixView, fix_views
from agent.state.run_views import AnyRunView, OutcomeView, run_view
from agent.state.store import DEFAULT_DIRECTORY, EXPOSURE, Store
from agent.state.timestamps import format_utc, utc_now
from agent.state.views import RunView

EXAMPLE = "example: maestro-agent history last"
_LAST = "last"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `history`."""
    parser.add_argument(
        "id", nargs="?", metavar="ID|last", help="id of a run, as the list shows it; `last`: newest run"
    )
    parser.add_argument("-n", "--number", type=count, metavar="N", help="list only the N newest runs")
    add_verbose(parser)
    parser.add_argument("--json", action="store_true", help="print maestro.history/1, or maestro.outcome/1 for one run")


def run(arguments: argparse.Namespace) -> int:
    """Show the history; exit 2 if there is no such run."""
    store = Store(arguments.state_dir)
    if arguments.id is not None:
        return _show_one(store, arguments)
    now, runs = utc_now(), []
    for run_id in islice(store.run_ids(), arguments.number):
        try:
            found = store.read_run(run_id)
            runs += [run_view(found)] if found is not None else []
        except RecordError as error:
            print_error(str(error))
    others = _others(store, runs, limited=arguments.number is not None)
    if arguments.json:
        document = {"schema": HISTORY_SCHEMA, "generated_at": format_utc(now)}
        found_runs = {"runs": [dict(found.raw) for found in runs], "others": [other.document for other in others]}
        print_json({**document, **found_runs})
    else:
        running = _running(store)
        dated = [(found.started_at, run_cells(found, running=found.id == running)) for found in runs]
        dated += [(other.started_at, their_cells(other)) for other in others]
        rows = [cells for _, cells in sorted(dated, key=lambda one: one[0], reverse=True)]
        print_lines(columns(rows, indent=0) or ["No run on record yet."])
    return ExitCode.OK


def _show_one(store: Store, arguments: argparse.Namespace) -> int:
    run_ids = list(store.run_ids())
    run_id = run_ids[0] if arguments.id == _LAST and run_ids else arguments.id
    found = store.read_run(run_id) if run_id in run_ids else None
    if found is None:
        if arguments.id == _LAST:
            raise UsageError("no run on record yet")
        raise UsageError(f"no run {run_id!r} on record; `maestro-agent history` lists them")
    if arguments.json:
        print_json(found.raw)
    else:
        log = store.log_path(run_id)
        running = _running(store) == run_id
        lines = run_lines(found, running=running, verbose=arguments.verbose)
        upgrade = OutcomeView(found) if isinstance(run_view(found), RunView) else None
        lines += past_restart_lines(upgrade.restart) if upgrade else []
        lines += run_fixes_lines(_fixes(store, upgrade)) if upgrade else []
        if os.path.exists(log) and log_line(log) not in lines:
            lines.append(log_line(log))
        print_lines([*lines, *(undo_lines(upgrade) if upgrade else [])])
    return ExitCode.OK


def _others(store: Store, runs: Sequence[AnyRunView], *, limited: bool) -> list[TheirRun]:
    """Return the runs of unattended-upgrades on this machine; of a limited list those since its oldest run."""
    if store.directory != DEFAULT_DIRECTORY:  # the record of another machine
        return []
    since = runs[-1].started_at if limited and runs else None
    return [other for other in read_their_runs() if since is None or other.started_at >= since]


def _fixes(store: Store, run: OutcomeView) -> list[FixView]:
    """Return the security fixes that a run installed, as far as the exposure clock still has them."""
    installed = {(part.package, part.architecture, part.candidate) for part in run.changed}
    with suppress(RecordError):  # the run is shown without them
        found = fix_views(store.read(EXPOSURE, EXPOSURE_SCHEMA))
        return [fix for fix in found if (fix.package, fix.architecture, fix.version) in installed]
    return []


def _running(store: Store) -> str | None:
    """Return the id of the run in progress: the newest one, if the running job left it."""
    running = build_status(collect_status(store), utc_now()).running
    newest = next(iter(store.run_ids()), None)
    if running is None or newest is None:
        return None
    with suppress(RecordError):  # the list names it
        found = store.read_run(newest)
        return newest if found is not None and running.is_run(run_view(found)) else None
    return None
