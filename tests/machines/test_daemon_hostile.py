"""A hostile local user, and the daemon's own user gone bad, before the door of the root half and the agent's files."""

import json
from collections.abc import Iterator

import pytest

from tests.support.kept import DOOR, RECORD, SOCKET, UNIT, Kept
from tests.support.repository import package

pytestmark = pytest.mark.xdist_group("booted")
STRANGERS = ("65534", "mallory")
PUBLIC = {"state.json", "refresh.json", "jobs.json", "cves.json", "running"}
"""What of the record everybody may read: `status` and `history` show all of it."""

KNOCK = f"""
import socket, sys, time
def knock():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect("{SOCKET}")
    return s
def answer(s):
    data = b""
    try:
        while chunk := s.recv(65536):
            data += chunk
    except ConnectionResetError:
        pass  # it closed without having read all: unix(7) tells so in place of an end of file
    return data.decode()
"""
FIELDS = {
    "schema": "maestro.request/1",
    "verb": "check",
    "scope": "security",
    "refresh": False,
    "plan_id": None,
    "wait": True,
    "asked_by": "x",
}


def request(**changes: object) -> bytes:
    return f"{json.dumps({**FIELDS, **changes})}\n".encode()


@pytest.fixture(scope="module")
def besieged(shared: Kept) -> Kept:
    """Return the machine with a second ordinary user, who has a login, and something on record."""
    shared.machine.check("useradd --create-home --shell /bin/bash mallory")
    shared.have(package("recorded", "2"))
    shared.upgrade("--wait")
    shared.wait_for_daemon()
    return shared


@pytest.fixture(autouse=True)
def unharmed(besieged: Kept) -> Iterator[None]:
    """Hold that daemon, door and record are as they were, and that the next job works."""
    before = besieged.daemon_pid()
    yield
    assert besieged.daemon_pid() == before > 0
    assert besieged.machine.check(f"systemctl is-active {UNIT} {DOOR}").split() == ["active", "active"]
    assert besieged.status(user="65534")["daemon"]["alive"] is True
    besieged.wait_for_idle()
    assert besieged.agent("check --json").code in {0, 10}


@pytest.mark.parametrize("user", STRANGERS)
def test_a_stranger_cannot_knock_and_no_process_begins_for_one(besieged: Kept, user: str) -> None:
    before = besieged.accepted()

    done = besieged.python(
        KNOCK
        + """
refused = 0
for number in range(200):
    try:
        knock()
    except PermissionError:
        refused += 1
print(refused)
""",
        user=user,
    )

    assert done.stdout.split() == ["200"], done.stderr
    assert besieged.accepted() == before


@pytest.mark.parametrize("user", STRANGERS)
def test_a_stranger_is_told_nothing_even_where_the_door_stands_open(besieged: Kept, user: str) -> None:
    besieged.machine.check(f"chmod 666 {SOCKET}")

    done = besieged.python(f"{KNOCK}s = knock()\ns.sendall({request()!r})\nprint([answer(s)])", user=user)
    besieged.machine.check(f"chmod 600 {SOCKET}")

    assert done.stdout.strip() == "['']", done
    assert "neither root nor the daemon" in besieged.machine.journal("maestro-agent-worker@*")


@pytest.mark.parametrize("user", STRANGERS)
def test_a_stranger_may_read_what_status_shows_and_write_nothing(besieged: Kept, user: str) -> None:
    places = (
        f"{RECORD} /run/maestro-agent {SOCKET} /etc/maestro-agent /usr/share/maestro-agent /usr/libexec/maestro-agent"
    )

    readable = besieged.machine.run(f"find {RECORD} -type f -readable -printf '%P\\n'", user=user).stdout.split()
    writable = besieged.machine.run(f"find {places} -not -type l -writable", user=user).stdout

    assert writable == ""
    assert {name for name in readable if not name.startswith("history/")} <= PUBLIC
    assert all(name.endswith(".json") for name in readable if name.startswith("history/"))
    assert "state.json" in readable


