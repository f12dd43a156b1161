"""Work at idle priority: it is isolated from its parent, stoppable and limited."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from agent.core.job_control import JobControl
from agent.host.process.idle import run_idle
from tests.host.beats import Beats

Documents = Iterator[dict[str, object]]
CONTROL = JobControl(progress=lambda _: None)


def test_the_child_has_the_lowest_priority_and_the_parent_keeps_its_own() -> None:
    before = (os.nice(0), psutil.Process().ionice())

    def work() -> Documents:
        yield {"pid": os.getpid(), "nice": os.nice(0), "idle": psutil.Process().ionice().ioclass == 3}

    (found,) = run_idle(work, CONTROL)

    assert found["pid"] != os.getpid()
    assert (found["nice"], found["idle"]) == (19, True)
    assert (os.nice(0), psutil.Process().ionice()) == before


def test_documents_before_a_crash_are_kept() -> None:
    def work() -> Documents:
        yield {"number": 1}
        raise RuntimeError

    def crash() -> Documents:
        yield {"number": 1}
        os.kill(os.getpid(), signal.SIGKILL)
        yield {"number": 2}

    assert list(run_idle(work, CONTROL)) == list(run_idle(crash, CONTROL)) == [{"number": 1}]


def test_memory_is_limited() -> None:
    def work() -> Documents:
        yield {"bytes": len(b"x" * 4 * 1024**3)}

    assert list(run_idle(work, CONTROL)) == []


def test_a_stop_ends_the_child() -> None:
    def work() -> Documents:
        yield {"pid": os.getpid()}
        time.sleep(600)

    started = time.monotonic()
    pids: list[object] = []
    control = JobControl(progress=lambda _: None, stop=lambda: "stopped" if pids else "")
    for document in run_idle(work, control):
        pids.append(document["pid"])  # noqa: PERF401 - the stop is asked for between two of them

    assert time.monotonic() - started < 300
    assert len(pids) == 1
    assert [pid for pid in pids if os.path.exists(f"/proc/{pid}")] == []


def test_the_parent_sends_keep_alives_while_it_waits(tmp_path: Path) -> None:
    beats = Beats(tmp_path)

    def work() -> Documents:
        beats.wait()
        yield {}

    assert list(run_idle(work, JobControl(progress=lambda _: None, alive=beats.alive))) == [{}]
    assert beats.came


def test_closing_the_generator_ends_the_child() -> None:
    def work() -> Documents:
        while True:
            yield {"pid": os.getpid()}

    documents = run_idle(work, CONTROL)
    pid = next(documents)["pid"]

    documents.close()

    assert not os.path.exists(f"/proc/{pid}")
