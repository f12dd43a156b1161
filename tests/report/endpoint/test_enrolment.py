"""The agent enrols over real TLS, through every fault: both programs as processes, one token of the host at the end."""

import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent.host.machine.identity import host_id
from tests.report.installation import CHECKOUT, ReportingAgent, stored_events
from tests.support import bases
from tests.support.authority import Authority
from tests.support.endpoint_server import EndpointServer
from tests.support.fault_proxy import EXCHANGE, FaultProxy, private_file

FAULTS = EXCHANGE if bases.thorough() else ("lost-answer", "half-an-answer", "another-receipt")
POINTS = ["before", "written", "synced", "stored"] if bases.thorough() else ["synced", "stored"]
IN_THE_FULL_RUN = pytest.mark.skipif(
    not bases.thorough(), reason="seconds of processor time; the rule has its own test"
)
TOKEN = "state/outbox/endpoint-token.json"  # noqa: S105 - a path


@pytest.fixture
def enrolling(endpoint: EndpointServer) -> EndpointServer:
    """Return the endpoint, which does not know this machine."""
    change(endpoint, "DELETE FROM enrolments", "DELETE FROM tokens WHERE host_id IS NOT NULL")
    return endpoint


MakeAgent = Callable[..., ReportingAgent]


@pytest.fixture
def newcomer(enrolling: EndpointServer, authority: Authority, tmp_path: Path) -> MakeAgent:
    """Return what makes an agent with an enrolment key, in a directory of this name."""

    def made(*options: str, name: str = "one", key: str = "") -> ReportingAgent:
        directory = tmp_path / name
        directory.mkdir()
        text = key or enrolling.token("--enrol", *options)
        file = private_file(directory / "key", f"{text}\n")
        agent = ReportingAgent(directory=directory)
        agent.configure(port=enrolling.port, enrolment_key_file=str(file), ca_file=str(authority.file))
        return agent

    return made


Through = Callable[[ReportingAgent, Callable[[tuple[str, ...]], str]], FaultProxy]


@pytest.fixture
def through(enrolling: EndpointServer, authority: Authority, stranger: Authority) -> Iterator[Through]:
    """Return what puts a failing proxy between an agent and the endpoint."""
    made: list[FaultProxy] = []

    def put(agent: ReportingAgent, choose: Callable[[tuple[str, ...]], str]) -> FaultProxy:
        proxy = FaultProxy(authority=authority, stranger=stranger, endpoint_port=enrolling.port, choose=choose)
        made.append(proxy)
        proxy.__enter__()
        agent.configure(port=proxy.port)
        return proxy

    yield put
    for proxy in made:
        proxy.__exit__()


def change(endpoint: EndpointServer, *statements: str) -> None:
    with closing(sqlite3.connect(endpoint.directory / "endpoint.db", timeout=30)) as database, database:
        for statement in statements:
            database.execute(statement)


def rows(endpoint: EndpointServer, query: str) -> list[Any]:
    with closing(sqlite3.connect(endpoint.directory / "endpoint.db", timeout=30)) as database:
        return database.execute(query).fetchall()


def valid_tokens(endpoint: EndpointServer) -> int:
    query = f"SELECT count(*) FROM tokens WHERE host_id = '{host_id()}' AND revoked_at IS NULL"  # noqa: S608
    return int(rows(endpoint, query)[0][0])


def uses(endpoint: EndpointServer, agent: ReportingAgent) -> int:
    key = (agent.directory / "key").read_text().split("_")[1]
    return int(rows(endpoint, f"SELECT uses FROM enrolment_keys WHERE id = '{key}'")[0][0])  # noqa: S608


def asks(endpoint: EndpointServer) -> int:
    """Return how often agents have asked for a token since it was started."""
    return endpoint.journal.count('"host.enrolment"')


def waiting(endpoint: EndpointServer) -> list[tuple[str, str]]:
    """Return the id and the reason of what waits for a person."""
    return [tuple(row) for row in rows(endpoint, "SELECT id, why FROM enrolments WHERE status = 'waiting'")]


def approve(endpoint: EndpointServer) -> None:
    done = endpoint.run("enrolments", "approve", *(identity for identity, _ in waiting(endpoint)))
    assert done.returncode == 0, done.stderr


