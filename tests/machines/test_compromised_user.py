"""Somebody has the rights of maestro-agent on a server: every verb is asked for, every writable file is poisoned.

In the thorough run: nothing of it happens, root's commands go on, and no file of root's changes.
"""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agent.core.requests.model import Verb
from agent.state.timestamps import format_utc, utc_now
from tests.core.requests.given_request import DAY, document, request_id
from tests.machines.test_requests import Person, host
from tests.support import bases
from tests.support.recorded import RECORD, UNIT, Kept
from tests.support.repository import package

__all__ = ["host"]
pytestmark = [
    pytest.mark.xdist_group("booted-reboots"),
    pytest.mark.skipif(not bases.thorough(), reason="a minute on a booted machine; the worker's own test has the rest"),
]
USER = "maestro-agent"
ALLOWED = """
[requests]
allow = ["check", "send-report", "upgrade-security", "upgrade-fixes", "reboot-if-required",
    "apply-docker", "apply-weave"]
signers = "/etc/maestro-agent/signers"
[endpoint]
url = "https://127.0.0.1:9"
[otlp]
url = "http://127.0.0.1:9"
"""
JOBS = ("run-request", "reboot", "verify-reboot", "provision", "docker-upgrade", "weave-upgrade")
"""Without check and upgrade, which the configuration schedules: the daemon may ask for them at any time."""
ARGUMENTS: dict[Verb, dict[str, Any]] = {Verb.UPGRADE_FIXES: {"fixes": ["a"]}}
WRITABLE = (
    "find / -xdev \\( -path /proc -o -path /sys -o -path /tmp -o -path /var/tmp -o -path /run/lock \\) -prune"
    " -o \\( -type f -o -type d \\) -writable -print 2>/dev/null; find /run -xdev -path /run/lock -prune -o"
    " \\( -type f -o -type d -o -type s \\) -writable -print 2>/dev/null"
)
OPEN_TO_ALL = ("/run/systemd/", "/run/dbus/", "/run/user/", "/run/ssh-unix-local/")
"""Sockets that systemd, dbus and sshd offer to every user; they check who is calling."""
VICTIM = "/etc/victim"
POISON = r"""
import os, sys
for top in ("/run/maestro-agent", "/var/lib/maestro-agent/outbox"):
    found = [os.path.join(at, name) for at, _, names in os.walk(top) for name in names]
    names = {"lock", "outbox.sqlite", "outbox.sqlite-wal", "instance", "instance.new", "daemon.json", "otlp/lock"}
    for path in {*found, *(os.path.join(top, name) for name in names)}:
        try:
            os.path.lexists(path) and os.remove(path)
            {"link": lambda: os.symlink("/etc/victim", path), "new": lambda: os.symlink("/etc/made", path),
             "pipe": lambda: os.mkfifo(path), "directory": lambda: os.mkdir(path),
             "deep": lambda: open(path, "w").write("[" * 200000)}[sys.argv[1]]()
        except OSError as error:
            print(path, error)
"""
ROOTS = (
    *("status", "status --json", "report --show", "report --send", "history", "explain a", "requests", "snooze --list"),
    *("unattended-upgrades", "check", "lock", "config check"),
)
CALLS = (
    "systemctl start maestro-agent-worker@1.service",
    "systemctl reboot",
    "systemctl stop apt-daily-upgrade.timer",
    "systemctl set-environment LD_PRELOAD=/tmp/x.so",
    "maestro-agent upgrade --wait",
    "maestro-agent reboot --yes",
    "maestro-agent provision",
    "maestro-agent snooze a --until 2027-01-01 --comment x",
    "maestro-agent unattended-upgrades disable",
    "maestro-agent config accept",
)


