"""The step from Debian 12's engine to Debian 13's on a machine with twelve containers, three of which ignore SIGTERM.

By hand that is `apt-get install` and `systemctl restart docker`; beside it `docker upgrade`. Both in each round, the
first of a round is the second of the next. Downtime of a container: from its end to its next start, as the engine
records them. Downtime of the engine: between two answers to `GET /_ping`.
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
from tests.support.engine_archive import NEWER, OLDER, engine_layers
from tests.support.engines import EngineMachine, engine_machine

_GOOD = tuple(f"good{number}" for number in range(9))
_BAD = ("bad0", "bad1", "bad2")
_POLICIES = ("always", "unless-stopped")
_INTERVAL_S = 0.02
_ROUNDS = 5
_BY_HAND, _OURS = "apt-get install, systemctl restart docker", "maestro-agent docker upgrade"
_LIVE = f"{_OURS} --live-restore"
_ENGINE_LIMIT, _GOOD_LIMIT = 1.1, 0.5
_MANIFEST = "/etc/maestro-agent/manifest.yml"


@dataclass(frozen=True, kw_only=True)
class Downtime:
    """Seconds without the engine, and without each container; of good ones and bad ones the longest."""

    engine: float
    good: float
    bad: float
    reported: float | None = None
    """The engine's, by the agent's own outcome."""


def docker(codename: str, session: Session, aims: Aims) -> None:
    """Measure downtime by hand and with the agent; Debian 12 only, whose packages the archive of engines holds."""
    if codename != "bookworm":
        print("only on bookworm")
        return
    ways: dict[str, Callable[[EngineMachine], float | None]] = {
        _BY_HAND: _by_hand,
        _OURS: lambda engine: _by_agent(engine, _OURS),
        _LIVE: lambda engine: _by_agent(engine, _LIVE),
    }
    rounds: dict[str, list[Downtime]] = {name: [] for name in ways}
    for number in range(_ROUNDS):
        names = list(ways)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            rounds[name].append(_round(session, ways[name]))
            print(f"  {_line(rounds[name][-1:])}  {name}", flush=True)
    print(f"\n{'engine':>9} {'good':>9} {'bad':>9}  downtime, {OLDER} to {NEWER}; median of {_ROUNDS}")
    for name, several in rounds.items():
        print(f"{_line(several)}  {name}", flush=True)
    _judge(rounds[_BY_HAND], rounds[_OURS], aims)


def _judge(floor: list[Downtime], ours: list[Downtime], aims: Aims) -> None:
    engine = median(one.engine for one in ours) / median(one.engine for one in floor)
    good = median(one.good for one in ours) / median(one.good for one in floor)
    aims.at_most("downtime of the engine, as a multiple of that by hand", engine, _ENGINE_LIMIT)
    aims.at_most("longest downtime of a well-behaved container, as a multiple", good, _GOOD_LIMIT)
    apart = max(abs(one.engine - (one.reported or 0.0)) for one in ours)
    print(f"(the outcome's own figure of the engine's downtime differs by at most {apart:.2f} s)")


def _line(rounds: list[Downtime]) -> str:
    middle = [median(values) for values in zip(*((one.engine, one.good, one.bad) for one in rounds), strict=True)]
    return " ".join(f"{value:7.2f} s" for value in middle)


def _round(session: Session, way: Callable[[EngineMachine], float | None]) -> Downtime:
    with engine_machine(layers=(session.agent, *engine_layers())) as engine:
        for number, name in enumerate((*_GOOD, *_BAD)):
            engine.run_container(name, policy=_POLICIES[number % 2], handles_stop=name in _GOOD)
        engine.machine.write(_MANIFEST, f"docker:\n  configuration:\n    docker_version: {NEWER}\n")
        before = engine.running()
        gaps: list[float] = []
        with _pinging(engine.machine.path("/run/docker.sock"), gaps):
            reported = way(engine)
        assert engine.engine_version() == NEWER
        assert engine.running() == before
        down = {name: _down(engine, name) for name in before}
    good, bad = (max(down[name] for name in names) for names in (_GOOD, _BAD))
    return Downtime(engine=max(gaps), good=good, bad=bad, reported=reported)


def _by_hand(engine: EngineMachine) -> None:
    engine.install_engine(NEWER)
    engine.machine.check("systemctl restart docker", timeout=300)


def _by_agent(engine: EngineMachine, command: str) -> float | None:
    outcome = json.loads(engine.machine.check(f"{command} --yes --json", timeout=300))
    assert outcome["result"] == "upgraded"
    reported: float | None = outcome["downtime"]["engine_s"]
    return reported


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
