"""The example hooks do what they say, against a real HAProxy and real addresses, run as the agent runs them."""

import re
import signal
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from agent.host.process.hooks import HookResult, run_hook
from tests.conftest import CHECKOUT

EXAMPLES = sorted((CHECKOUT / "docs/examples/hooks").iterdir())
PATIENCE_S = 60


def copy(name: str, directory: Path, **settings: str) -> Path:
    """Return a copy of an example with other values of its settings."""
    text = (CHECKOUT / "docs/examples/hooks" / name).read_text()
    for key, value in settings.items():
        text, count = re.subn(rf"^{key}=(?:\"[^\"]*\"|\S*)", f'{key}="{value}"', text, flags=re.MULTILINE)
        assert count == 1, key
    copied = directory / name
    copied.write_text(text)
    copied.chmod(0o755)
    return copied


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(example: Path) -> None:
    done = subprocess.run(["shellcheck", example], check=False)

    assert done.returncode == 0
    assert example.stat().st_mode & 0o111


class Session(socketserver.BaseRequestHandler):
    """A session that lasts until the client ends it."""

    def handle(self) -> None:
        while self.request.recv(1):
            pass


class Balancer:
    """HAProxy in front of two servers."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._servers = [socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) for _ in range(2)]
        for server in self._servers:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
        servers = [
            f"  server s{number} 127.0.0.1:{server.server_address[1]}" for number, server in enumerate(self._servers, 1)
        ]
        lines = [
            *("global", f"  stats socket {directory}/admin level admin"),
            *("defaults", "  mode tcp", "  timeout connect 10s", "  timeout client 1h", "  timeout server 1h"),
            *("frontend front", f"  bind unix@{directory}/front", "  default_backend web"),
            *("backend web", "  balance roundrobin", *servers, ""),
        ]
        (directory / "haproxy.cfg").write_text("\n".join(lines))
        self._process = subprocess.Popen(["haproxy", "-db", "-q", "-f", directory / "haproxy.cfg"])
        wait_until(self.runs)

    def ask(self, command: str) -> str:
        with closing(socket.socket(socket.AF_UNIX)) as admin:
            admin.settimeout(PATIENCE_S)
            admin.connect(f"{self.directory}/admin")
            admin.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: admin.recv(65536), b"")).decode()

    def runs(self) -> bool:
        """Return whether it answers: its sockets have their names before it listens, one after the other."""
        with suppress(ConnectionRefusedError, FileNotFoundError):
            return self.ask("show info") != ""
        return False

    def servers(self) -> dict[str, tuple[str, int]]:
        """Return status and number of sessions by server."""
        head, *rows = [line.split(",") for line in self.ask("show stat").splitlines() if line]
        status, sessions = head.index("status"), head.index("scur")
        return {row[1]: (row[status], int(row[sessions])) for row in rows if row[1] in {"s1", "s2"}}

    @contextmanager
    def sessions(self) -> Iterator[None]:
        """Have one session with each server during the block."""
        with ExitStack() as opened:
            for _ in range(2):
                client = opened.enter_context(closing(socket.socket(socket.AF_UNIX)))
                client.connect(f"{self.directory}/front")
            wait_until(lambda: all(count == 1 for _, count in self.servers().values()))
            yield

    @contextmanager
    def hung(self) -> Iterator[None]:
        """Have it answer nothing during the block; its sessions go on."""
        self._process.send_signal(signal.SIGSTOP)
        yield
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_S)

    def close(self) -> None:
        self.stop()
        for server in self._servers:
            server.shutdown()
            server.server_close()


@pytest.fixture
def balancer(root_directory: Path) -> Iterator[Balancer]:
    with closing(Balancer(root_directory)) as made:
        yield made


def drain(balancer: Balancer, hook: str, *, server: str = "web/s1", wait_s: int = PATIENCE_S) -> HookResult:
    own = balancer.directory / server.replace("/", "-")
    own.mkdir(exist_ok=True)
    path = copy(
        "drain-haproxy",
        own,
        BALANCERS=f"UNIX-CONNECT:{balancer.directory}/admin",
        SERVER=server,
        WAIT_S=str(wait_s),
        MARK=f"{own}/mark",
    )
    return run_hook(str(path), {}, user=None, limit_s=PATIENCE_S, variables={"MAESTRO_HOOK": hook})


def test_haproxy_sends_nothing_to_the_server_between_the_hooks(balancer: Balancer) -> None:
    before = drain(balancer, "pre-upgrade")
    between = balancer.servers()
    after = drain(balancer, "post-upgrade")

    assert (before.problem, after.problem) == ("", "")
    assert (between["s1"][0], between["s2"][0]) == ("DRAIN", "no check")
    assert balancer.servers()["s1"][0] == "no check"


def test_the_hook_waits_until_the_sessions_have_ended(balancer: Balancer) -> None:
    results: list[HookResult] = []
    running = threading.Thread(target=lambda: results.append(drain(balancer, "pre-docker")))
    with balancer.sessions():
        running.start()
        wait_until(lambda: balancer.servers()["s1"][0] == "DRAIN")
        still_waiting = not results

    running.join(PATIENCE_S)

    assert still_waiting
    assert [one.problem for one in results] == [""]


def test_sessions_that_do_not_end_defer_the_change_and_the_server_stays_in_service(balancer: Balancer) -> None:
    with balancer.sessions():
        done = drain(balancer, "pre-upgrade", wait_s=0)

    assert done.exit_code == 75
    assert balancer.servers()["s1"][0] == "no check"


def test_the_last_server_of_a_backend_is_never_drained(balancer: Balancer) -> None:
    balancer.ask("set server web/s2 state maint")

    done = drain(balancer, "pre-upgrade")

    assert done.exit_code == 75
    assert balancer.servers()["s1"][0] == "no check"


def test_two_servers_that_drain_at_the_same_moment_are_never_both_away(balancer: Balancer) -> None:
    servers = ("web/s1", "web/s2")
    for _ in range(4):
        with ThreadPoolExecutor() as pool:
            done = list(pool.map(lambda server: drain(balancer, "pre-upgrade", server=server), servers))
        seen = [status for status, _ in balancer.servers().values()]
        for server in servers:
            drain(balancer, "post-upgrade", server=server)

        assert 75 in [one.exit_code for one in done]
        assert "no check" in seen


def test_a_server_that_haproxy_does_not_know_defers_the_change(balancer: Balancer) -> None:
    assert drain(balancer, "pre-upgrade", server="web/s3").exit_code == 75
    assert drain(balancer, "post-upgrade", server="web/s3").problem == ""


def test_a_balancer_that_does_not_answer_defers_the_change(balancer: Balancer) -> None:
    balancer.stop()

    assert drain(balancer, "pre-upgrade").exit_code == 75
    assert drain(balancer, "post-upgrade").problem == ""


def test_a_balancer_that_does_not_answer_after_the_change_is_a_failure_until_it_does(balancer: Balancer) -> None:
    drain(balancer, "pre-upgrade")
    with balancer.hung():
        failed = drain(balancer, "post-upgrade")

    assert failed.exit_code == 1
    assert drain(balancer, "post-upgrade").problem == ""
    assert balancer.servers()["s1"][0] == "no check"


def test_a_balancer_that_hangs_while_sessions_end_defers_the_change(balancer: Balancer) -> None:
    results: list[HookResult] = []
    running = threading.Thread(target=lambda: results.append(drain(balancer, "pre-upgrade")))
    with balancer.sessions():
        running.start()
        wait_until(lambda: balancer.servers()["s1"][0] == "DRAIN")
        with balancer.hung():
            running.join(PATIENCE_S)

    assert [one.exit_code for one in results] == [75]


@pytest.mark.parametrize(("state", "shown"), [("maint", "MAINT"), ("drain", "DRAIN")])
def test_a_server_that_somebody_else_took_out_stays_out(balancer: Balancer, state: str, shown: str) -> None:
    balancer.ask(f"set server web/s1 state {state}")

    before = drain(balancer, "pre-upgrade")
    after = drain(balancer, "post-upgrade")

    assert (before.problem, after.problem) == ("", "")
    assert balancer.servers()["s1"][0] == shown


@pytest.mark.parametrize("last", [False, True], ids=["another-is-up", "the-last-one"])
def test_sessions_of_a_server_that_somebody_else_drains_are_waited_for(balancer: Balancer, *, last: bool) -> None:
    with balancer.sessions():
        balancer.ask("set server web/s1 state drain")
        if last:
            balancer.ask("set server web/s2 state maint")
        deferred = drain(balancer, "pre-upgrade", wait_s=0)
    wait_until(lambda: balancer.servers()["s1"][1] == 0)

    assert deferred.exit_code == 75
    assert drain(balancer, "pre-upgrade").problem == ""
    assert balancer.servers()["s1"][0] == "DRAIN"


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_what_a_balancer_quotes_of_another_server_may_be_in_any_encoding(root_directory: Path, locale: str) -> None:
    rows = (b"# pxname,svname,scur,status,last_chk", b"web,s1,0,UP,", b"web,s2,0,UP,f\xfcr", b"")
    (root_directory / "stat").write_bytes(b"\n".join(rows))
    socat = root_directory / "socat"
    socat.write_text(
        f"#!/bin/sh\nread -r command\n[ \"$command\" != 'show stat' ] || exec cat {root_directory}/stat\necho\n"
    )
    socat.chmod(0o755)
    path = copy("drain-haproxy", root_directory, SERVER="web/s1", MARK=f"{root_directory}/mark")
    environment = {"PATH": f"{root_directory}:/usr/bin:/bin", "MAESTRO_HOOK": "pre-upgrade", "LC_ALL": locale}

    done = subprocess.run([path], env=environment, check=False)

    assert done.returncode == 0


def test_a_hook_that_was_killed_after_it_had_drained_the_server_puts_it_back(balancer: Balancer) -> None:
    drain(balancer, "pre-upgrade")

    again = drain(balancer, "pre-upgrade")
    drain(balancer, "post-upgrade")

    assert again.problem == ""
    assert balancer.servers()["s1"][0] == "no check"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_what_a_hook_notes_survives_a_reboot(example: Path) -> None:
    marks = re.findall(r"^MARK=(\S+)", example.read_text(), re.MULTILINE)

    assert all(mark.startswith("/var/lib/") for mark in marks)
    assert len(marks) == (example.name != "snapshot-lvm")


def test_the_settings_of_keepalived_are_one_a_line_which_is_all_that_it_reads_of_it() -> None:
    text = (CHECKOUT / "docs/examples/hooks/failover-address").read_text()
    (block,) = re.findall(r"(?m)^# +track_file maintenance \{\n((?:#  .*\n)*?)#     \}$", text)

    settings = dict(line.lstrip("# ").split() for line in block.splitlines())

    assert settings == {"file": re.findall(r"(?m)^TRACK_FILE=(.*)$", text)[0], "weight": "-100", "init_file": "0"}


ADDRESS = "192.0.2.10/24"
KEEPALIVED = """
while :; do
    case $(cat {directory}/track) in
        1) ip address del {address} dev lo 2>/dev/null ;;
        0) ip address add {address} dev lo 2>/dev/null ;;
    esac
    sleep 0.05
