"""The forecast of a plan against what an upgrade, and the way back, then really cost.

One round is an upgrade and the way back. MAESTRO_FORECAST_ROUNDS sets how many there are; `make forecast` runs five,
each with other stop timeouts, for every engine, and prints expected and measured times.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from agent.host.docker.actions import parse_time
from tests.support import bases
from tests.support.engines import NEWER, OLDER, EngineMachine, engine_machine
from tests.support.forecasts import within
from tests.support.recorded import Kept
from tests.support.repository import Signer

pytestmark = pytest.mark.xdist_group("engines-1")

ROUNDS = int(os.environ.get("MAESTRO_FORECAST_ROUNDS", "1"))
POLICIES = ("no", "always", "unless-stopped", "on-failure:3")
TIMEOUTS_S = (2, 3, 5, 8)
"""Stop timeouts of the containers that ignore SIGTERM; every round moves them on by one policy."""
PORT = 8080
_CONFIGURATION = "/etc/docker/daemon.json"
_MANIFEST = "/etc/maestro-agent/manifest.yml"
_ANSWERS = "/srv/answers"
_TRAFFIC = f"""import socket, time
while True:
    try:
        with socket.create_connection(("127.0.0.1", {PORT}), 0.5) as peer:
            peer.settimeout(0.5)
            peer.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            if peer.recv(9) == b"HTTP/1.1 ":
                print(time.monotonic(), flush=True)
    except OSError:
        pass
    time.sleep(0.05)
"""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One change: expected and measured seconds."""

    target: str
    expected: dict[str, Any]
    engine_s: float
    containers: dict[str, float]
    """By the engine's own times; those that ran on have 0."""
    traffic_s: float
    """The longest time without an answer of the published port."""

    def misses(self) -> list[str]:
        """Return what lies outside its range."""
        expected = self.expected["engine_s"]
        found = [] if within(self.engine_s, expected) else [f"engine: {self.engine_s} not in {expected}"]
        for name, seconds in self.containers.items():
            expected = self.expected["containers"].get(name, (0, 0))
            if not within(round(seconds, 1), expected):
                found.append(f"{name}: {seconds:.2f} not in {expected}")
        return found

    def line(self) -> str:
        """Return a line for a person."""
        worst = max(self.containers, key=lambda name: self.containers[name])
        container = f"{worst} {self.containers[worst]:.2f} s of {self.expected['containers'].get(worst)}"
        engine = f"engine {self.engine_s:.2f} s of {self.expected['engine_s']}"
        return f"to {self.target}: {engine}, {container}, port {self.traffic_s:.2f} s"


def engines() -> list[Any]:
    """Return engines with their options: a container that stops and one that runs on, and in a thorough run all."""
    found = [
        pytest.param("installed_beside_engine", "{}", "", id="docker.io-off"),
        pytest.param("installed_beside_engine", "{}", "--live-restore", id="docker.io-asked-for-live-restore"),
    ]
    if bases.thorough() or "MAESTRO_FORECAST_ROUNDS" in os.environ:
        found += [
            pytest.param("installed_beside_engine", '{"live-restore": true}', "", id="docker.io-live-restore"),
            pytest.param("installed_beside_docker_ce", "{}", "", id="docker-ce-off"),
        ]
    return found


@pytest.mark.parametrize(("layers", "configuration", "option"), engines())
def test_downtime_is_within_the_forecast_and_the_same_containers_run(
    request: pytest.FixtureRequest, signer: Signer, layers: str, configuration: str, option: str
) -> None:
    with machine(request.getfixturevalue(layers), configuration) as engine:
        kept = Kept(engine.machine, signer, "bookworm")
        options = f"--json --allow-major-downgrade --remove-containers {option}"
        found = [change(kept, engine, target, turn, options) for turn in range(ROUNDS) for target in (NEWER, OLDER)]

    for one in found:
        print(one.line())
    assert [miss for one in found for miss in one.misses()] == []


