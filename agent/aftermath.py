"""Completes the record of a run that was cut off: what it had under way, and how much of that had arrived.

A run writes down each transaction before it begins. When it is killed, or the power fails, the next run finds
that on record and asks dpkg what became of it, before it does anything itself.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress

from agent.core import judge
from agent.core.model import PackageState
from agent.errors import HostError, RecordError
from agent.memory import Memory
from agent.reading import Reader
from agent.store import Document

States = Mapping[str, PackageState]


def complete_cut_off(memory: Memory, read_states: Callable[[], States]) -> None:
    """Add to the newest run's record, where that run was cut off, what dpkg had installed of its last transaction.

    A record that cannot be read, or a dpkg database, stays as it is: the run that begins now tells of that.
    """
    with suppress(RecordError, HostError):
        run = memory.cut_off_run()
        if run is not None and run.count("underway"):
            memory.complete_run(run.text("id"), _completed(run, read_states()))


def _completed(run: Reader, states: States) -> Document:
    arrived = [part for part in run.parts("underway") if _arrived(part, states)]
    message = f"cut off in a transaction: {len(arrived)} of its {run.count('underway')} packages had arrived"
    upgraded = [*run.parts("upgraded"), *(part for part in arrived if part.maybe_text("from") is not None)]
    new = [*run.parts("new"), *(part for part in arrived if part.maybe_text("from") is None)]
    return {
        **run.raw,
        "message": message,
        "upgraded": [part.raw for part in upgraded],
        "new": [part.raw for part in new],
        "underway": [],
    }


def _arrived(part: Reader, states: States) -> bool:
    state = states.get(f"{part.text('package')}:{part.text('architecture')}")
    return state is not None and state.version == part.text("to") and state.state in judge.HEALTHY
