"""A person's request at a real endpoint reaches the worker over the exporter, runs once, and its end comes back."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.core.exporters import ExporterName
from agent.core.job_kinds import JobKind
from agent.core.requests import book
from agent.core.requests.model import RequestOffers
from agent.host.machine.identity import host_id
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


class Site:
    """One host and its endpoint."""

    def __init__(self, worker: Worker, endpoint: EndpointServer, access: dict[str, object]) -> None:
        self.worker = worker
        self.endpoint = endpoint
        self._access = access

    def allow(self, **requests: object) -> None:
        self.worker.configure(endpoint=self._access, requests=requests)

    def contact(self) -> None:
        """Run the exporter, as the daemon does every few minutes."""
        exporter = EndpointExporter(replace(NO_ENDPOINT, **self._access), takes_requests=True)  # type: ignore[arg-type]
        run_dir = self.worker.directory / "run"
        run_dir.mkdir(exist_ok=True)
        done = ExporterRun(ExporterName.ENDPOINT, exporter, self.worker.store, str(run_dir), carry=self._carry).run(
            NO_ENDPOINT.timeout
        )
        assert done.why == ""

    def command(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--json"))

    def run(self, *words: str) -> str:
        """Run a command of the endpoint, in this process."""
        done = run_command(*words, "--config", str(self.endpoint.config))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def request(self, *words: str) -> str:
        """Request something of this host; return the id of the deployment."""
        return str(self.command("request", *words, "--host", host_id())["id"])

    def shown(self, deployment: str) -> dict[str, Any]:
        """Return the request of this host as the endpoint shows it."""
        (found,) = self.command("requests", "show", deployment)["requests"]
        return dict(found)

    def _carry(self, offers: RequestOffers) -> str:
        if offers.cancelled:
            self.worker.send(job="request", requests_cancelled=list(offers.cancelled))
        for document in offers.documents:
            self.worker.carry(document)
        return ""


@pytest.fixture
def site(
    endpoint: EndpointServer,
    endpoint_token: str,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:
    token = private_file(tmp_path / "token", f"{endpoint_token}\n")
    access: dict[str, object] = {
        "url": f"https://127.0.0.1:{endpoint.port}",
        "token_file": str(token),
        "ca_file": str(authority.file),
    }
    directory = tmp_path / "state"
    directory.mkdir()
    with working(directory, monkeypatch) as worker:
        worker.answer = JobAnswer(exit_code=0, document=outcome("updated"))
        made = Site(worker, endpoint, access)
        made.allow(allow=["upgrade-security"])
        made.contact()
        yield made


def test_a_confirmed_request_runs_once_and_its_end_comes_back(site: Site) -> None:
    deployment = site.request("upgrade-security", "--comment", "tonight")
    site.contact()
    site.contact()  # it was offered again, and its first events arrive
    assert site.shown(deployment)["status"] == "accepted"
    site.worker.run_due()
    site.contact()

    found = site.shown(deployment)
    assert (found["status"], found["run"]) == ("done", RUN)
    assert [job.kind for job in site.worker.did] == [JobKind.UPGRADE]
    site.contact()
    assert site.worker.run_due()["exit_code"] == 2


def test_a_refusal_comes_back_with_its_reason(site: Site) -> None:
    deployment = site.request("check")
    site.contact()
    site.contact()

    found = site.shown(deployment)
    assert (found["status"], found["why"]) == ("refused", "not-allowed")


def test_a_signed_request_is_signed_by_the_endpoints_command(site: Site, tmp_path: Path) -> None:
    ann = Signer.make(tmp_path, "ann")
    signers = tmp_path / "signers"
    signers.write_text(ann.line)
    site.allow(allow=["upgrade-security"], signers=str(signers))

    unsigned = site.request("upgrade-security")
    site.contact()
    signed = site.request("upgrade-security", "--sign-with", str(ann.key))
    site.contact()
    site.worker.run_due()
    site.contact()

    assert (site.shown(unsigned)["status"], site.shown(unsigned)["why"]) == ("refused", "unsigned")
    assert site.shown(signed)["status"] == "done"
    assert len(site.worker.did) == 1


def test_a_cancelled_request_does_not_run(site: Site) -> None:
    deployment = site.request("upgrade-security")
    site.contact()
    site.run("requests", "cancel", deployment)
    site.contact()
    site.contact()

    assert site.worker.run_due()["exit_code"] == 2
    assert site.worker.did == []
    assert site.shown(deployment)["status"] == "cancelled"


def test_an_endpoint_restored_from_a_backup_offers_a_request_again_and_nothing_runs_twice(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book, "REPEAT_AFTER", timedelta(0))  # else the event is repeated after ten minutes
    deployment = site.request("upgrade-security")
    file = site.endpoint.directory / "endpoint.db"
    with closing(sqlite3.connect(file)) as live, closing(sqlite3.connect(tmp_path / "backup")) as backup:
        live.backup(backup)
    site.contact()
    site.worker.run_due()
    site.contact()
    before = site.shown(deployment)["status"]

    site.endpoint.stop()
    for path in file.parent.glob("endpoint.db*"):
        path.unlink()
    shutil.copyfile(tmp_path / "backup", file)
    restored = site.shown(deployment)["status"]
    site.endpoint.start()
    for _ in range(3):
        site.contact()
        site.worker.run_due()

    found = site.shown(deployment)
    assert (before, restored) == ("done", "queued")
    assert len(site.worker.did) == 1
    assert (found["status"], found["run"]) == ("done", RUN)
