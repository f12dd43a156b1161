"""Work at idle priority: last in the queue for everything, and whatever becomes of it ends nothing else."""

import os
import signal
import time
from collections.abc import Iterator

import psutil

from agent.host.process.idle import run_idle

Documents = Iterator[dict[str, object]]


def never() -> str:
    return ""


def test_the_work_has_the_lowest_priority_and_its_parent_keeps_its_own() -> None:
    before = (os.nice(0), psutil.Process().ionice())

    def work() -> Documents:
        yield {"pid": os.getpid(), "nice": os.nice(0), "idle": psutil.Process().ionice().ioclass == 3}

    (found,) = run_idle(work, stop=never)

    assert found["pid"] != os.getpid()
    assert (found["nice"], found["idle"]) == (19, True)
    assert (os.nice(0), psutil.Process().ionice()) == before


def test_work_that_breaks_off_leaves_what_came_before() -> None:
    def work() -> Documents:
        yield {"number": 1}
        raise RuntimeError

    def crash() -> Documents:
        yield {"number": 1}
        os.kill(os.getpid(), signal.SIGKILL)
        yield {"number": 2}

    assert list(run_idle(work, stop=never)) == list(run_idle(crash, stop=never)) == [{"number": 1}]


def test_work_cannot_take_all_memory() -> None:
    def work() -> Documents:
        yield {"bytes": len(b"x" * 4 * 1024**3)}

    assert list(run_idle(work, stop=never)) == []


def test_work_ends_when_asked_to_and_leaves_no_process() -> None:
    def work() -> Documents:
        yield {"pid": os.getpid()}
        time.sleep(60)

    started = time.monotonic()
    pids = [document["pid"] for document in run_idle(work, stop=lambda: "over" * (time.monotonic() - started > 1))]

    assert time.monotonic() - started < 10
    assert len(pids) == 1
    assert [pid for pid in pids if os.path.exists(f"/proc/{pid}")] == []


def test_work_ends_when_nobody_listens_any_more() -> None:
    def work() -> Documents:
        while True:
            yield {"pid": os.getpid()}

    answers = run_idle(work, stop=never)
    pid = next(answers)["pid"]

    answers.close()

    assert not os.path.exists(f"/proc/{pid}")
