"""`maestro-agent explain`: every gate of packages, a reboot, Docker or Weave, with its verdict; or what fixes a CVE."""

import argparse
from collections.abc import Sequence

from agent.cli.flags import add_verbose
from agent.cli.options import config_path
from agent.cli.output import ProgressLine, failure_document, print_error, print_json, print_lines
from agent.cli.reboot_look import look_at_reboot
from agent.core.job_kinds import JobKind
from agent.core.schemas import EXPLANATIONS_SCHEMA, STATE_SCHEMA, Document
from agent.errors import ExitCode, UsageError
from agent.host.machine.local_zone import local_zone
from agent.report.engine_explanation import explain_engine, unknown_engine
from agent.report.engine_window import window_now
from agent.report.explanation_text import explanation_lines
from agent.report.reboot_explanation import explain_reboot
from agent.state.json_reader import JsonReader
from agent.state.store import STATE, Store
from agent.state.timestamps import format_utc, utc_now
from agent.state.views import StateView
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.runner import run_inline

EXAMPLE = "example: maestro-agent explain openssl CVE-2024-12345"
_ENGINES = ("docker", "weave")
_ENGINE_CODES = {
    "restart-pending": ExitCode.ATTENTION,
    "other-version-wanted": ExitCode.ATTENTION,
    "unknown": ExitCode.STALE,
}
_REBOOT_CODES = {"required": ExitCode.ATTENTION, "not-required": ExitCode.OK, "unknown": ExitCode.STALE}
_WORST_FIRST = (ExitCode.USAGE, ExitCode.STALE, ExitCode.ATTENTION, ExitCode.OK)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `explain`."""
    parser.add_argument(
        "subjects",
        metavar="PACKAGE|CVE|reboot|docker|weave",
        nargs="+",
        help="package names, CVE ids, or one of these words",
    )
    add_verbose(parser)
    parser.add_argument(
        "--json", action="store_true", help="print maestro.explain/1, or maestro.explanations/1 for several"
    )


def run(arguments: argparse.Namespace) -> int:
    """Explain; exit 0 nothing pending or held, 10 pending, held or required, 3 unknown, 2 no such package or CVE."""
    subjects = list(dict.fromkeys(arguments.subjects))
    answers = [_explain(arguments, subject) for subject in subjects]
    for message in dict.fromkeys(message for answer in answers for message in (*answer.warnings, answer.error)):
        if message:
            print_error(message)
    _show(answers, arguments)
    codes = {answer.exit_code for answer in answers}
    return next((code for code in _WORST_FIRST if code in codes), ExitCode.FAILED)


def _explain(arguments: argparse.Namespace, subject: str) -> JobAnswer:
    """Explain one subject; an unknown package is an answer, so that the others are explained."""
    if subject == "reboot":
        document = explain_reboot(look_at_reboot(config_path(arguments), arguments.state_dir), utc_now())
        return JobAnswer(exit_code=_REBOOT_CODES[str(document["conclusion"])], document=document)
    if subject in _ENGINES:
        document = _explain_engine(arguments.state_dir, subject)
        return JobAnswer(exit_code=_ENGINE_CODES.get(str(document["conclusion"]), ExitCode.OK), document=document)
    request = JobRequest(
        kind=JobKind.EXPLAIN, package=subject, config=config_path(arguments), state_dir=arguments.state_dir
    )
    line = ProgressLine()
    try:
        return run_inline(request, line.show)
    except UsageError as error:
        return JobAnswer(exit_code=error.exit_code, error=str(error))
    finally:
        line.clear()


def _explain_engine(state_dir: str, component: str) -> Document:
    """Explain Docker or Weave as the last check saw it.

    Raises:
        RecordError: the record cannot be read.
    """
    found = Store(state_dir).read(STATE, STATE_SCHEMA)
    if found is None:
        return unknown_engine(component, utc_now())
    state = StateView(found)
    engine, now = state.docker if component == "docker" else state.weave, utc_now()
    return explain_engine(component, engine, now, window_now(engine, now, local_zone()) if engine else None)


def _show(answers: Sequence[JobAnswer], arguments: argparse.Namespace) -> None:
    documents = [answer.document for answer in answers if answer.document is not None]
    if not arguments.json:
        for document in documents:
            print_lines(explanation_lines(JsonReader(document, "explain"), verbose=arguments.verbose))
    elif len(answers) == 1:
        print_json(documents[0] if documents else failure_document(answers[0].error, answers[0].exit_code))
    else:
        print_json(
            {
                "schema": EXPLANATIONS_SCHEMA,
                "generated_at": format_utc(utc_now()),
                "explanations": documents,
                "errors": [failure_document(one.error, one.exit_code) for one in answers if one.document is None],
            }
        )
