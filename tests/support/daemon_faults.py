"""Faults of the daemon: its own upgrade in a job that it requested, and kill -9 at any moment.

Every case starts and ends with an idle machine; problems are reported and the next case starts anyway. The moments
come from a seeded generator, so that a run can be repeated as far as the clock allows.
"""

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from tests.support.held import held_until
from tests.support.recorded import RECORD, SOCKET, UNIT, WORKER, WORKER_SOCKET, Kept, newer
from tests.support.repository import Package, package

_LIKE = ("bsdutils-like", "libc6-like", "python3-minimal-like", "systemd-like")
"""Two sort before the agent in apt's order, two after it."""
_SHOCKS = (
    "systemctl restart maestro-agent",
    "systemctl daemon-reexec",
    "systemctl daemon-reload",
    "systemctl restart maestro-agent-worker.socket",
)
_IMPATIENT = "[Service]\nRestartSec=1s\n"
"""Restarts sooner than the unit says, so that a killed daemon returns while its job still runs."""
_LONGEST_KILL_S = 3.0
_LONGEST_JOB_S = 120


@dataclass(kw_only=True)
class Verdict:
    """Result of one case."""

    name: str
    what: str
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def expect(self, condition: object, problem: str) -> None:
        """Record a problem unless the condition is true."""
        if not condition:
            self.problems.append(problem)


