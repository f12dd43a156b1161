"""`maestro-agent follow`: the running job's progress, line by line, up to its result. Any user, from any terminal."""

import argparse
import json
import time

from agent.cli.output import ProgressLine, print_error, print_lines, write_out
from agent.core.redact import redact_document
from agent.core.schemas import PROGRESS_SCHEMA, STATE_SCHEMA
from agent.errors import ExitCode, RecordError
from agent.report.plan_text import plan_lines
from agent.report.run_text import run_lines
from agent.state.job_progress import ProgressReader
from agent.state.json_reader import JsonReader
from agent.state.store import STATE, Store
from agent.state.timestamps import format_human
from agent.state.views import PlanView

EXAMPLE = "example: maestro-agent follow --wait   (waits for the next job, then follows it)"
_POLL_S = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `follow`."""
    parser.add_argument("--wait", action="store_true", help="if no job is running, wait for the next one")
    parser.add_argument("--json", action="store_true", help="print each line as JSON (maestro.progress/1)")


def run(arguments: argparse.Namespace) -> int:
    """Follow the running job; exit with its exit code, 0 if no job is running, 1 if it ended without a result."""
    store = Store(arguments.state_dir)
    found = _running(store)
    while arguments.wait and not isinstance(found, ProgressReader):
        time.sleep(_POLL_S)
        found = _running(store)
    if not isinstance(found, ProgressReader):
        if arguments.json:
            write_out(f"{json.dumps({'schema': PROGRESS_SCHEMA, 'process': None, 'job': None})}\n")
        else:
            print_lines([found])
        return ExitCode.OK
    with found:
        return _JsonView(found).follow() if arguments.json else _TextView(found, store).follow()


def _running(store: Store) -> ProgressReader | str:
    """Return the running job's progress, or a message that there is none."""
    try:
        reader = ProgressReader(store.directory)
    except (OSError, RecordError):
        return "No job is running."
    if reader.pid is not None:
        return reader
    reader.close()
    started = format_human(reader.started_at)
    return f"No job is running. The last one, {reader.job} of {started}, ended without a result."


class _View:
    """Follows one job, and shows its lines."""

    def __init__(self, reader: ProgressReader) -> None:
        self.reader = reader

    def follow(self) -> int:
        self.begin()
        while True:
            alive = self.reader.pid is not None  # before the lines are read: the last ones are read, too
            for line in self.reader.lines():
                if "exit_code" in line.raw:
                    self.end(line)
                    return int(line.number("exit_code"))
                self.line(line)
            if not alive:
                self.killed()
                return ExitCode.FAILED
            time.sleep(_POLL_S)

    def begin(self) -> None:
        """Show which job it is."""

    def line(self, line: JsonReader) -> None:
        """Show a line."""

    def end(self, line: JsonReader) -> None:
        """Show the result."""

    def killed(self) -> None:
        """Show that there is no result."""
        print_error(f"the {self.reader.job} ended without a result; `maestro-agent history` shows how far it came")


class _JsonView(_View):
    """Each line as it is written."""

    def begin(self) -> None:
        self.line(self.reader.header)

    def line(self, line: JsonReader) -> None:
        write_out(f"{json.dumps(redact_document(line.raw))}\n")

    def end(self, line: JsonReader) -> None:
        self.line(line)


class _TextView(_View):
    """Kept lines one below the other; on a terminal the others are rewritten in place."""

    def __init__(self, reader: ProgressReader, store: Store) -> None:
        super().__init__(reader)
        self._store = store
        self._progress = ProgressLine()

    def begin(self) -> None:
        reader = self.reader
        by = reader.header.optional_text("requested_by")
        requested = f", requested by {by}" if by else ""
        self._print([f"{reader.job} (pid {reader.pid}), started {format_human(reader.started_at)}{requested}"])

    def line(self, line: JsonReader) -> None:
        step = line.optional_text("step")
        if step is not None:
            self._print([step])
        else:
            self._progress.show(line.optional_text("progress") or "")

    def end(self, line: JsonReader) -> None:
        self._progress.clear()
        error = line.optional_text("error") or ""
        if error:
            print_error(error)
        try:
            self._print(self._result(failed=bool(error)))
        except RecordError as damaged:
            print_error(str(damaged))

    def killed(self) -> None:
        self._progress.clear()
        super().killed()

    def _print(self, lines: list[str]) -> None:
        self._progress.clear()
        print_lines(lines)

    def _result(self, *, failed: bool) -> list[str]:
        """Return what the command that started the job shows: the outcome of an upgrade, the plan of a check."""
        if self.reader.run is not None:
            run = self._store.read_run(self.reader.run)
            return run_lines(run) if run is not None else []
        state = None if failed else self._store.read(STATE, STATE_SCHEMA)
        return plan_lines(PlanView(state.child("plan"))) if state is not None else []
