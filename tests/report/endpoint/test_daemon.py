"""The daemon as a process sends new runs to the endpoint by an exporter process."""

import json
import signal
import subprocess
import time
from datetime import datetime, timezone

from agent.state.store import Store
from tests.report.installation import CHECKOUT, ReportingAgent, stored_events, until
from tests.support.endpoint_server import EndpointServer


def test_daemon_sends_a_recorded_run_to_the_endpoint(agent: ReportingAgent, endpoint: EndpointServer) -> None:
    options = ["--config", str(agent.directory / "config.toml"), "--state-dir", str(agent.directory / "state")]
    command = ["/usr/bin/python3", "-m", "agent", *options, "run", "--run-dir", str(agent.directory / "run")]
    with subprocess.Popen(command, cwd=CHECKOUT) as daemon:
        try:
            until("the daemon", (agent.directory / "run/daemon.json").exists)
            time.sleep(1)
            outcome = json.loads((CHECKOUT / "tests/golden/outcome.json").read_text())
            run_id = (
                f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}"  # runs older than a month are not sent to a new outbox
            )
            Store(str(agent.directory / "state")).write_run(run_id, {**outcome, "id": run_id})
            daemon.send_signal(signal.SIGHUP)  # ticks at once

            database = endpoint.directory / "endpoint.db"
            until("the outcome", lambda: any(body["type"] == "outcome" for _, _, body in stored_events(database)))
        finally:
            daemon.kill()

    kinds = [body["type"] for _, _, body in stored_events(endpoint.directory / "endpoint.db")]
    assert kinds[0] == "outbox-begun"
    assert sorted(kinds[1:]) == ["agent-started", "outcome"]
    done = subprocess.run(
        ["/usr/bin/python3", "-m", "agent", *options, "status", "--json"],
        cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert json.loads(done.stdout)["schema"] == "maestro.status/1"
