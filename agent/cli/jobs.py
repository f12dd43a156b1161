"""What the commands that do a job have in common: the request, the progress line, the answer."""

import argparse
from collections.abc import Callable
from pathlib import Path

from agent.cli.output import ProgressLine, complain, print_json, print_lines
from agent.core.ports import Tell
from agent.reading import Reader
from agent.worker import Answer, Request, attached


def config_path(arguments: argparse.Namespace) -> Path | None:
    """Return the configuration file that was named, if one was."""
    return Path(arguments.config) if arguments.config is not None else None


def do(
    request: Request,
    *,
    as_json: bool,
    render: Callable[[Reader], list[str]],
    how: Callable[[Request, Tell], Answer] = attached,
) -> int:
    """Do a job with a progress line, print its answer, return its exit code."""
    progress = ProgressLine()
    try:
        answer = how(request, progress.tell)
    finally:
        progress.clear()
    if answer.error:
        complain(answer.error)
    if answer.document is not None:
        if as_json:
            print_json(answer.document)
        else:
            print_lines(render(Reader(answer.document, request.verb)))
    return answer.exit_code
