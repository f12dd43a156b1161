"""Stop signals against real processes."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.host.docker.signals import handles_signal, signal_number

_IN_NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child")


@contextmanager
def _process(setting: str, *wrapper: str) -> Iterator[int]:
    code = f"import signal, sys\n{setting}\nprint('ready', flush=True)\nsys.stdin.read()"
    command = [*wrapper, sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        try:
            yield int(children[0]) if wrapper else process.pid
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("setting", "wrapper", "handles"),
    [
        ("", (), True),
        ("", _IN_NAMESPACE, False),
        ("signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))", _IN_NAMESPACE, True),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", (), False),
        ("signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])", _IN_NAMESPACE, None),
    ],
    ids=["default", "first process", "handler", "ignored", "blocked"],
)
def test_signal_sets_decide(setting: str, wrapper: tuple[str, ...], *, handles: bool | None) -> None:
    with _process(setting, *wrapper) as pid:
        assert handles_signal(pid, signal.SIGTERM) is handles


def test_a_process_that_has_ended_is_unknown() -> None:
    assert handles_signal(2**22 + 1, signal.SIGTERM) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [("", 15), ("SIGTERM", 15), ("quit", 3), ("9", 9), ("SIGRTMIN+3", signal.SIGRTMIN + 3), ("RTMIN", signal.SIGRTMIN),
     ("SIGNONSENSE", None), ("0", None), ("99", None), ("SIG", None), ("RTMIN+x", None)],
)  # fmt: skip
def test_stop_signals_are_read_as_the_engine_has_them(text: str, number: int | None) -> None:
    assert signal_number(text) == number