class Trial:
    """A machine for many cases."""

    def __init__(self, host: Kept, deb: Path, seed: int) -> None:
        """Use a machine on which the agent is installed."""
        self.host = host
        self._deb = deb
        self._random = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._known: set[str] = set()
        self._upgrades = 0
        self._versions: dict[str, int] = {}

    def prepare(self) -> None:
        """Install the packages and record a first run, so that new runs can be recognized."""
        names = [*_LIKE, *map(_letter, range(26))]
        self.host.install(*(package(name, "1") for name in names))
        self._versions = dict.fromkeys(names, 1)
        self.host.machine.write(f"/etc/systemd/system/{UNIT}.service.d/impatient.conf", _IMPATIENT)
        # The daily upgrade is postponed on installed machines: only the retry of a failed one becomes due.
        self.host.offer_more(package("unknown", "1"))
        self.host.machine.check(f"systemctl daemon-reload; systemctl restart {UNIT}")
        self.host.upgrade("--wait")
        self._new_runs()

    def upgrade_itself(self, *, scheduled: bool) -> Verdict:
        """Upgrade the agent together with packages that restart it; requested by the schedule or by a person."""
        self._upgrades += 1
        agent = newer(self._deb, f"u{self._upgrades}")
        shocks = self._random.sample(_SHOCKS, len(_SHOCKS))
        shaken = [self._raised(name, shock) for name, shock in zip(_LIKE, shocks, strict=True)]
        verdict = Verdict(
            name=f"upgrade {self._upgrades}", what=f"{_asker(scheduled)}; {', '.join(map(_short, shocks))}"
        )

        def act() -> None:
            before = self.host.daemon_pid()
            self.host.machine.write("/scopes", "")
            self.host.offer_more(agent, *shaken)
            self._ask(verdict, scheduled)
            self._expect_one_run(verdict, [agent, *shaken])
            daemon = self.host.wait_for_daemon(other_than=before)
            self.host.wait(
                "status file of the new daemon", f'grep -q \'"process": "{daemon} \' /run/maestro-agent/daemon.json'
            )
            verdict.expect(
                self.host.daemon()["version"] == agent.version, f"the daemon is {self.host.daemon()['version']}"
            )
            scopes = set(self.host.machine.path("/scopes").read_text().split())
            verdict.expect(len(scopes) == 1 and "maestro-agent-worker@" in min(scopes), f"scripts ran in {scopes}")
            self._expect_socket(verdict)

        return self._tried(verdict, act)

    def kill_the_daemon(self, number: int) -> Verdict:
        """Kill the daemon while a job is due, requested, running or finished."""
        scheduled, after_s = self._random.random() < 0.7, self._random.uniform(0, _LONGEST_KILL_S)
        name = _letter(number % 26)
        wanted = self._raised(name, f"sleep {self._random.uniform(0, 1):.2f}")
        verdict = Verdict(name=f"kill {number + 1}", what=f"{_asker(scheduled)}; {name}; after {after_s:.2f} s")

        def act() -> None:
            self.host.offer_more(wanted)
            before = self.host.wait_for_daemon()
            began = time.monotonic()

            def kill() -> None:
                time.sleep(max(0.0, began + after_s - time.monotonic()))
                self.host.machine.check(f"kill -9 {before}")

            self._ask(verdict, scheduled, meanwhile=kill)
            self._expect_one_run(verdict, [wanted])
            verdict.expect(self.host.wait_for_daemon(before) != before, "the killed daemon still runs")
            self._expect_next(verdict)

        return self._tried(verdict, act)

    def kill_the_worker(self, number: int) -> Verdict:
        """Kill the job while dpkg runs: it is recorded as interrupted, and one more run recovers everything."""
        killed = f"/killed-{number}"
        first = self._raised(_letter(number % 26), held_until(killed))
        second = self._raised(_letter((number + 1) % 26), "")
        after_s = self._random.uniform(0, 1)
        verdict = Verdict(name=f"worker {number + 1}", what=f"killed after {after_s:.2f} s of {first.name}'s script")

        def act() -> None:
            self.host.offer_more(first, second)
            with self.host.machine.start("exec maestro-agent upgrade --wait --json") as asking:
                self.host.machine.wait_for(f"{first.name}.postinst")
                time.sleep(after_s)
                self.host.machine.kill("KILL", WORKER)
                asking.communicate()
            self.host.machine.write(killed, "")
            self.host.wait_for_idle()
            self.host.machine.wait_for("/usr/bin/dpkg", gone=True)
            interrupted = [run["result"] for run in self._new_runs()]
            done = self.host.upgrade("--wait")
            verdict.expect(interrupted == ["interrupted"], f"the killed run is recorded as {interrupted}")
            verdict.expect(asking.returncode == 1, f"the command exited {asking.returncode}")
            verdict.expect(done.code == 0, f"the next run: exit {done.code} {done.err}")
            self._new_runs()
            self._expect_versions(verdict, [first, second])

        return self._tried(verdict, act)

    def freeze_the_daemon(self) -> Verdict:
        """Stop the daemon's process; the systemd watchdog has to detect that."""
        verdict = Verdict(name="freeze", what="SIGSTOP, and the watchdog")

        def act() -> None:
            before = self.host.wait_for_daemon()
            self.host.machine.check(f"kill -STOP {before}")
            self.host.wait_for_daemon(before, seconds=240)
            journal = self.host.machine.check(f"journalctl --no-pager -u {UNIT}")
            verdict.expect("atchdog timeout" in journal, "no watchdog timeout in the journal")
            self._expect_next(verdict)

        return self._tried(verdict, act)

    def settle(self) -> Verdict:
        """Check at the end that no unexpected run was started late."""
        verdict = Verdict(name="at the end", what="one more tick")

        def act() -> None:
            self.host.wait_for_daemon()
            self._expect_next(verdict)
            self.host.wait_for_idle()
            late = self._new_runs()
            verdict.expect(late == [], f"unexpected runs: {[run['id'] for run in late]}")

        return self._tried(verdict, act)

    def _tried(self, verdict: Verdict, act: Callable[[], None]) -> Verdict:
        began = time.monotonic()
        try:
            act()
            audit = self.host.machine.check("dpkg --audit")
            verdict.expect(audit == "", f"dpkg --audit: {audit}")
        except (AssertionError, OSError, ValueError, KeyError) as error:
            verdict.problems.append(f"{type(error).__name__}: {error}")
            self._new_runs()
        verdict.seconds = time.monotonic() - began
        return verdict

    def _raised(self, name: str, script: str) -> Package:
        """Return the next version of a package whose script records its cgroup."""
        self._versions[name] += 1
        script = f"sed -n 's/^0:://p' /proc/self/cgroup >> /scopes\n{script}"
        return package(name, str(self._versions[name]), postinst=script)

    def _ask(self, verdict: Verdict, scheduled: bool, meanwhile: Callable[[], None] = lambda: None) -> None:  # noqa: FBT001
        """Request an upgrade and wait for its end."""
        if not scheduled:
            with self.host.machine.start("exec maestro-agent upgrade --wait --json") as asking:
                meanwhile()
                out, err = asking.communicate(timeout=_LONGEST_JOB_S)
            verdict.expect(asking.returncode == 0, f"the command exited {asking.returncode}: {err[-300:]}")
            verdict.expect(out.startswith("{"), "the command printed no document")
            return
        began = self._fall_due()
        self.host.machine.check(f"systemctl reload {UNIT}")
        meanwhile()
        deadline = time.monotonic() + _LONGEST_JOB_S
        while not _ended(self._job(), began):
            if time.monotonic() > deadline:
                raise AssertionError(f"the job did not end: {self._job()}")
            time.sleep(0.1)
        self.host.wait_for_idle()

    def _fall_due(self) -> datetime:
        """Record that the last upgrade failed an hour ago, so that the next one is due; return that time."""
        path = self.host.machine.path(f"{RECORD}/jobs.json")
        record = json.loads(path.read_text())
        past = datetime.now(timezone.utc) - timedelta(hours=1)
        text = past.strftime("%Y-%m-%dT%H:%M:%SZ")
        times = {"started_at": text, "finished_at": text, "attempted_at": text}
        record["jobs"]["upgrade"] |= {**times, "exit_code": 1, "asked_by": "schedule", "failures": 1}
        path.write_text(json.dumps(record))
        return past + timedelta(minutes=1)

    def _job(self) -> dict[str, Any]:
        job: dict[str, Any] = json.loads(self.host.machine.path(f"{RECORD}/jobs.json").read_text())["jobs"]["upgrade"]
        return job

    def _new_runs(self) -> list[dict[str, Any]]:
        """Return the runs that were recorded since the last call."""
        found = [run for run in self.host.runs() if run["id"] not in self._known]
        self._known |= {run["id"] for run in found}
        return found

    def _expect_one_run(self, verdict: Verdict, wanted: list[Package]) -> None:
        runs = self._new_runs()
        verdict.expect([run["result"] for run in runs] == ["updated"], f"recorded: {[run['result'] for run in runs]}")
        upgraded = sorted((one["package"], one["to"]) for run in runs for one in run["upgraded"])
        expected = sorted((one.name, one.version) for one in wanted)
        verdict.expect(upgraded == expected, f"upgraded, by the record: {upgraded}")
        self._expect_versions(verdict, wanted)

    def _expect_versions(self, verdict: Verdict, wanted: list[Package]) -> None:
        found = self.host.versions(*(one.name for one in wanted))
        verdict.expect(found == {one.name: one.version for one in wanted}, f"installed: {found}")

    def _expect_next(self, verdict: Verdict) -> None:
        """Expect that the daemon has scheduled each job, in the future."""
        self.host.machine.check(f"systemctl reload {UNIT}")
        self.host.wait("a tick", f"test /run/maestro-agent/daemon.json -nt {RECORD}/jobs.json")
        for name, job in self.host.status()["jobs"].items():
            at = job["next_at"]
            verdict.expect(at is not None and _moment(at) > datetime.now(timezone.utc), f"next {name}: {at}")

    def _expect_socket(self, verdict: Verdict) -> None:
        state = self.host.machine.run(f"systemctl is-active {WORKER_SOCKET}").stdout.strip()
        verdict.expect(state == "active", f"the socket is {state}")
        connect = f's = socket.socket(socket.AF_UNIX); s.connect("{SOCKET}"); s.sendall(b"?\\n"); print(s.recv(999))'
        answer = self.host.python(f"import socket\n{connect}")
        verdict.expect("request: " in answer.stdout, f"the worker does not answer: {answer.stderr[-200:]}")


def _letter(number: int) -> str:
    return f"letter-{chr(ord('a') + number)}"


def _asker(scheduled: bool) -> str:  # noqa: FBT001
    return "by the schedule" if scheduled else "by a person"


def _short(shock: str) -> str:
    return shock.removeprefix("systemctl ").replace("maestro-agent", "it")


def _ended(job: dict[str, Any], began: datetime) -> bool:
    """Whether a job that began after that time has ended."""
    return _moment(job["started_at"]) > began and job["finished_at"] is not None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