@pytest.mark.parametrize("user", STRANGERS)
def test_a_stranger_cannot_change_remove_or_replace_the_record(besieged: Kept, user: str) -> None:
    sums = f"cd {RECORD} && find . -type f -exec md5sum '{{}}' + | sort"
    before = besieged.machine.check(sums)
    attempts = (
        f"rm -f {RECORD}/state.json",
        f": > {RECORD}/state.json",
        f"mv {RECORD}/history /tmp/history-{user}",
        f"ln -sf /etc/passwd {RECORD}/jobs.json",
        f"touch {RECORD}/new",
        f"mkdir {RECORD}/history/20990101T000000Z.json",
        "touch /run/maestro-agent/daemon.json",
        f"rm -f {SOCKET}",
        f"kill -9 $(systemctl show -P MainPID {UNIT})",
        f"systemctl --no-ask-password stop {UNIT}",
        f"systemctl --no-ask-password restart {DOOR}",
    )

    succeeded = [attempt for attempt in attempts if besieged.machine.run(attempt, user=user).returncode == 0]

    assert succeeded == []
    assert besieged.machine.check(sums) == before


LOCK_ALL = """
import contextlib, fcntl, os, time
held = []
for place in ("/var/lib/maestro-agent", "/run/maestro-agent"):
    for directory, _, names in os.walk(place):
        for name in names:
            with contextlib.suppress(OSError):
                file = open(os.path.join(directory, name))
                held.append(file)
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
print(len(held), flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("user", STRANGERS)
def test_a_stranger_who_locks_all_that_can_be_read_stops_nothing(besieged: Kept, user: str) -> None:
    besieged.machine.write("/srv/lock.py", LOCK_ALL)
    name = f"locked-{user}"
    besieged.have(package(name, "2"))
    with besieged.machine.start("exec python3 /srv/lock.py", user=user) as stranger:
        assert stranger.stdout is not None
        held = int(stranger.stdout.readline())

        done = besieged.upgrade("--wait")
        running = besieged.status()["running"]
        stranger.kill()

    assert held > 3
    assert (done.code, done.json["result"]) == (0, "updated")
    assert running is None
    assert besieged.versions(name) == {name: "2"}


FORGERIES = {
    "too long": ([b"x" * 100000 + b"\n"], "longer than 4096 bytes"),
    "unfinished": ([b"{}"], "not complete after 5 s"),
    "one byte a second": ([bytes([byte]) for byte in request()], "not complete after 5 s"),
    "silent": ([], "not complete after 5 s"),
    "half closed": ([b"{}", None], "ended without a newline"),
    "rubbish": ([b"rubbish\n"], "request: Expecting value"),
    "no text": ([b"\xff\xfe\x00\n"], "request: "),
    "nothing but NUL": ([b"\0" * 100 + b"\n"], "request: "),
    "a list": ([b"[]\n"], "request"),
    "deep": ([b"[" * 4000 + b"\n"], "request: "),
    "another version": ([b'{"schema": "maestro.request/2"}\n'], "is not known here"),
    "another verb": ([request(verb="reboot")], "'reboot' is not a valid"),
    "a verb that is not for the door": ([request(verb="explain")], "done in place"),
    "another scope": ([request(scope="kernel")], "'kernel' is not a valid"),
    "a directory of its own": ([request(state_dir="/srv")], "unknown field 'state_dir'"),
    "a configuration of its own": ([request(config="/srv/config.toml")], "unknown field 'config'"),
    "a wrong type": ([request(refresh="no")], "refresh"),
    "a missing field": ([b'{"schema": "maestro.request/1", "verb": "check"}\n'], "scope"),
}
"""What is sent, a second apart, None being the end of it; and a part of what is answered."""
FORGE = """
import json, threading
def forge(name, parts):
    s = knock()
    try:
        for number, part in enumerate(parts):
            time.sleep(number > 0)
            s.sendall(part) if part is not None else s.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the other side has had enough
    answers[name] = answer(s)
