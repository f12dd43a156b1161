"""Heartbeats of the daemon arrive at the real endpoint: no process while nothing is new, no number twice."""

import json
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from agent.state.job_status import record_job_end, record_job_start
from agent.state.store import Store
from tests.report.conftest import Between
from tests.report.endpoint.test_faults import latest_state
from tests.report.installation import CHECKOUT, ReportingAgent
from tests.support import bases
from tests.support.endpoint_server import EndpointServer
from tests.support.fault_proxy import EXCHANGE, HANDSHAKE, FaultProxy
from tests.support.heartbeat_daemon import FastDaemon

_BEAT = re.compile(r"PUT \S+/instances/(\S+)/heartbeats/([0-9]+) ")


def no_fault(_faults: tuple[str, ...]) -> str:
    return ""


def beats(proxy: FaultProxy) -> list[tuple[str, int]]:
    """Return stream and number of each heartbeat that reached the proxy."""
    found = (_BEAT.match(line) for line in proxy.lines)
    return [(one[1], int(one[2])) for one in found if one]


def test_no_process_while_nothing_is_new(between: Between, endpoint: EndpointServer) -> None:
    agent, proxy = between(no_fault)
    daemon = FastDaemon(agent.directory)

    for _ in range(5):
        daemon.round()

    assert daemon.processes == 1
    sent = [number for _, number in beats(proxy)]
    assert sent == list(range(sent[0], sent[0] + 4))
    assert latest_state(endpoint)[0] == sent[-1]
    assert agent.endpoint_status["why"] == ""
    assert agent.endpoint_status["depth"] == 0


def test_recorded_job_starts_the_process_and_heartbeats_go_on(between: Between) -> None:
    agent, proxy = between(no_fault)
    daemon = FastDaemon(agent.directory)
    for _ in range(2):
        daemon.round()
    now = datetime.now(timezone.utc)
    record_job_start(Store(str(agent.directory / "state")), "check", now, "schedule")
    record_job_end(Store(str(agent.directory / "state")), "check", now, 1)

    for _ in range(3):
        daemon.round()

    assert daemon.processes == 2
    assert len(beats(proxy)) == len(set(beats(proxy))) == 3


def test_changed_report_starts_the_process(between: Between) -> None:
    agent, proxy = between(no_fault)
    daemon = FastDaemon(agent.directory)
    for _ in range(2):
        daemon.round()
    (agent.directory / "run/daemon.json").write_text("damaged")  # seen by the report alone

    for _ in range(3):
        daemon.round()

    assert daemon.processes == 2
    assert len(beats(proxy)) == 3


@pytest.mark.parametrize("fault", ["http-503", "http-429-seconds", "slow", "reset-mid-body", "http-500"])
def test_fault_of_the_network_is_recorded_without_a_process(fault: str, between: Between) -> None:
    agent, proxy = between(no_fault, timeout="20s")
    daemon = FastDaemon(agent.directory)
    for _ in range(2):
        daemon.round()
    proxy.choose = lambda faults: fault if fault in faults else ""
    agent.configure(timeout="1s" if fault == "slow" else "20s")
    daemon.reload()

    daemon.round()
    status, processes = agent.endpoint_status, daemon.processes
    proxy.choose = no_fault
    agent.configure(timeout="20s")
    daemon.reload()
    daemon.round()

    assert processes == 1
    assert status["why"]
    assert status["failing_since"] is not None
    assert (agent.endpoint_status["why"], agent.endpoint_status["failing_since"]) == ("", None)


def away(faults: tuple[str, ...]) -> str:
    return "http-503" if faults is EXCHANGE else ""


def failing(agent: ReportingAgent) -> tuple[str, str]:
    status = agent.endpoint_status
    return status["last_success_at"], status["failing_since"]


def test_an_outage_is_one_process_at_its_begin_and_one_at_its_end(between: Between) -> None:
    agent, proxy = between(no_fault)
    daemon = FastDaemon(agent.directory)
    for _ in range(2):
        daemon.round()
    found = []
    for proxy.choose in (*[away] * 5, *[no_fault] * 4):
        daemon.round()
        found.append(daemon.processes)

    assert found == [1, 2, 2, 2, 2, 2, 3, 3, 3]
    assert agent.endpoint_status["why"] == ""
    assert len(beats(proxy)) == len(set(beats(proxy)))


def test_an_outage_goes_on_after_a_boot(between: Between) -> None:
    agent, proxy = between(no_fault)
    daemon = FastDaemon(agent.directory)
    for _ in range(2):
        daemon.round()
    proxy.choose = away
    daemon.round()
    begun = failing(agent)
    time.sleep(1)  # times have whole seconds
    for _ in range(2):
        daemon.round()
    shutil.rmtree(agent.directory / "run")
    (agent.directory / "run").mkdir()

    FastDaemon(agent.directory).round()

    assert failing(agent) == begun


@pytest.mark.parametrize("boots", [False, True], ids=["restart", "boot"])
def test_an_old_success_is_not_shown_as_the_last_one(between: Between, *, boots: bool) -> None:
    agent, proxy = between(no_fault)
    daemon = FastDaemon(agent.directory)
    daemon.round()
    time.sleep(1)
    daemon.round()
    last = agent.endpoint_status["last_success_at"]
    if boots:
        shutil.rmtree(agent.directory / "run")
        (agent.directory / "run").mkdir()
    proxy.choose = away

    FastDaemon(agent.directory).round()

    assert failing(agent)[0] == (None if boots else last)