def stored_token(agent: ReportingAgent) -> str:
    return str(json.loads((agent.directory / TOKEN).read_text())["token"])


def sent(agent: ReportingAgent) -> int:
    return agent.send().returncode


def once(fault: str) -> Callable[[tuple[str, ...]], str]:
    """Return a choice that has this fault once."""
    left = [fault]
    return lambda faults: left.pop() if left and left[0] in faults else ""


def test_an_agent_with_a_key_gets_its_token_and_sends_in_the_same_run(
    newcomer: MakeAgent, enrolling: EndpointServer
) -> None:
    agent = newcomer("--tag", "cloud")
    agent.add(2)
    before = asks(enrolling)

    codes = [sent(agent) for _ in range(3)]

    assert codes == [0, 0, 0]
    assert (asks(enrolling) - before, uses(enrolling, agent), valid_tokens(enrolling)) == (1, 1, 1)
    assert (
        len([one for one in stored_events(enrolling.directory / "endpoint.db") if one[2]["type"] == "test-event"]) == 2
    )
    mode = (agent.directory / TOKEN).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert (host_id(), "cloud") in rows(enrolling, "SELECT host_id, tag FROM host_tags WHERE source = 'endpoint'")


def test_the_tags_of_the_configuration_arrive(newcomer: MakeAgent, enrolling: EndpointServer) -> None:
    agent = newcomer()
    with (agent.directory / "config.toml").open("a") as file:
        file.write('[agent]\ntags = ["web", "eu-1"]\n')

    assert sent(agent) == 0

    (body,) = rows(enrolling, "SELECT body FROM states")
    assert json.loads(body[0])["host"]["tags"] == ["web", "eu-1"]
    own = rows(enrolling, "SELECT host_id, tag FROM host_tags WHERE source = 'endpoint'")
    assert (host_id(), "web") not in own


def test_neither_key_nor_token_is_in_what_is_printed_recorded_or_logged(
    newcomer: MakeAgent, enrolling: EndpointServer
) -> None:
    agent = newcomer()

    first = agent.send()
    change(enrolling, f"UPDATE tokens SET revoked_at = 1 WHERE host_id = '{host_id()}'")  # noqa: S608
    enrolling.stop()
    enrolling.start()
    second = agent.send()

    status = (agent.directory / "run/exporter-endpoint.json").read_text()
    printed = f"{first.stdout}{first.stderr}{second.stdout}{second.stderr}{status}{enrolling.journal}"
    for secret in (stored_token(agent), (agent.directory / "key").read_text().strip()):
        assert secret.split("_", 2)[2] not in printed
    assert (first.returncode, second.returncode) == (0, 1)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_exchange_leaves_one_token_in_the_end(
    fault: str, newcomer: MakeAgent, through: Through, enrolling: EndpointServer
) -> None:
    agent = newcomer("--uses", "1")
    agent.add(3)
    agent.configure(timeout="1s" if fault == "slow" else "20s")
    proxy = through(agent, once(fault))

    failed = agent.send()

    assert failed.returncode == 1, failed.stdout
    assert proxy.seen[fault] == 1
    assert agent.queued == 4
    agent.configure(timeout="20s")
    assert sent(agent) == 0
    assert (uses(enrolling, agent), valid_tokens(enrolling), agent.queued) == (1, 1, 0)


def test_an_agent_that_is_killed_before_it_has_the_answer_asks_again(
    newcomer: MakeAgent, through: Through, enrolling: EndpointServer
) -> None:
    agent = newcomer("--uses", "1")
    proxy = through(agent, lambda _faults: "")

    def kill(count: int) -> None:
        if count == 1:
            assert agent.process is not None
            for child in psutil.Process(agent.process.pid).children():
                child.send_signal(signal.SIGKILL)

    proxy.passed = kill

    assert agent.send().returncode == 1
    assert not (agent.directory / TOKEN).exists()
    assert sent(agent) == 0
    assert (uses(enrolling, agent), valid_tokens(enrolling)) == (1, 1)


