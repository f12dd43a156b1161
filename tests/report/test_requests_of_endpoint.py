"""A request of a person, from the command on the endpoint to the job on the host and back: both programs as they are.

A real endpoint over TLS, the real exporter, the worker on a real socket, real signatures; only the job pretends.
"""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.core.exporters import ExporterName
from agent.core.job_kinds import JobKind
from agent.core.requests import book
from agent.core.requests.model import RequestOffers
from agent.report.endpoint.exporter import EndpointExporter
from agent.report.runner import ExporterRun
from agent.worker.protocol import JobAnswer
from tests.core.given import NO_ENDPOINT
from tests.core.requests.test_ending import RUN, outcome
from tests.support.authority import Authority
from tests.support.carrier import Signer, Worker, working
from tests.support.endpoint_server import EndpointServer
from tests.support.fault_proxy import private_file
from tests.support.local_endpoint import run_command

ALLOWED = ["upgrade-security", "reboot-if-required"]


@dataclass(kw_only=True)
class Host:
    """The daemon's exporter and the worker of one machine."""

    worker: Worker
    exporter: ExporterRun
    endpoint: EndpointServer
    carried: list[RequestOffers]

    def report(self) -> None:
        """Run the exporter once, as the daemon does."""
        result = self.exporter.run(NO_ENDPOINT.timeout)
        assert not result.why, result.why

    def command(self, *arguments: str) -> str:
        """Run a command of the endpoint."""
        done = run_command(*arguments, "--config", str(self.endpoint.config))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def request(self, *arguments: str) -> str:
        """Request something of all hosts; return the deployment's id."""
        made: dict[str, Any] = json.loads(self.command("request", *arguments, "--all", "--json"))
        return str(made["id"])

    def shown(self, deployment: str) -> dict[str, Any]:
        (found,) = json.loads(self.command("requests", "show", deployment, "--json"))["requests"]
        return dict(found)


@pytest.fixture
def host(
    endpoint: EndpointServer,
    endpoint_token: str,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Host]:
    """Return a machine that has reported once, and allows upgrades."""
    token = private_file(tmp_path / "token", f"{endpoint_token}\n")
    url = f"https://127.0.0.1:{endpoint.port}"
    settings: dict[str, object] = {"url": url, "token_file": str(token), "ca_file": str(authority.file)}
    policy = replace(NO_ENDPOINT, url=url, token_file=str(token), ca_file=str(authority.file))
    (tmp_path / "run").mkdir()
    with working(tmp_path / "state", monkeypatch) as worker:
        worker.directory.mkdir()
        worker.configure(endpoint=settings, requests={"allow": ALLOWED})
        worker.answer = JobAnswer(exit_code=0, document=outcome("updated"))
        carried: list[RequestOffers] = []
        exporter = ExporterRun(
            ExporterName.ENDPOINT,
            EndpointExporter(policy, takes_requests=True),
            worker.store,
            str(tmp_path / "run"),
            carry=_carrier(worker, carried),
        )
        made = Host(worker=worker, exporter=exporter, endpoint=endpoint, carried=carried)
        made.report()
        yield made


def _carrier(worker: Worker, carried: list[RequestOffers]) -> Callable[[RequestOffers], str]:
    def carry(offers: RequestOffers) -> str:
        carried.append(offers)
        if offers.cancelled:
            worker.send(job="request", requests_cancelled=list(offers.cancelled))
        for document in offers.documents:
            worker.carry(document)
        return ""

    return carry


def test_an_unsigned_request_is_confirmed_run_once_and_reported(host: Host) -> None:
    deployment = host.request("upgrade-security", "--reboot", "if-required", "--comment", "INC-7 — bitte")

    host.report()
    host.worker.run_due()
    host.report()
    ended = host.shown(deployment)
    host.report()

    (job,) = host.worker.did
    assert (job.kind, job.request_id) == (JobKind.UPGRADE, ended["id"])
    assert (ended["status"], ended["run"], ended["why"]) == ("done", RUN, None)
    assert [len(one.documents) for one in host.carried] == [1], "nothing is sent again after the host's event"


def test_a_request_that_the_host_does_not_allow_is_refused_and_stops_nothing(host: Host) -> None:
    deployment = host.request("apply-docker")

    host.report()
    host.worker.run_due()
    host.report()

    assert host.worker.did == []
    assert [host.shown(deployment)[name] for name in ("status", "why")] == ["refused", "not-allowed"]
    assert json.loads(host.command("requests", "show", deployment, "--json"))["status"] == "ended"


def test_a_signed_request_runs_and_one_without_a_signature_does_not(host: Host, tmp_path: Path) -> None:
    ann = Signer.make(tmp_path, "ann")
    (tmp_path / "signers").write_text(ann.line)
    host.worker.configure(requests={"allow": ALLOWED, "signers": str(tmp_path / "signers")})
    unsigned = host.request("upgrade-security")
    signed = host.request("upgrade-security", "--sign-with", str(ann.key))

    for _ in range(2):
        host.report()
        host.worker.run_due()
    host.report()

    assert [host.shown(unsigned)[name] for name in ("status", "why")] == ["refused", "unsigned"]
    assert [host.shown(signed)[name] for name in ("status", "signed_by")] == ["done", "ann@example.org"]
    assert [job.request_id for job in host.worker.did] == [host.shown(signed)["id"]]


def test_a_cancelled_request_does_not_run(host: Host) -> None:
    deployment = host.request("upgrade-security")
    host.report()
    host.command("requests", "cancel", deployment)

    host.report()
    host.worker.run_due()
    host.report()

    assert host.worker.did == []
    assert [host.shown(deployment)[name] for name in ("status", "cancelling")] == ["cancelled", False]


def test_an_endpoint_restored_from_a_backup_repeats_a_request_and_nothing_runs_twice(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book, "REPEAT_AFTER", timedelta(0))  # else the event is repeated after ten minutes
    deployment = host.request("upgrade-security")
    file = host.endpoint.directory / "endpoint.db"
    with closing(sqlite3.connect(file)) as live, closing(sqlite3.connect(tmp_path / "backup")) as backup:
        live.backup(backup)
    host.report()
    host.worker.run_due()
    host.report()
    before = host.shown(deployment)["status"]

    host.endpoint.stop()
    for path in file.parent.glob("endpoint.db*"):
        path.unlink()
    shutil.copyfile(tmp_path / "backup", file)
    restored = host.shown(deployment)["status"]
    host.endpoint.start()
    for _ in range(3):
        host.report()
        host.worker.run_due()

    assert (before, restored) == ("done", "queued")
    assert len(host.worker.did) == 1
    assert [host.shown(deployment)[name] for name in ("status", "run")] == ["done", RUN]
