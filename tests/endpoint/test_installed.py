"""The package on a booted machine: installed with apt, run by systemd with its sandbox, on every release."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.roots import connect, save
from tests.support import bases
from tests.support.booted import Booted, booted
from tests.support.machine import machine
from tests.support.messages import Outbox

pytestmark = [pytest.mark.archive, pytest.mark.xdist_group("endpoint-installed")]
UNIT = "maestro-endpoint.service"
CONFIG = """\
[server]
listen = "127.0.0.1:8443"
"""


@pytest.fixture(scope="module", params=bases.table_codenames())
def layers(
    request: pytest.FixtureRequest, deb: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, ...]]:
    """Return the layers of a machine with both packages, and their dependencies from the distribution's archive."""
    base = bases.base(str(request.param), bases.BOOTED)
    layer = tmp_path_factory.mktemp("installed") / "layer"
    with machine(base) as running:
        connect(running)
        running.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
        for package in ("maestro-endpoint", "maestro-agent"):
            shutil.copy(next(deb.parent.glob(f"{package}_*_all.deb")), running.path(f"/srv/{package}.deb"))
        running.check("apt-get -q update", timeout=300)
        running.check("apt-get -q -y --no-install-recommends install /srv/maestro-*.deb curl", timeout=600)
        assert running.run(f"systemctl --root=/ is-enabled {UNIT}").stdout.strip() == "disabled"
        running.check("rm /usr/sbin/policy-rc.d")
        save(running, layer)
    yield layer, base
    subprocess.run(["rm", "-rf", str(layer)], check=True)


@pytest.fixture
def host(layers: tuple[Path, ...]) -> Iterator[Booted]:
    """Return a booted machine for one test alone."""
    with booted(*layers) as up:
        yield up


NEWER = """\
set -e
rm -rf /srv/newer && dpkg-deb -R /srv/maestro-endpoint.deb /srv/newer
sed -i 's/^Version: .*/&+test/' /srv/newer/DEBIAN/control && dpkg-deb -b /srv/newer /srv/newer.deb
apt-get -q -y install /srv/newer.deb
"""


def main_pid(host: Booted) -> int:
    """Return the process of the service; 0 while it is stopped."""
    return int(host.check(f"systemctl show -p MainPID --value {UNIT}"))


def after_an_upgrade_and_a_reinstallation(host: Booted) -> list[int]:
    """Upgrade the package of the running service, reinstall that of the stopped one, start it; return each process."""
    host.write("/srv/upgrade", NEWER)
    host.check("sh /srv/upgrade", timeout=300)
    upgraded = main_pid(host)
    host.check(f"systemctl stop {UNIT}")
    host.check("apt-get -q -y install --reinstall /srv/newer.deb", timeout=300)
    reinstalled = main_pid(host)
    host.check(f"systemctl start {UNIT}")
    return [upgraded, reinstalled, main_pid(host)]


def test_the_service_starts_once_it_is_configured(host: Booted) -> None:
    box = Outbox()
    before = host.run(f"systemctl start {UNIT}; systemctl is-active {UNIT}").stdout.strip()
    host.write("/etc/maestro-endpoint/config.toml", CONFIG)
    token = host.check("maestro-endpoint token add --name first").strip()

    host.check(f"systemctl enable --now {UNIT}")
    host.write("/srv/batch.json", json.dumps(box.batch(box.state(), box.event())))
    posted = host.check(
        f"curl -sS -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' "
        "--data-binary @/srv/batch.json http://127.0.0.1:8443/v1/messages"
    )
    owner = host.check("stat -c %U /var/lib/maestro-endpoint/endpoint.db").strip()
    user = host.check(f"ps -o user:20= -p $(systemctl show -p MainPID --value {UNIT})").strip()
    host.check(f"systemctl kill -s KILL {UNIT}; timeout 30 sh -c 'until systemctl is-active {UNIT}; do sleep 1; done'")
    fleet = host.check("maestro-endpoint fleet")
    exposure = host.run(f"systemd-analyze security --no-pager {UNIT}").stdout.splitlines()[-1]
    first = main_pid(host)
    upgraded, reinstalled, last = after_an_upgrade_and_a_reinstallation(host)
    host.check("apt-get -q -y purge maestro-endpoint")
    survives = host.run(f"test -e /proc/{last}").returncode == 0

    assert before == "inactive"
    assert [result["status"] for result in json.loads(posted)["results"]] == ["accepted", "accepted"]
    assert owner == user == "maestro-endpoint"
    assert "web1" in fleet
    assert float(exposure.rpartition(": ")[2].split()[0]) <= 2.0, exposure
    assert (upgraded not in {0, first}, reinstalled, last > 0, survives) == (True, 0, True, False)
    assert (
        host.run("find / -xdev -path '*maestro-endpoint*' -not -path '/srv/*' -not -path '*/systemd-private-*'").stdout
        == ""
    )


