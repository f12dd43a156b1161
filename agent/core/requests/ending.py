"""How a request ends, from the document of its job: `maestro.outcome/1` and those of engines and reboots. Pure."""

from collections.abc import Mapping, Sequence

from agent.core.frozen import frozen, replace
from agent.core.requests.model import Ending, RequestEntry, RequestState, RequestWhy, Verb
from agent.core.schemas import (
    ENGINE_OUTCOME_SCHEMA,
    OUTCOME_SCHEMA,
    PLAN_SCHEMA,
    REBOOT_OUTCOME_SCHEMA,
    Document,
)
from agent.errors import SUCCESS_CODES, ExitCode

_NOT_REQUIRED = "not-required"
"""Result of a reboot that leaves no run in the history."""
_SUCCESSES = {
    OUTCOME_SCHEMA: ("up-to-date", "updated", "degraded"),
    ENGINE_OUTCOME_SCHEMA: ("unchanged", "upgraded", "restarted"),
    REBOOT_OUTCOME_SCHEMA: ("rebooted", _NOT_REQUIRED),
}
_WHYS = {"busy": RequestWhy.BUSY_TOO_LONG, "interrupted": RequestWhy.INTERRUPTED}
_GOING_DOWN = "requested"
"""Result of a reboot that has begun and is verified after the boot."""
NO_TRACE = "the job was killed before its work began or could be recorded; it does not run again"


@frozen
class JobEnd:
    """How the job for a request ended."""

    exit_code: int
    document: Document | None = None
    error: str = ""
    nothing_done: bool = False
    """It was refused before anything was done."""


def ending_of_job(end: JobEnd) -> Ending | None:
    """Return how the request ends; None: the machine goes down, and the boot after that shows it."""
    if end.document is None:
        return _without_document(end)
    if end.document.get("schema") == PLAN_SCHEMA:
        return _checked(end)
    reboot = end.document.get("reboot_outcome")
    runs = [end.document, *([reboot] if isinstance(reboot, Mapping) else [])]
    found = ending_of_runs(runs)
    # Where a reboot that was requested with an upgrade has left no document, its error says why.
    if found is not None and found.state is RequestState.DONE and end.error and end.exit_code not in SUCCESS_CODES:
        return replace(found, state=RequestState.FAILED, why=None, detail=end.error)
    return found


def ending_of_runs(runs: Sequence[Mapping[str, object]]) -> Ending | None:
    """Return how a request ends by the documents of its runs, in order: by the first failure, or else the last one.

    A reboot that is not required says nothing of the upgrade before it.
    """
    last = Ending(state=RequestState.DONE)
    for document in runs:
        if _goes_down(document):
            return None
        last = last if last.run and _text(document, "result") == _NOT_REQUIRED else _ending_of_run(document)
        if last.state is not RequestState.DONE:
            break
    return last


def ending_on_record(entry: RequestEntry, runs: Sequence[Mapping[str, object]], *, reboots: bool) -> Ending | None:
    """Return how a running request ends whose job is gone, by the runs that the history has of it, the oldest first.

    `reboots`: a reboot is under way or waits to be verified; then a run that has begun one has not ended. None: wait.
    """
    if not runs:
        return Ending(state=RequestState.FAILED, why=RequestWhy.INTERRUPTED, detail=NO_TRACE)
    if any(map(_goes_down, runs)) and reboots:
        return None
    unfinished = next((run for run in runs if run.get("finished_at") is None), None)
    if unfinished is not None:
        return _interrupted(unfinished, "the job was killed; `maestro-agent history` shows how far it came")
    found = ending_of_runs(runs)
    if found is not None and found.state is RequestState.DONE and _lacks_reboot(entry, runs):
        return _interrupted(runs[-1], "the upgrade has ended; the job was killed before the reboot")
    return found


def _lacks_reboot(entry: RequestEntry, runs: Sequence[Mapping[str, object]]) -> bool:
    arguments = entry.document.get("arguments") if entry.document is not None else None
    wanted = isinstance(arguments, Mapping) and arguments.get("reboot") == "if-required"
    reboot = any(run.get("schema") == REBOOT_OUTCOME_SCHEMA for run in runs)
    return wanted and not reboot and entry.verb != Verb.REBOOT_IF_REQUIRED.value


def _interrupted(run: Mapping[str, object], detail: str) -> Ending:
    return Ending(state=RequestState.FAILED, why=RequestWhy.INTERRUPTED, detail=detail, run=_text(run, "id"))


def _goes_down(run: Mapping[str, object]) -> bool:
    return (run.get("schema"), run.get("result")) == (REBOOT_OUTCOME_SCHEMA, _GOING_DOWN)


def _ending_of_run(document: Mapping[str, object]) -> Ending:
    result, message, run = _text(document, "result"), _text(document, "message"), _text(document, "id")
    detail = f"{result}: {message}" if message else result
    succeeded = result in _SUCCESSES.get(_text(document, "schema"), ()) and not document.get("failed")
    if succeeded:
        return Ending(state=RequestState.DONE, detail=detail, run="" if result == _NOT_REQUIRED else run)
    blocked = _blocked(document)
    detail = f"{detail} ({blocked})" if blocked else detail
    return Ending(state=RequestState.FAILED, why=_WHYS.get(result), detail=detail, run=run)


def _blocked(document: Mapping[str, object]) -> str:
    """Return the reason codes of what blocks a reboot or an engine."""
    found = document.get("blocked")
    blocks = found if isinstance(found, list) else [found]
    return ", ".join(str(one.get("why")) for one in blocks if isinstance(one, Mapping))


def _checked(end: JobEnd) -> Ending:
    if end.exit_code in SUCCESS_CODES:
        return Ending(state=RequestState.DONE)
    return Ending(state=RequestState.FAILED, detail=end.error or "the package lists cannot be trusted")


def _without_document(end: JobEnd) -> Ending:
    if end.exit_code == ExitCode.CHANGED:
        return Ending(state=RequestState.REFUSED, why=RequestWhy.PLAN_CHANGED, detail=end.error)
    if end.nothing_done:
        return Ending(state=RequestState.REFUSED, why=RequestWhy.NOT_IN_PLAN, detail=end.error)
    if end.exit_code == ExitCode.OK:
        return Ending(state=RequestState.DONE, detail=end.error)
    codes = {int(ExitCode.BUSY): RequestWhy.BUSY_TOO_LONG, int(ExitCode.STOPPED): RequestWhy.INTERRUPTED}
    return Ending(state=RequestState.FAILED, why=codes.get(end.exit_code), detail=end.error)


def _text(document: Mapping[str, object], name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else ""
