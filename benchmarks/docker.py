"""The step from Debian 12's engine to Debian 13's on a machine with twelve containers, three of which ignore SIGTERM.

By hand that is `apt-get install` and `systemctl restart docker`. Downtime of a container: from its end to its next
start, as the engine records them. Downtime of the engine: between two answers to `GET /_ping`.
"""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

from benchmarks.figures import Aims
from benchmarks.roots import Session
from tests.support.engine_archive import NEWER, OLDER
from tests.support.engines import EngineMachine, engine_machine

_GOOD = tuple(f"good{number}" for number in range(9))
_BAD = ("bad0", "bad1", "bad2")
_POLICIES = ("always", "unless-stopped")
_INTERVAL_S = 0.02


@dataclass(frozen=True, kw_only=True)
class Downtime:
    """Seconds without the engine, and without each container; of good ones and bad ones the longest."""

    engine: float
    good: float
    bad: float


def docker(codename: str, session: Session, _: Aims) -> None:
    """Measure downtime by hand; Debian 12 only, whose packages the archive of engines holds."""
    if codename != "bookworm":
        print("only on bookworm")
        return
    rounds = [_round(_by_hand) for _ in range(session.rounds)]
    print(f"\n{'engine':>9} {'good':>9} {'bad':>9}  downtime, {OLDER} to {NEWER}; median of {len(rounds)}")
    middle = [median(values) for values in zip(*((one.engine, one.good, one.bad) for one in rounds), strict=True)]
    print(" ".join(f"{value:7.2f} s" for value in middle), " apt-get install, systemctl restart docker", flush=True)


def _round(way: Callable[[EngineMachine], None]) -> Downtime:
    with engine_machine() as engine:
        for number, name in enumerate((*_GOOD, *_BAD)):
            engine.run_container(name, policy=_POLICIES[number % 2], handles_stop=name in _GOOD)
        before = engine.running()
        gaps: list[float] = []
        with _pinging(engine.machine.path("/run/docker.sock"), gaps):
            way(engine)
        assert engine.engine_version() == NEWER
        assert engine.running() == before
        down = {name: _down(engine, name) for name in before}
    return Downtime(engine=max(gaps), good=max(down[name] for name in _GOOD), bad=max(down[name] for name in _BAD))


def _by_hand(engine: EngineMachine) -> None:
    engine.install_engine(NEWER)
    engine.machine.check("systemctl restart docker", timeout=300)


def _down(engine: EngineMachine, name: str) -> float:
    """Return the seconds from a container's last end to its last start; 0 if it never ended."""
    state = json.loads(engine.docker(f"inspect --format '{{{{json .State}}}}' {name}"))
    ended, started = (datetime.fromisoformat(state[key][:26].rstrip("Z")) for key in ("FinishedAt", "StartedAt"))
    return max(0.0, (started - ended).total_seconds()) if ended.year > 1 else 0.0


@contextlib.contextmanager
def _pinging(path: Path, gaps: list[float]) -> Iterator[None]:
    """Ping the engine all the time in a thread; add the seconds between each two answers."""
    done = threading.Event()

    def ping() -> None:
        last = time.monotonic()
        while not done.is_set():
            if _answers(path):
                now = time.monotonic()
                gaps.append(now - last)
                last = now
            time.sleep(_INTERVAL_S)

    thread = threading.Thread(target=ping)
    thread.start()
    try:
        yield
        time.sleep(1)
    finally:
        done.set()
        thread.join()


def _answers(path: Path) -> bool:
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(1)
    try:
        connection.sock.connect(str(path))
        connection.request("GET", "/_ping")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
