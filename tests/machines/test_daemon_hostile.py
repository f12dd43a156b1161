"""A hostile local user and a compromised daemon user against the socket of the worker and the files of the agent."""

import json
from collections.abc import Iterator

import pytest

from tests.support.forgeries import CONNECT, FLOOD, FORGE, FORGERIES, HOLD, LOCK_ALL, SLOW, SUDDEN_FLOOD, request
from tests.support.recorded import RECORD, SOCKET, UNIT, WORKER_SOCKET, Kept
from tests.support.repository import package

pytestmark = pytest.mark.xdist_group("booted-2")
UNPRIVILEGED = ("65534", "mallory")
PUBLIC = {
    *("state.json", "refresh.json", "jobs.json", "cves.json", "exposure.json", "first-seen.json", "plans.json"),
    *("packages.json", "unattended-upgrades.json", "running", "progress"),
}
"""What of the record everybody may read: `status` and `history` show all of it."""


@pytest.fixture(scope="module")
def attacked(shared: Kept) -> Kept:
    """Return the machine with a second ordinary user, who has a login, and something on record."""
    shared.machine.check("useradd --create-home --shell /bin/bash mallory")
    shared.have(package("recorded", "2"))
    shared.upgrade("--wait")
    shared.wait_for_daemon()
    return shared


@pytest.fixture(autouse=True)
def unharmed(attacked: Kept) -> Iterator[None]:
    """Check that daemon, socket and record are unchanged, and that the next job works."""
    before = attacked.daemon_pid()
    yield
    assert attacked.daemon_pid() == before > 0
    assert attacked.machine.check(f"systemctl is-active {UNIT} {WORKER_SOCKET}").split() == ["active", "active"]
    assert attacked.status(user="65534")["daemon"]["alive"] is True
    attacked.wait_for_idle()
    assert attacked.agent("check --wait --json").code in {0, 10}


@pytest.mark.parametrize("user", UNPRIVILEGED)
def test_an_unprivileged_user_cannot_connect_and_starts_no_process(attacked: Kept, user: str) -> None:
    before = attacked.accepted()

    done = attacked.python(
        CONNECT
        + """
refused = 0
for number in range(200):
    try:
        connect()
    except PermissionError:
        refused += 1
print(refused)
""",
        user=user,
    )

    assert done.stdout.split() == ["200"], done.stderr
    assert attacked.accepted() == before


@pytest.mark.parametrize("user", UNPRIVILEGED)
def test_an_unprivileged_user_gets_no_reply_from_a_socket_open_to_all(attacked: Kept, user: str) -> None:
    attacked.machine.check(f"chmod 666 {SOCKET}")

    done = attacked.python(f"{CONNECT}s = connect()\ns.sendall({request()!r})\nprint([answer(s)])", user=user)
    attacked.machine.check(f"chmod 600 {SOCKET}")

    assert done.stdout.strip() == "['']", done
    rejected = attacked.machine.log_entries("MAESTRO_EVENT=request.rejected")
    assert "neither root nor the daemon" in rejected[-1]["MESSAGE"]


@pytest.mark.parametrize("user", UNPRIVILEGED)
def test_an_unprivileged_user_can_read_what_status_shows_and_write_nothing(attacked: Kept, user: str) -> None:
    places = (
        f"{RECORD} /run/maestro-agent {SOCKET} /etc/maestro-agent /usr/share/maestro-agent /usr/libexec/maestro-agent"
    )

    readable = attacked.machine.run(f"find {RECORD} -type f -readable -printf '%P\\n'", user=user).stdout.split()
    writable = attacked.machine.run(f"find {places} -not -type l -writable", user=user).stdout

    assert writable == ""
    assert {name for name in readable if not name.startswith("history/")} - PUBLIC == set()
    assert all(name.endswith(".json") for name in readable if name.startswith("history/"))
    assert "state.json" in readable


@pytest.mark.parametrize("user", UNPRIVILEGED)
def test_an_unprivileged_user_cannot_change_remove_or_replace_the_record(attacked: Kept, user: str) -> None:
    sums = f"cd {RECORD} && find . -type f -exec md5sum '{{}}' + | sort"
    before = attacked.machine.check(sums)
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
        f"systemctl --no-ask-password restart {WORKER_SOCKET}",
    )

    succeeded = [attempt for attempt in attempts if attacked.machine.run(attempt, user=user).returncode == 0]

    assert succeeded == []
    assert attacked.machine.check(sums) == before