def test_the_service_listens_on_a_unix_socket_that_only_its_group_reaches_and_root_backs_it_up(host: Booted) -> None:
    host.write("/etc/maestro-endpoint/config.toml", CONFIG.replace("127.0.0.1:8443", "unix:/run/maestro-endpoint/sock"))
    health = "curl -sS --unix-socket /run/maestro-endpoint/sock http://localhost/v1/health"

    host.check(f"systemctl start {UNIT}")
    proxy = host.check(f"setpriv --reuid nobody --regid nogroup --groups maestro-endpoint {health}")
    other = host.run(f"setpriv --reuid nobody --regid nogroup --clear-groups {health}")
    running = host.run("maestro-endpoint backup /root/running")
    host.check(f"systemctl stop {UNIT}")
    stopped = host.run("maestro-endpoint backup /root/stopped")
    names = host.check("stat -c '%U %a' /var/lib/maestro-endpoint/* | sort -u").splitlines()

    assert json.loads(proxy) == {"status": "ok"}
    assert other.returncode != 0
    assert (running.returncode, stopped.returncode) == (0, 0), (running.stderr, stopped.stderr)
    assert names == ["maestro-endpoint 600"]


RECEIVER = """\
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        open("/srv/got", "wb").write(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", 8099), Handler).serve_forever()
"""
STOPPED = """\
import sys, time
sys.path.insert(0, "/usr/share/maestro-endpoint")
from endpoint.store.database import Database
from endpoint.store.notify_events import note_stop
now = time.time()
values = ("3f0b6c1e-0000-4000-8000-000000000000", "check", "{}", "", "alice", now, now + 86400, 1, 1, "stopped", 0, 1)
names = "id,verb,arguments,comment,requested_by,created_at,expires_at,at_once,stop_after,status,in_flight,failures"
with Database("sqlite:////var/lib/maestro-endpoint/endpoint.db").writing() as connection:
    connection.exec_driver_sql(f"INSERT INTO deployments ({names}) VALUES ({','.join('?' * 12)})", values)
    note_stop(connection, values[0], 1, now)
"""


def test_the_service_sends_notifications_from_its_sandbox(host: Booted) -> None:
    notify = '[notify]\nwebhook_url = "http://127.0.0.1:8099/"\nmail_to = ["root"]\nsendmail = "/srv/relay"\n'
    host.write("/etc/maestro-endpoint/config.toml", f"{CONFIG}{notify}")
    host.write("/srv/relay", "#!/bin/sh\ncat >/var/lib/maestro-endpoint/mail\n", 0o755)
    host.write("/srv/receiver.py", RECEIVER)
    host.write("/srv/stopped.py", STOPPED)
    host.check("(python3 /srv/receiver.py >/srv/out 2>&1 & echo $! >/srv/pid)")

    host.check(f"systemctl start {UNIT}")
    host.check("setpriv --reuid maestro-endpoint --regid maestro-endpoint --clear-groups python3 /srv/stopped.py")
    waited = host.run(
        'timeout 150 sh -c \'until [ "$(maestro-endpoint notify list | grep -c " sent ")" = 2 ]; do sleep 1; done\'',
        timeout=180,
    )
    listed = host.check("maestro-endpoint notify list")
    host.check("kill $(cat /srv/pid)")

    assert waited.returncode == 0, host.run(f"journalctl -u {UNIT} | tail -n 30").stdout
    assert json.loads(host.check("cat /srv/got"))["kind"] == "deployment-stopped"
    assert "Subject: [maestro] deployment stopped: check 3f0b6c1e" in host.check("cat /var/lib/maestro-endpoint/mail")
    assert listed.count(" sent ") == 2


LOG_IN = """\
set -eu
link=$(grep -o 'http://[^ ]*/login/.*' /srv/demo)
token=$(curl -sS -c /srv/jar "$link" | sed -n 's/.*name="form_token" value="\\([^"]*\\)".*/\\1/p')
curl -sS -b /srv/jar -c /srv/jar --data-urlencode "form_token=$token" "$link"
"""


def test_a_newcomer_sees_the_demo_with_nothing_configured(host: Booted) -> None:
    host.check("(maestro-endpoint demo >/srv/demo 2>&1 & echo $! >/srv/pid)")
    waited = host.run("timeout 60 sh -c 'until curl -sS -o /srv/page http://127.0.0.1:8080/login; do sleep 0.2; done'")
    host.write("/srv/log_in", LOG_IN)
    host.check("sh /srv/log_in")
    overview = host.check("curl -sS -b /srv/jar http://127.0.0.1:8080/")
    table = host.check("curl -sS -b /srv/jar http://127.0.0.1:8080/hosts.csv")
    style = host.check("curl -sS -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/static/style.css")
    host.check("kill -INT $(cat /srv/pid); timeout 30 sh -c 'while kill -0 $(cat /srv/pid); do sleep 0.2; done'")

    assert waited.returncode == 0, host.check("cat /srv/demo")
    assert overview.count('<a class="card') >= 10
    assert len(table.splitlines()) == 201
    assert style == "200"
    assert host.run("ls -d /tmp/maestro-demo-*").stdout == ""