done &
"""
"""What keepalived does by its track file."""


def addresses(directory: Path, *commands: str, track: str = "", peer: str = "", wait_s: int = PATIENCE_S) -> list[str]:
    """Run commands in a network of its own where the address is set; return exit codes and whether it is set."""
    hook = copy(
        "failover-address",
        directory,
        ADDRESS=ADDRESS,
        INTERFACE="lo",
        TRACK_FILE=track,
        WAIT_S=str(wait_s),
        MARK=f"{directory}/mark",
    )
    seen = f"ip -o address show dev lo | grep -q ' {ADDRESS} ' && echo here || echo away"
    steps = [f"MAESTRO_HOOK={command} {hook} >/dev/null; echo $?; {seen}" for command in commands]
    start = f"ip address add {ADDRESS} dev lo"
    script = "\n".join([start, peer, *steps, "kill $! 2>/dev/null; :"])
    done = subprocess.run(["unshare", "-n", "sh", "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_address_is_away_between_the_hooks(root_directory: Path) -> None:
    assert addresses(root_directory, "pre-upgrade", "post-upgrade") == ["0", "away", "0", "here"]


def test_a_server_that_had_not_the_address_does_not_take_it(root_directory: Path) -> None:
    away = f"ip address del {ADDRESS} dev lo"

    assert addresses(root_directory, "pre-upgrade", "post-upgrade", peer=away) == ["0", "away", "0", "away"]


def test_the_hooks_may_run_twice(root_directory: Path) -> None:
    twice = addresses(root_directory, "pre-upgrade", "pre-upgrade", "post-upgrade", "post-upgrade")

    assert twice == ["0", "away", "0", "away", "0", "here", "0", "here"]


def test_keepalived_gives_the_address_away_by_its_track_file(root_directory: Path) -> None:
    track = root_directory / "track"
    track.write_text("0\n")
    peer = KEEPALIVED.format(directory=root_directory, address=ADDRESS)

    assert addresses(root_directory, "pre-reboot", track=str(track), peer=peer) == ["0", "away"]
    assert track.read_text() == "1\n"


def test_an_address_that_no_other_server_takes_defers_the_change(root_directory: Path) -> None:
    track = root_directory / "track"

    assert addresses(root_directory, "pre-upgrade", track=str(track), wait_s=0) == ["75", "here"]
    assert track.read_text() == "0\n"


def snapshot(directory: Path, hook: str, *, exists: bool, room: bool = True) -> tuple[int, list[str]]:
    """Run the hook where LVM's programs only say what they were asked for."""
    for program, code in (("lvs", not exists), ("lvremove", False), ("lvcreate", not room)):
        (directory / program).write_text(f'#!/bin/sh\necho {program} "$@" >>{directory}/asked\nexit {int(code)}\n')
        (directory / program).chmod(0o755)
    path = copy("snapshot-lvm", directory)
    environment = {"PATH": f"{directory}:/usr/sbin:/usr/bin:/sbin:/bin", "MAESTRO_HOOK": hook}
    done = subprocess.run([path], env=environment, check=False)
    asked = directory / "asked"
    return done.returncode, asked.read_text().splitlines() if asked.exists() else []


@pytest.mark.parametrize("exists", [True, False])
def test_a_snapshot_replaces_that_of_the_run_before(root_directory: Path, *, exists: bool) -> None:
    code, asked = snapshot(root_directory, "pre-upgrade", exists=exists)

    removed = ["lvremove --yes vg0/before-upgrade"] if exists else []
    assert code == 0
    assert asked[1:] == [*removed, "lvcreate --yes --snapshot --name before-upgrade --size 5G vg0/root"]


def test_without_room_for_a_snapshot_the_change_does_not_happen(root_directory: Path) -> None:
    code, _ = snapshot(root_directory, "pre-upgrade", exists=False, room=False)

    assert code not in {0, 75}


def test_after_the_upgrade_the_snapshot_stays(root_directory: Path) -> None:
    assert snapshot(root_directory, "post-upgrade", exists=True) == (0, [])
