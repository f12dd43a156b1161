"""Shows a person the plan before it is carried out, and asks. The run installs exactly that plan, or nothing."""

import os
import signal
import sys
from collections.abc import Sequence
from typing import TextIO

from agent.cli.output import print_lines, write_out
from agent.cli.run_job import answer_of, choose_runner
from agent.core.frozen import replace
from agent.core.job_kinds import JobKind, JobOption
from agent.errors import ExitCode, StoppedError
from agent.host.dpkg.unit_files import restarted_units
from agent.report.layout import Line
from agent.report.plan_text import plan_lines
from agent.report.text import counted
from agent.state.json_reader import JsonReader
from agent.state.views import PlanView
from agent.worker.protocol import JobRequest
from agent.worker.runner import run_inline

_YES = {b"y", b"yes"}
_LONGEST_ANSWER = 1000


def is_terminal() -> bool:
    """Whether standard input and standard output are a terminal, so that a person can answer."""
    streams: Sequence[TextIO | None] = (sys.stdin, sys.stdout)
    return all(stream is not None and not stream.closed and stream.isatty() for stream in streams)


def agreed(request: JobRequest, *, verbose: bool) -> JobRequest | int:
    """Show the plan of an upgrade and ask; return the request for exactly that plan, or an exit code.

    If there is nothing to do, and no reboot is requested, no question is asked.

    Raises:
        AgentError: the plan cannot be made, or is not the requested one. StoppedError: Ctrl-C instead of an answer.
    """
    look = replace(request, kind=JobKind.CHECK, prefetch=False, options=frozenset())
    answer = answer_of(look, choose_runner(look, run_inline) if look.refresh else run_inline)
    use_default_signals()
    if answer.document is None:
        return answer.exit_code
    plan = PlanView(JsonReader(answer.document, "plan"))
    exactly = replace(request, plan_id=plan.id, refresh=False)
    question = _question(plan, reboot=JobOption.REBOOT_IF_REQUIRED in request.options)
    if not question:
        return exactly
    shown = [*plan_lines(plan, verbose=verbose, command=False), *_restart_lines(plan)]
    if confirmed(shown, question):
        return exactly
    print_lines(["Nothing was changed."])
    return ExitCode.FAILED


def use_default_signals() -> None:
    """Have Ctrl-C raise KeyboardInterrupt again: a job in this process had handlers of its own."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)


def _question(plan: PlanView, *, reboot: bool) -> str:
    """Return the question; empty if there is nothing to do."""
    work = _work(plan)
    then = f"reboot {os.uname().nodename} if that is required"
    if not work:
        return f"{then[:1].upper()}{then[1:]}?" if reboot else ""
    return f"{work}, then {then}?" if reboot else f"{work}?"


def _work(plan: PlanView) -> str:
    """Return what the question is about; empty if there is nothing to do."""
    parts = [
        f"{verb} {counted(count, noun)}"
        for count, verb, noun in (
            (len(plan.install), "install", "package"),
            (len(plan.remove), "remove", "obsolete kernel package"),
            (len(plan.unused), "remove", "unneeded package"),
            (len(plan.repair), "repair", "package"),
        )
        if count
    ]
    first, *rest = parts or [""]
    return ", ".join([first[:1].upper() + first[1:], *rest])


def _restart_lines(plan: PlanView) -> list[str]:
    units = restarted_units((step.package, step.architecture) for step in plan.install if step.installed)
    names = ", ".join(unit.removesuffix(".service") for unit in units)
    return [Line(f"Restarts these services, and maybe others: {names}", hang=2)] if units else []


def confirmed(shown: Sequence[str], question: str) -> bool:
    """Show these lines and ask; anything but "y" or "yes" is no, and so is the end of the input.

    Raises:
        StoppedError: Ctrl-C, which may come as soon as the question is seen: before this process waits for the answer.
    """
    try:
        print_lines(shown)
        write_out(f"{question} [y/N] ")
        answer = sys.stdin.buffer.readline(_LONGEST_ANSWER)
    except KeyboardInterrupt:
        write_out("\n")
        raise StoppedError("interrupted: nothing was changed") from None
    except OSError:  # the terminal has gone
        answer = b""
    if not answer.endswith(b"\n"):
        write_out("\n")
    return answer.strip().lower() in _YES