answers = {}
slow = [threading.Thread(target=forge, args=one) for one in forgeries.items() if one[0] in SLOW]
for thread in slow:
    thread.start()
for name, parts in forgeries.items():
    if name not in SLOW:
        forge(name, parts)
for thread in slow:
    thread.join()
print(json.dumps(answers))
"""
SLOW = {"unfinished", "one byte a second", "silent", "half closed"}


@pytest.mark.parametrize("user", [None, UNIT])
def test_nobody_gets_anything_out_of_the_door_but_the_closed_list(besieged: Kept, user: str | None) -> None:
    before = besieged.runs()
    forgeries = {name: parts for name, (parts, _) in FORGERIES.items()}

    done = besieged.python(f"{KNOCK}forgeries = {forgeries!r}\nSLOW = {SLOW!r}\n{FORGE}", user=user)
    answers = json.loads(done.stdout)

    wrong = {name: answers[name] for name, (_, said) in FORGERIES.items() if said not in answers[name]}
    assert wrong == {}
    assert {json.loads(one)["exit_code"] for one in answers.values()} == {2}
    assert "Traceback" not in besieged.machine.journal("maestro-agent-worker@*")
    assert besieged.runs() == before


def test_two_requests_over_one_connection_are_one_job(besieged: Kept) -> None:
    done = besieged.python(f"{KNOCK}s = knock()\ns.sendall({request()!r} * 3)\nprint(answer(s))")

    assert done.stdout.count('"exit_code"') == 1, done


def test_who_asked_is_on_record_as_the_kernel_knows_it_and_not_as_the_request_says(besieged: Kept) -> None:
    forged = request(asked_by="\x1b[2J\nroot")

    besieged.python(f"{KNOCK}s = knock()\ns.sendall({forged!r})\nanswer(s)", user=UNIT)

    uid = besieged.machine.check(f"id -u {UNIT}").strip()
    journal = besieged.machine.journal("maestro-agent-worker@*")
    assert f'"uid": {uid}, "verb": "check"' in journal
    assert "\x1b" not in journal


HOLD = (
    KNOCK
    + """
held = []
for number in range(16):
    try:
        held.append(knock())
    except OSError:
        break
print(len(held), flush=True)
time.sleep(60)
"""
)


@pytest.mark.parametrize("user", [None, UNIT])
def test_held_connections_delay_a_job_by_seconds_or_say_so_and_no_longer(besieged: Kept, user: str | None) -> None:
    besieged.machine.write("/srv/hold.py", HOLD)
    with besieged.machine.start("exec python3 /srv/hold.py", user=user) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()

        at_once = besieged.agent("check")
        besieged.wait_for_idle(20)
        later = besieged.agent("check")
        holder.kill()

    assert at_once.code in {0, 10} or at_once.err.strip(), at_once
    assert later.code in {0, 10}, later


def test_a_flood_by_the_daemons_own_user_is_bounded_and_passes(besieged: Kept) -> None:
    done = besieged.python(
        KNOCK
        + """
begun = time.monotonic()
answered = 0
for number in range(200):
    try:
        s = knock()
        s.sendall(b"rubbish\\n")
        answered += 1
    except OSError:
        pass
    time.sleep(max(0, begun + number / 20 - time.monotonic()))
print(answered)
""",
        user=UNIT,
    )

    assert done.returncode == 0, done
    assert besieged.machine.check(f"systemctl show -P Result {DOOR}").strip() == "success"


def test_a_sudden_flood_by_the_daemons_own_user_does_not_shut_the_door(besieged: Kept) -> None:
    besieged.python(
        f"{KNOCK}for number in range(1000):\n    try:\n        knock().close()\n    except OSError:\n        pass",
        user=UNIT,
    )

    assert besieged.machine.check(f"systemctl show -P Result {DOOR}").strip() == "success"