def test_try_serves_over_tls(host: Booted) -> None:
    box, other = Outbox(), Outbox()
    host.write("/srv/batch.json", json.dumps(box.batch(box.state(), box.event())))
    host.write("/srv/other.json", json.dumps(other.batch(other.state(), other.event())))

    host.check("(maestro-endpoint try --port 8444 >/srv/out 2>&1 & echo $! >/srv/pid)")
    host.check("timeout 30 sh -c 'until grep -q Ctrl-C /srv/out; do sleep 0.2; done'")
    place = "/var/lib/maestro-endpoint-try"
    posted = host.check(
        f"curl -sS --retry 20 --retry-connrefused --retry-delay 1 --cacert {place}/ca.pem "
        f"-H \"Authorization: Bearer $(cat {place}/token)\" -H 'Content-Type: application/json' "
        "--data-binary @/srv/batch.json https://127.0.0.1:8444/v1/messages "
        "--next -sS --cacert /var/lib/maestro-endpoint-try/ca.pem -H 'Content-Type: application/json' "
        "--data-binary @/srv/other.json https://127.0.0.1:8444/v1/messages"
    )
    fleet = host.check(f"maestro-endpoint fleet --config {place}/endpoint.toml")
    host.check("kill $(cat /srv/pid)")

    assert posted.count('"accepted"') == 2
    assert posted.count('"status":401') == 1
    assert "web1" in fleet
    assert "1 host:" in fleet
    assert "Traceback" not in host.check("cat /srv/out")


def test_the_local_agent_reports_after_pasting_the_commands(host: Booted) -> None:
    place = "/var/lib/maestro-endpoint-try"
    host.check("(maestro-endpoint try >/srv/out 2>&1 & echo $! >/srv/pid)")
    host.check("timeout 30 sh -c 'until grep -q Ctrl-C /srv/out; do sleep 0.2; done'")
    *settings, by_hand = host.check("cat /srv/out").split("\n\n")[1].splitlines()

    sooner = "\n".join(settings).replace("[endpoint]", '[endpoint]\ninterval = "1m"')
    host.write("/srv/pasted", f"{sooner}\n")
    host.check("sh -eu /srv/pasted")
    fleet = f"maestro-endpoint fleet --config {place}/endpoint.toml"
    waited = host.run(f"timeout 120 sh -c 'until {fleet} | grep -q \"1 host:\"; do sleep 1; done'", timeout=150)
    assert waited.returncode == 0, host.run(
        "journalctl -u maestro-agent | tail -n 30; cat /srv/out; maestro-agent status"
    ).stdout
    user = host.check("ps -o user:20= -p $(systemctl show -p MainPID --value maestro-agent)").strip()
    rights = host.check(f"stat -c '%U %G %a' {place}/token").split()
    sent = host.run(SEND.replace("maestro-agent report --send", by_hand))
    requested = request_of_the_agent(host, f"--config {place}/endpoint.toml")
    host.check("kill $(cat /srv/pid)")

    assert by_hand == "maestro-agent report --send"
    assert sent.returncode == 0, sent.stderr
    assert (requested["status"], requested["counts"]["done"]) == ("ended", 1), requested
    assert user == "maestro-agent"
    assert rights == ["root", "maestro-agent", "640"]


SEND = "timeout 60 sh -c 'until maestro-agent report --send; do sleep 1; done'"
"""The daemon's exporter may be at work: then it exits with 5."""


def request_of_the_agent(host: Booted, config: str) -> dict[str, Any]:
    """Have the machine's agent carry out a request of the endpoint; return how it ended, as maestro.deployment/1."""
    host.write("/etc/maestro-agent/config.d/requests.toml", '[requests]\nallow = ["send-report"]\n')
    host.check("systemctl reload maestro-agent")
    host.check(SEND)  # only from now on it takes requests
    made = json.loads(host.check(f"maestro-endpoint request send-report --all --json {config}"))
    host.check(SEND)
    shown = f"maestro-endpoint requests show {made['id']} --json {config}"
    # Without the loop, the event that it is done waits for the daemon's next report.
    host.write("/srv/wait", f"until {shown} | grep -q '\"ended\"'; do maestro-agent report --send; sleep 3; done\n")
    host.run("timeout 150 sh /srv/wait", timeout=180)
    found: dict[str, Any] = json.loads(host.check(shown))
    return found