@pytest.mark.parametrize("point", POINTS)
def test_an_agent_that_is_killed_while_it_stores_the_token_goes_on(
    point: str, newcomer: MakeAgent, enrolling: EndpointServer
) -> None:
    agent = newcomer("--uses", "1")
    before = asks(enrolling)

    killed = agent.send(KILL_AT=point, PYTHONPATH=str(CHECKOUT / "tests/support/killed_storing"))

    assert killed.returncode == 1
    assert asks(enrolling) - before == 1
    assert (agent.directory / TOKEN).exists() == (point == "stored")
    assert sent(agent) == 0
    assert asks(enrolling) - before == (1 if point == "stored" else 2)
    assert (uses(enrolling, agent), valid_tokens(enrolling)) == (1, 1)


@IN_THE_FULL_RUN
def test_a_token_that_cannot_be_stored_costs_nothing(newcomer: MakeAgent, enrolling: EndpointServer) -> None:
    agent = newcomer("--uses", "1")
    agent.add(1)
    obstacle = agent.directory / f"{TOKEN}.new/x"
    obstacle.mkdir(parents=True)

    failed = agent.send()

    assert failed.returncode == 1
    assert "cannot be stored" in agent.endpoint_status["why"]
    shutil.rmtree(obstacle.parent)
    assert sent(agent) == 0
    assert (uses(enrolling, agent), valid_tokens(enrolling), agent.queued) == (1, 1, 0)


def test_an_agent_waits_for_approval_and_loses_nothing(newcomer: MakeAgent, enrolling: EndpointServer) -> None:
    agent = newcomer("--approve")
    agent.add(2)

    assert [sent(agent), sent(agent)] == [1, 1]
    assert "not enrolled at the endpoint yet" in agent.endpoint_status["why"]
    assert agent.queued == 3
    approve(enrolling)
    assert sent(agent) == 0
    assert (agent.endpoint_status["why"], agent.queued) == ("", 0)


def test_an_impostor_with_the_key_gets_nothing_and_the_host_goes_on(
    newcomer: MakeAgent, enrolling: EndpointServer
) -> None:
    agent = newcomer()
    assert sent(agent) == 0
    impostor = newcomer(name="impostor", key=(agent.directory / "key").read_text().strip())

    assert sent(impostor) == 1

    assert [why for _, why in waiting(enrolling)] == ["known-host"]
    assert not (impostor.directory / TOKEN).exists()
    agent.add(1)
    assert sent(agent) == 0


@IN_THE_FULL_RUN
def test_of_two_that_claim_one_host_only_the_approved_one_has_a_token_and_the_other_waits(
    newcomer: MakeAgent, enrolling: EndpointServer
) -> None:
    agent = newcomer()
    assert sent(agent) == 0
    again = newcomer(name="again", key=(agent.directory / "key").read_text().strip())
    assert sent(again) == 1
    approve(enrolling)

    assert sent(again) == 0

    enrolling.stop()  # it takes a token that it has just seen for some seconds more
    enrolling.start()
    assert sent(agent) == 1
    assert "HTTP 401" in agent.endpoint_status["why"]
    assert "not enrolled at the endpoint yet" in agent.endpoint_status["why"]
    assert [why for _, why in waiting(enrolling)] == ["token-in-use"]
    assert valid_tokens(enrolling) == 1


@IN_THE_FULL_RUN
def test_a_copy_of_an_enrolled_disk_that_lost_its_token_waits(newcomer: MakeAgent, enrolling: EndpointServer) -> None:
    agent = newcomer()
    assert sent(agent) == 0
    shutil.copytree(agent.directory / "state", agent.directory.parent / "copy")
    (agent.directory.parent / "copy/outbox/endpoint-token.json").unlink()
    clone = newcomer(name="clone", key=(agent.directory / "key").read_text().strip())
    shutil.rmtree(clone.directory / "state")
    (agent.directory.parent / "copy").rename(clone.directory / "state")

    assert sent(clone) == 1

    assert [why for _, why in waiting(enrolling)] == ["token-in-use"]
    assert sent(agent) == 0


def test_a_copy_with_another_machine_id_does_not_use_the_token_of_its_original(
    newcomer: MakeAgent, enrolling: EndpointServer
) -> None:
    agent = newcomer()
    assert sent(agent) == 0
    original = stored_token(agent)
    (agent.directory / "machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    command = (
        f"mount --bind {agent.directory}/machine-id /etc/machine-id && exec /usr/bin/python3 -m agent"
        f" --config {agent.directory}/config.toml --state-dir {agent.directory}/state"
        f" report --send --run-dir {agent.directory}/run"
    )

    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", command], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert stored_token(agent) != original
    hosts = {host for (host,) in rows(enrolling, "SELECT host_id FROM enrolments WHERE status = 'enrolled'")}
    assert len(hosts) == 2
    assert valid_tokens(enrolling) == 1