@pytest.mark.parametrize("fault", ["redirect", "garbage", "page-400", "endless", "wrong-certificate"])
def test_other_answers_are_dealt_with_by_the_process(fault: str, between: Between) -> None:
    agent, proxy = between(no_fault)
    daemon = FastDaemon(agent.directory)
    for _ in range(2):
        daemon.round()
    proxy.choose = lambda faults: fault if fault in faults else ""

    daemon.round()
    status = agent.endpoint_status
    proxy.choose = no_fault
    for _ in range(2):
        daemon.round()

    assert status["why"]
    assert daemon.processes == 3  # one that fails, one that sends
    assert agent.endpoint_status["why"] == ""
    assert len(beats(proxy)) == len(set(beats(proxy)))


def test_token_that_is_no_longer_accepted_is_named(agent: ReportingAgent) -> None:
    daemon = FastDaemon(agent.directory)
    for _ in range(2):
        daemon.round()
    Path(str(agent.settings["token_file"])).write_text("another-token-1234\n")

    daemon.round()

    assert daemon.processes == 2
    assert "HTTP 401" in agent.endpoint_status["why"]


def test_process_of_a_person_takes_the_lease_away(between: Between) -> None:
    agent, proxy = between(no_fault)
    daemon = FastDaemon(agent.directory)
    for _ in range(2):
        daemon.round()
    assert agent.send().returncode == 0

    for _ in range(3):
        daemon.round()

    assert daemon.processes == 2
    assert len(beats(proxy)) == len(set(beats(proxy)))


def test_heartbeat_that_fails_after_the_process_of_a_person_leaves_its_result(between: Between) -> None:
    agent, proxy = between(no_fault)
    daemon = FastDaemon(agent.directory)
    for _ in range(2):
        daemon.round()
    file, left = agent.directory / "run/exporter-endpoint.json", []

    def answer_late(faults: tuple[str, ...]) -> str:
        if faults is HANDSHAKE:
            return ""
        proxy.choose = no_fault
        assert agent.send().returncode == 0
        left.append(file.read_text())
        return "http-503"

    proxy.choose = answer_late
    daemon.round()

    assert left == [file.read_text()]
    assert agent.endpoint_status["why"] == ""
    assert daemon.processes == 1


def run_daemon(agent: ReportingAgent, rounds: int) -> "subprocess.Popen[str]":
    """Start a fast daemon in its own process."""
    command = [sys.executable, "-m", "tests.support.heartbeat_daemon", str(agent.directory), str(rounds)]
    return subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)


def test_killed_daemon_uses_no_number_again(between: Between, endpoint: EndpointServer) -> None:
    agent, proxy = between(no_fault)
    killed = 0
    for _ in range(4):
        before = len(beats(proxy))
        with run_daemon(agent, 1000) as running:

            def kill(_answered: int, process: Any = running, first: int = before) -> None:
                if len(beats(proxy)) >= first + 3:
                    process.kill()  # the number is at the endpoint, and nothing is written of it

            proxy.passed = kill
            killed += running.wait(60) == -9

    assert killed == 4
    assert len(beats(proxy)) >= 12
    assert len(beats(proxy)) == len(set(beats(proxy)))
    assert latest_state(endpoint)[0] == max(number for _, number in beats(proxy))


ROUNDS, WARM = (10_000, 1000) if bases.thorough() else (400, 100)
MORE_KIB = 1024


def seldom(seed: int) -> Callable[[tuple[str, ...]], str]:
    """Return a choice with one fault in two hundred, one slow answer in a thousand."""
    generator = random.Random(seed)  # noqa: S311 - no secret

    def choose(faults: tuple[str, ...]) -> str:
        chance = generator.random()
        if faults is HANDSHAKE:
            return generator.choice(HANDSHAKE) if chance < 0.001 else ""
        if chance < 0.001:
            return "slow"
        return generator.choice(EXCHANGE) if chance < 0.005 else ""

    return choose


def test_heartbeats_without_number_leave_memory_as_it_is(between: Between, endpoint: EndpointServer) -> None:
    agent, proxy = between(seldom(18), timeout="1s")
    proxy.own_answers = 0.9

    with run_daemon(agent, ROUNDS) as running:
        output, _ = running.communicate(timeout=900)

    lines: list[dict[str, int]] = [json.loads(line) for line in output.splitlines() if line.startswith('{"rounds"')]
    resident = {line["rounds"]: line["resident_kib"] for line in lines}
    print(lines[-1], {name: resident[name] for name in (WARM, ROUNDS)}, dict(proxy.seen))
    assert running.returncode == 0
    assert resident[ROUNDS] - resident[WARM] <= MORE_KIB
    assert lines[-1]["attempts"] > ROUNDS * 0.9
    assert lines[-1]["processes"] < ROUNDS * 0.05
    assert lines[-1]["meanwhile"] > 0
    counts = Counter(beats(proxy))
    assert max(counts.values()) == 1
    assert latest_state(endpoint)[0] <= max(number for _, number in counts)
