"""Exporters on a booted machine: in the daemon's sandbox, with the rights that the package gives."""

import json
from typing import Any

import pytest

from tests.support.promtool import promtool
from tests.support.recorded import RECORD, UNIT, Kept

pytestmark = pytest.mark.xdist_group("booted-5")
STATUS_FILE = "/run/maestro-agent/exporter-endpoint.json"
FILE = "/var/lib/prometheus/node-exporter/maestro.prom"
NOBODY_THERE = '[endpoint]\nurl = "https://127.0.0.1:1"\ninterval = "1m"\n'
RECEIVER = """
import gzip, http.server, json
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        batch = json.loads(gzip.decompress(self.rfile.read(int(self.headers["Content-Length"]))))
        open("/srv/batches", "a").write(json.dumps(batch) + "\\n")
        results = [{"key": one["key"], "status": "accepted", "detail": None} for one in batch["messages"]]
        text = json.dumps({"schema": "maestro.receipt/1", "results": results, "resend_state": False}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
http.server.HTTPServer(("127.0.0.1", 8088), Handler).serve_forever()
"""


def endpoint_entry(host: Kept) -> Any:
    return json.loads(host.machine.path(STATUS_FILE).read_text())["exporters"]["endpoint"]


def configure(host: Kept, text: str) -> None:
    host.machine.write("/etc/maestro-agent/config.d/50-endpoint.toml", text)
    host.machine.check(f"systemctl restart {UNIT}")
    host.wait_for_daemon()


def test_daemon_sends_from_its_sandbox_and_its_queue_is_private(own: Kept) -> None:
    configure(own, NOBODY_THERE)
    own.wait_for_export("a first attempt", own.machine.path(STATUS_FILE).exists)
    failed = endpoint_entry(own)
    own.machine.write("/srv/receiver.py", RECEIVER)
    own.machine.check("systemd-run --unit receiver python3 /srv/receiver.py")
    own.wait("the receiver listens", "grep -q '^ *[0-9]*: [0-9A-F]*:1F98 [^ ]* 0A' /proc/net/tcp")  # 8088
    configure(own, NOBODY_THERE.replace("https://127.0.0.1:1", "http://127.0.0.1:8088"))
    sent = own.machine.check("maestro-agent report --send")  # as root, who becomes the daemon's user

    batches = [json.loads(line) for line in own.machine.path("/srv/batches").read_text().splitlines()]
    messages = [message for batch in batches for message in batch["messages"]]
    events = [message["body"]["type"] for message in messages if message["kind"] == "event"]
    states = [message["body"] for message in messages if message["kind"] == "state"]
    assert failed["why"] == "Connection refused"
    assert "delivered" in sent
    assert events[0] == "outbox-begun"
    assert "agent-started" in events
    assert states[0]["host"]["boot_id"]
    assert states[0]["agent"]["state"] in {"idle", "working"}
    assert own.machine.check("cat /etc/machine-id").strip() not in json.dumps(batches)
    files = own.machine.check(f"stat -c '%a %U %n' {RECORD}/outbox {RECORD}/outbox/outbox.sqlite {STATUS_FILE}")
    assert [line.split()[:2] for line in files.splitlines()] == [
        ["700", "maestro-agent"],
        ["600", "maestro-agent"],
        ["644", "maestro-agent"],
    ]
    assert own.status(user="nobody")["reporting"]["endpoint"]["failing_since"] is None
    assert json.loads(own.machine.run("maestro-agent report", user="nobody").stdout)["schema"] == "maestro.report/1"


def test_daemon_writes_metrics_from_its_sandbox_once_it_may(own: Kept) -> None:
    """The directory is as prometheus-node-exporter creates it, and it appears after the daemon."""
    status_file, place = "/run/maestro-agent/exporter-prometheus.json", FILE.rpartition("/")[0]

    def why(words: str) -> None:
        own.machine.run(f"systemctl reload {UNIT}")
        own.wait(words, f"grep -q '{words}' {status_file}", seconds=330)

    configure(own, f'[metrics]\ntextfile = "{FILE}"\n')
    why("there is no directory")
    own.machine.check(f"install -d {place}")
    own.machine.check(f"systemctl restart {UNIT}")
    why(f"chgrp maestro-agent {place} && chmod 1775 {place}")
    by_hand = own.machine.run("maestro-agent report --send")
    own.machine.check(f"chgrp maestro-agent {place} && chmod 1775 {place} && systemctl restart {UNIT}")
    own.wait("the file", f"test -e {FILE}")
    own.wait("its status", f"grep -q '\"failing_since\": null' {status_file}")  # the earlier one stays over a restart

    status = own.status(user="nobody")["reporting"]
    code, output = promtool("check", "metrics", content=own.machine.check(f"cat {FILE}"))
    memory = own.machine.check(f"systemctl show -P MemoryPeak {UNIT} || true").strip()
    assert by_hand.returncode == 1
    assert "the user maestro-agent may not write to" in by_hand.stdout
    assert status["prometheus"]["failing_since"] is None
    assert status["endpoint"] is status["otlp"] is None
    assert code in {0, 3}, output
    assert own.machine.check(f"stat -c '%a %U' {FILE}").split() == ["644", "maestro-agent"]
    assert own.machine.check(f"ls {place}").split() == ["maestro.prom"]
    assert not memory.isdigit() or int(memory) < 100 << 20
    assert own.machine.run(f"touch {place}/x", user="nobody").returncode != 0


def test_other_directory_needs_read_write_paths(own: Kept) -> None:
    own.machine.check("install -d -g maestro-agent -m 1775 /srv/numbers")
    configure(own, '[metrics]\ntextfile = "/srv/numbers/maestro.prom"\n')
    own.wait("the exporter's status", "grep -q ReadWritePaths=/srv/numbers /run/maestro-agent/exporter-prometheus.json")
    drop_in = "/etc/systemd/system/maestro-agent.service.d"
    own.machine.check(f"mkdir -p {drop_in}")
    own.machine.write(f"{drop_in}/paths.conf", "[Service]\nReadWritePaths=/srv/numbers\n")
    own.machine.check(f"systemctl daemon-reload && systemctl restart {UNIT}")

    own.wait("the file", "test -e /srv/numbers/maestro.prom")