def test_a_revoked_token_is_asked_for_again_and_waits_for_a_person(
    newcomer: MakeAgent, enrolling: EndpointServer
) -> None:
    agent = newcomer()
    assert sent(agent) == 0
    done = enrolling.run("token", "revoke", stored_token(agent).split("_")[1])
    assert done.returncode == 0, done.stderr
    enrolling.stop()
    enrolling.start()
    agent.add(1)

    assert sent(agent) == 1

    assert [why for _, why in waiting(enrolling)] == ["token-in-use"]
    approve(enrolling)
    assert sent(agent) == 0
    assert agent.queued == 0


@IN_THE_FULL_RUN
def test_the_key_is_needed_once(newcomer: MakeAgent) -> None:
    agent = newcomer()
    assert sent(agent) == 0

    (agent.directory / "key").unlink()

    assert sent(agent) == 0


@IN_THE_FULL_RUN
def test_a_key_that_is_not_there_is_reported(newcomer: MakeAgent) -> None:
    agent = newcomer()
    (agent.directory / "key").unlink()

    assert sent(agent) == 1
    assert "cannot be read" in agent.endpoint_status["why"]


@IN_THE_FULL_RUN
@pytest.mark.parametrize(
    ("options", "status"), [(("--uses", "1"), "HTTP 410"), ((), "HTTP 401")], ids=["used up", "revoked"]
)
def test_a_key_that_is_not_valid_is_reported(
    options: tuple[str, ...], status: str, newcomer: MakeAgent, enrolling: EndpointServer
) -> None:
    agent = newcomer(*options)
    key = (agent.directory / "key").read_text().split("_")[1]
    change(enrolling, f"UPDATE enrolment_keys SET uses = 1 WHERE id = '{key}'")  # noqa: S608
    if not options:
        assert enrolling.run("token", "revoke", key).returncode == 0

    assert sent(agent) == 1
    assert status in agent.endpoint_status["why"]


class Elsewhere(BaseHTTPRequestHandler):
    """Another endpoint, which has no enrolment."""

    heads: list[str]

    def do_POST(self) -> None:
        """Keep the head."""
        self.heads.append(f"{self.path} {self.headers}")
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_error(404)

    do_PUT = do_POST  # noqa: N815 - a name of the base class

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def test_a_token_is_sent_to_the_endpoint_that_issued_it_and_to_no_other(newcomer: MakeAgent) -> None:
    agent = newcomer()
    assert sent(agent) == 0
    heads: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Elsewhere,), {"heads": heads})) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        agent.configure(url=f"http://127.0.0.1:{server.server_port}")

        code = sent(agent)
        server.shutdown()

    assert code == 1
    assert [head.split()[0] for head in heads] == ["/v1/enrol"]
    assert stored_token(agent).split("_", 2)[2] not in "".join(heads)
    assert "does not enrol hosts" in agent.endpoint_status["why"]


@IN_THE_FULL_RUN
def test_a_damaged_token_is_replaced_by_approval(newcomer: MakeAgent, enrolling: EndpointServer) -> None:
    agent = newcomer()
    assert sent(agent) == 0
    (agent.directory / TOKEN).write_text("{")

    assert sent(agent) == 1

    approve(enrolling)
    assert sent(agent) == 0
    assert os.access(agent.directory / TOKEN, os.R_OK)


@IN_THE_FULL_RUN
def test_a_certificate_of_another_host_goes_before_the_key(
    newcomer: MakeAgent, enrolling: EndpointServer, authority: Authority
) -> None:
    agent, other = newcomer(), "0f0e0d0c-0b0a-4908-8706-050403020100"
    for host, code in ((other, 1), (host_id(), 0)):
        certificate = authority.sign(host, names=f"URI:urn:uuid:{host}")
        agent.configure(client_cert=str(certificate.file), client_key=str(certificate.key))
        assert sent(agent) == code
        if code:
            assert "HTTP 403" in agent.endpoint_status["why"]
            assert valid_tokens(enrolling) == 0