def by_daemon(host: Kept, command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command with the daemon's user and group."""
    return host.machine.run(f"setpriv --reuid={USER} --regid={USER} --clear-groups sh -c {shlex.quote(command)}")


def state(host: Kept) -> tuple[Any, ...]:
    """Return what no request of this user may change."""
    ran = [run["id"] for run in host.runs()]
    files = "/etc/maestro-agent /etc/apt /etc/victim /etc/made /usr/share/maestro-agent"
    sums = host.machine.run(f"find {files} -type f -not -name '*.pyc' -exec md5sum {{}} + 2>/dev/null | sort").stdout
    modes = host.machine.run(f"stat -c '%n %U %a' {VICTIM} {RECORD} {RECORD}/*.json /run").stdout
    return host.machine.leader, host.versions("a", "b"), ran, sums, modes


def forged(ann: Person, mallory: Person, number: int, verb: Verb) -> dict[str, Any]:
    """Return a request for one verb in every way that is not to reach it, each with an id of its own."""
    other = Verb.CHECK if verb is not Verb.CHECK else Verb.UPGRADE_SECURITY
    fields: dict[str, Any] = {"verb": verb.value, "arguments": ARGUMENTS.get(verb, {})}
    signed = [ann.request(number + more, **fields) for more in range(7)]
    now, this = utc_now().replace(microsecond=0), signed[0]["host_id"]
    return {
        "unsigned": {**signed[0], "signature": None},
        "another-expiry": {**signed[1], "expires_at": format_utc(now + 5 * DAY)},
        "another-verb": {**signed[2], "verb": other.value, "arguments": {}},
        "another-id": {**signed[3], "id": request_id(900 + number)},
        "another-person": mallory.request(number + 4, **fields),
        "another-host": ann.sign(document(number + 5, created_at=now, **fields)),
        "expired": ann.sign(document(number + 6, created_at=now - 2 * DAY, host_id=this, **fields)),
    }


def test_no_verb_is_reached_without_a_signature_for_this_host_that_is_not_over(host: Kept, tmp_path: Path) -> None:
    host.wait_for_daemon()
    host.have(package("a", "2"), package("b", "2"))
    (tmp_path / "mallory").mkdir()
    mallory, ann = Person(host, tmp_path / "mallory"), Person(host, tmp_path)
    host.machine.write("/etc/maestro-agent/config.d/60-requests.toml", ALLOWED)
    host.machine.check(f"systemctl reload {UNIT}; touch /run/reboot-required; maestro-agent check --wait || true")
    host.wait_for_idle()
    before, tried = state(host), {}

    for place, verb in enumerate(Verb):
        for way, made in forged(ann, mallory, 10 * place, verb).items():
            ann.send(request=made)
            tried[f"{verb.value} {way}"] = made["id"]
    direct = {job: ann.send(job=job)["exit_code"] for job in JOBS}
    host.tick()
    host.wait_for_idle()
    book = json.loads(host.machine.path(f"{RECORD}/requests.json").read_text())["requests"]
    last = {one["id"]: one["steps"][-1] for one in book}

    print(json.dumps({name: last[made].get("why") for name, made in tried.items() if made in last}), direct)
    assert {name for name, made in tried.items() if last.get(made, {}).get("state") != "refused"} == set()
    assert set(direct.values()) == {2}
    assert state(host)[:4] == before[:4]


def test_what_that_user_writes_and_calls_changes_nothing_of_roots(host: Kept, tmp_path: Path) -> None:
    host.wait_for_daemon()
    host.have(package("a", "2"), package("b", "2"))
    Person(host, tmp_path)
    host.machine.write("/etc/maestro-agent/config.d/60-requests.toml", ALLOWED)
    host.machine.write(VICTIM, '{"schema": "secret-of-root"}\n', 0o600)
    host.machine.check(f"systemctl reload {UNIT}; touch /run/reboot-required; maestro-agent check --wait || true")
    host.wait_for_idle()
    found = set(by_daemon(host, WRITABLE).stdout.splitlines())
    own = ("/run/maestro-agent-worker.sock", "/run/maestro-agent", f"{RECORD}/outbox")
    others = {path for path in found if not path.startswith((*own, *OPEN_TO_ALL))}
    before = state(host)

    called = {call: by_daemon(host, f"timeout 60 {call} </dev/null").returncode for call in CALLS}
    host.machine.write("/tmp/poison.py", POISON)  # noqa: S108 - of the machine
    shown = {}
    for way in ("link", "new", "pipe", "directory", "deep"):
        by_daemon(host, f"python3 /tmp/poison.py {way}")
        for words in ROOTS:
            done = host.machine.run(f"timeout -s KILL 60 maestro-agent {words} </dev/null 2>&1")
            wrong = done.returncode in {137, -9} or "Traceback" in done.stdout or "secret-of-root" in done.stdout
            if wrong:
                shown[f"{way}: {words}"] = done.stdout[-600:]
        host.machine.check(f"systemctl restart {UNIT}")
        host.wait_for_daemon()
        host.wait_for_idle()

    print(sorted(found), called)
    after = state(host)
    assert shown == {}
    assert others == set()
    assert 0 not in called.values()
    assert after[:2] == before[:2]
    assert after[3] == before[3]
    assert host.machine.check(f"stat -c '%U %a' {VICTIM}").split() == ["root", "600"]
    assert "Traceback" not in host.machine.journal(UNIT)