def change(kept: Kept, engine: EngineMachine, target: str, turn: int, options: str) -> Measured:
    """Plan, then bring the engine to a version under traffic; the containers that run are as before."""
    run_slow(engine, turn)
    engine.run_container("once", auto_remove=True)
    engine.machine.write(_MANIFEST, f"docker:\n  configuration:\n    docker_version: {target}\n")
    before, configuration = engine.running(), engine.machine.path(_CONFIGURATION).read_text()
    answered = len(answers(engine))
    plan = kept.agent(f"docker plan {options}").json

    done = kept.agent(f"docker upgrade --wait {options}", timeout=400)
    downtimes = container_downtimes(engine)
    gap = longest_gap(engine, answered)

    outcome, expected = done.json, done.json["forecast"]
    assert (plan["blocked"], done.code, outcome["result"], outcome["message"]) == ([], 0, "upgraded", "")
    assert (expected["engine_s"], outcome["running"]) == (plan["downtime"]["expected_s"], target)
    assert engine.engine_version() == target
    assert engine.running() == before - set(expected["removes"])
    assert engine.machine.path(_CONFIGURATION).read_text() == configuration
    assert outcome["containers_lost"] == expected["removes"]
    engine.machine.run("docker rm -f once")
    stopped = outcome["downtime"]["containers"]
    assert set(stopped) == set(expected["containers"])
    measured = {name: downtimes[name] if name in stopped else 0.0 for name in sorted(before - {"once"})}
    assert stopped == pytest.approx({name: measured[name] for name in stopped}, abs=0.01)
    down_s = outcome["downtime"]["engine_s"]
    return Measured(target=target, expected=expected, engine_s=down_s, containers=measured, traffic_s=gap)


def run_slow(engine: EngineMachine, turn: int) -> None:
    """Start the containers that ignore SIGTERM, with this round's stop timeouts."""
    for place, policy in enumerate(POLICIES):
        name = policy.partition(":")[0]
        timeout = TIMEOUTS_S[(place + turn) % len(TIMEOUTS_S)]
        engine.machine.run(f"docker rm -f {name}-bad {name}-bad-off")
        engine.run_container(f"{name}-bad", policy=policy, handles_stop=False, stop_timeout=timeout)
        engine.run_container(f"{name}-bad-off", policy=policy, handles_stop=False, stop_timeout=1)
    engine.docker(f"stop {' '.join(policy.partition(':')[0] + '-bad-off' for policy in POLICIES)}")


def longest_gap(engine: EngineMachine, answered: int) -> float:
    """Return the longest time without an answer of the published port, after so many answers; it answers again."""
    count = len(answers(engine))
    engine.wait("answers after the change", f"test $(wc -l < {_ANSWERS}) -gt {count + 1}")
    return max(later - earlier for earlier, later in pairwise(answers(engine)[answered - 1 :]))


def answers(engine: EngineMachine) -> list[float]:
    """Return when the published port answered."""
    text = engine.machine.path(_ANSWERS).read_text()
    return [float(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def container_downtimes(engine: EngineMachine) -> dict[str, float]:
    """Return how long each container that was started again had not run, by the engine's own times."""
    listed = engine.docker(
        "inspect --format '{{.Name}} {{.State.FinishedAt}} {{.State.StartedAt}}' $(docker ps -q)"
    ).splitlines()
    found = {}
    for line in listed:
        name, finished, started = line.split()
        times: list[datetime | None] = [parse_time(finished), parse_time(started)]
        if times[0] and times[1]:
            found[name.lstrip("/")] = (times[1] - times[0]).total_seconds()
    return found


@contextmanager
def machine(layers: tuple[Path, ...], configuration: str) -> Iterator[EngineMachine]:
    """Boot a machine with containers of every policy that end on SIGTERM, run and stopped, and a published port."""
    with engine_machine(layers=layers) as engine:
        engine.configure(configuration)
        engine.restart()
        for policy in POLICIES:
            name = policy.partition(":")[0]
            engine.run_container(f"{name}-good", policy=policy)
            engine.run_container(f"{name}-good-off", policy=policy)
        engine.docker(f"stop {' '.join(policy.partition(':')[0] + '-good-off' for policy in POLICIES)}")
        engine.run_container("web", policy="always", published=PORT)
        engine.machine.write("/srv/traffic.py", _TRAFFIC)
        engine.machine.check(f"systemd-run -q sh -c 'exec python3 /srv/traffic.py >{_ANSWERS}'")
        engine.wait("an answer", f"test -s {_ANSWERS}")
        yield engine
