"""Completes the record of a run that was cut off: what it had under way, and how much of that had arrived.

A run writes down each transaction before it begins. When it is killed, or the power fails, the next run finds
that on record and asks dpkg what became of it, before it does anything itself.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from agent.core.model.facts import PackageState
from agent.core.model.outcome import Outcome
from agent.core.model.package import PackageId
from agent.core.model.plan import Step
from agent.core.packages import verify
from agent.core.schemas import Document
from agent.errors import HostError, RecordError
from agent.state.json_reader import JsonReader
from agent.state.record import Record

States = Mapping[PackageId, PackageState]


def recover_interrupted_run(memory: Record, read_states: Callable[[], States]) -> tuple[Step, ...]:
    """Add to the newest run's record, where that run was cut off, what dpkg had installed of its last transaction.

    Returns the steps that had not arrived, which are the next run's to finish. A record that cannot be read, or a
    dpkg database, stays as it is: the run that begins now tells of that.
    """
    with suppress(RecordError, HostError):
        run = memory.interrupted_run()
        if run is not None and run.count("underway"):
            states = read_states()
            memory.complete_run(run.text("id"), _completed(run, states))
            return tuple(_step(part) for part in run.children("underway") if not _arrived(part, states))
    return ()


def credit_late_arrivals(outcome: Outcome, left: Sequence[Step], read_states: Callable[[], States]) -> Outcome:
    """Add to an outcome what the run before had left half-way and has arrived since.

    Either this run repaired it, or dpkg outlived the run that had started it and came to its end by itself.
    """
    with suppress(HostError):
        if left:
            return verify.with_late_arrivals(outcome, left, read_states())
    return outcome


def _step(part: JsonReader) -> Step:
    return Step(
        package=part.text("package"),
        architecture=part.text("architecture"),
        installed=part.optional_text("from"),
        candidate=part.text("to"),
        origin=part.text("origin"),
        archive=part.text("archive"),
        security=True,
        download_bytes=0,
    )


def _completed(run: JsonReader, states: States) -> Document:
    arrived = [part for part in run.children("underway") if _arrived(part, states)]
    message = f"cut off in a transaction: {len(arrived)} of its {run.count('underway')} packages had arrived"
    upgraded = [*run.children("upgraded"), *(part for part in arrived if part.optional_text("from") is not None)]
    new = [*run.children("new"), *(part for part in arrived if part.optional_text("from") is None)]
    return {
        **run.raw,
        "message": message,
        "upgraded": [part.raw for part in upgraded],
        "new": [part.raw for part in new],
        "underway": [],
    }


def _arrived(part: JsonReader, states: States) -> bool:
    state = states.get(PackageId(name=part.text("package"), architecture=part.text("architecture")))
    return state is not None and state.version == part.text("to") and state.state in verify.HEALTHY_STATES
