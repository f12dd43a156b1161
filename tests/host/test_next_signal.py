"""The next of some signals: none came where the process was stopped while it waited."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from agent.host.process.next_signal import next_signal

CHECKOUT = Path(__file__).resolve().parents[2]
_WAIT = """
import signal
from agent.host.process.next_signal import next_signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
print("ready", flush=True)
print(next_signal({signal.SIGUSR1}, 0.5))
"""


def test_a_signal_is_received_once() -> None:
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        signal.raise_signal(signal.SIGUSR1)  # for this thread: another one does not block it

        assert [next_signal({signal.SIGUSR1}, 0) for _ in range(2)] == [signal.SIGUSR1, None]
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def test_a_stop_that_outlasts_the_wait_is_no_signal() -> None:
    with subprocess.Popen([sys.executable, "-c", _WAIT], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1)  # it waits by now; where it does not, there is nothing to see
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.6)
        process.send_signal(signal.SIGCONT)

        assert process.stdout.readline() == "None\n"