@pytest.mark.parametrize("user", UNPRIVILEGED)
def test_an_unprivileged_user_who_locks_every_readable_file_stops_nothing(attacked: Kept, user: str) -> None:
    attacked.machine.write("/srv/lock.py", LOCK_ALL)
    name = f"locked-{user}"
    attacked.have(package(name, "2"))
    with attacked.machine.start("exec python3 /srv/lock.py", user=user) as stranger:
        assert stranger.stdout is not None
        held = int(stranger.stdout.readline())

        done = attacked.upgrade("--wait")
        running = attacked.status()["running"]
        stranger.kill()

    assert held > 3
    assert (done.code, done.json["result"]) == (0, "updated")
    assert running is None
    assert attacked.versions(name) == {name: "2"}


@pytest.mark.parametrize("user", [None, UNIT])
def test_the_worker_accepts_the_closed_list_of_requests_only(attacked: Kept, user: str | None) -> None:
    before = attacked.runs()
    forgeries = {name: parts for name, (parts, _) in FORGERIES.items()}

    done = attacked.python(f"{CONNECT}forgeries = {forgeries!r}\nSLOW = {SLOW!r}\n{FORGE}", user=user)
    answers = json.loads(done.stdout)

    wrong = {name: answers[name] for name, (_, said) in FORGERIES.items() if said not in answers[name]}
    assert wrong == {}
    assert {json.loads(one)["exit_code"] for one in answers.values()} == {2}
    assert attacked.machine.log_entries("MAESTRO_EVENT=request.bug") == []
    assert attacked.runs() == before


def test_two_requests_over_one_connection_are_one_job(attacked: Kept) -> None:
    done = attacked.python(f"{CONNECT}s = connect()\ns.sendall({request()!r} * 3)\nprint(answer(s))")

    assert done.stdout.count('"exit_code"') == 1, done


def test_the_requester_is_recorded_from_the_peer_credentials(attacked: Kept) -> None:
    forged = request(wait=False, requested_by="\x1b[2J\nroot")
    attacked.wait_for_idle()

    attacked.python(f"{CONNECT}s = connect()\ns.sendall({forged!r})\nanswer(s)", user=UNIT)

    uid = attacked.machine.check(f"id -u {UNIT}").strip()
    entry = attacked.machine.log_entries("MAESTRO_EVENT=request.accepted")[-1]
    accepted = json.loads(entry["MAESTRO_DATA"])
    assert (accepted["uid"], accepted["job"], accepted["requested_by"]) == (int(uid), "check", "schedule")
    assert entry["MESSAGE"].isprintable()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"wait": True}, "only root may choose"),
        ({"scope": "all"}, "only root may choose"),
        ({"plan_id": "0123456789ab"}, "only root may choose"),
        ({"job": "upgrade"}, "upgrade is not scheduled"),
        ({"job": "reboot"}, "asks for reboot now"),
        ({"job": "reboot", "options": ["despite-lock"]}, "only root may choose"),
        ({"job": "reboot", "session": "3"}, "only root may choose"),
        ({"job": "verify-reboot"}, "asks for verify-reboot now"),
        ({"job": "restart-services"}, "restart-services is not scheduled"),
        ({"job": "lock-release"}, "lock-release is not scheduled"),
    ],
)
def test_the_daemon_may_request_scheduled_jobs_only(attacked: Kept, changes: dict[str, object], said: str) -> None:
    forged = request(**{"wait": False, **changes})
    attacked.configuration("[agent]\nupgrade = false\n")
    attacked.machine.check(f"systemctl reload {UNIT}")
    before = attacked.runs()

    done = attacked.python(f"{CONNECT}s = connect()\ns.sendall({forged!r})\nprint(answer(s))", user=UNIT)
    attacked.machine.check(f"rm /etc/maestro-agent/config.toml && systemctl reload {UNIT}")

    assert said in done.stdout
    assert attacked.runs() == before


@pytest.mark.parametrize("user", [None, UNIT])
def test_held_connections_delay_a_job_by_seconds_only(attacked: Kept, user: str | None) -> None:
    attacked.machine.write("/srv/hold.py", HOLD)
    with attacked.machine.start("exec python3 /srv/hold.py", user=user) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()

        at_once = attacked.agent("check")
        attacked.wait_for_idle(20)
        later = attacked.agent("check")
        holder.kill()

    assert at_once.code in {0, 10} or (at_once.code == 5 and "connection closed without a reply" in at_once.err), (
        at_once
    )
    assert later.code in {0, 10}, later


def test_a_flood_by_the_daemons_user_is_bounded_and_passes(attacked: Kept) -> None:
    done = attacked.python(FLOOD, user=UNIT)

    assert done.returncode == 0, done
    assert attacked.machine.check(f"systemctl show -P Result {WORKER_SOCKET}").strip() == "success"


def test_a_sudden_flood_by_the_daemons_user_does_not_close_the_socket(attacked: Kept) -> None:
    attacked.python(SUDDEN_FLOOD, user=UNIT)

    assert attacked.machine.check(f"systemctl show -P Result {WORKER_SOCKET}").strip() == "success"
