"""apt with a root of its own, looked at twice after each change: by what is remembered, and by libapt's cache."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.conftest import CHECKOUT
from tests.support.repository import Package, Repository, Signer, package

_LOOKS = r"""
import json, os, sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from dataclasses import replace
from agent.core.job_control import JobControl
from agent.core.model.facts import Facts, SourceError, SourceFault
from agent.core.model.facts import Reboot
from agent.core.model.scope import Scope
from agent.core.packages.decide import decide
from agent.core.packages.dropped import NOTHING_DROPPED
from agent.core.policy.origins import parse_pattern
from agent.core.ports import RefreshResult
from agent.errors import HostError, RecordError
from agent.host.apt import basis
from agent.host.apt.engine import AptEngine
from agent.host.apt.agent_files import AgentFiles
from agent.state.documents.packages import packages_from_document, packages_to_document
from agent.state.documents.plan import plan_to_document
from agent.state.json_reader import JsonReader
from tests.core import given

def look(asked, memory):
    now = datetime.now(timezone.utc) + timedelta(days=asked.get("days", 0))
    if "boot" in asked:
        basis.boot_id = lambda: asked["boot"]
    if "kernel" in asked:
        name = os.uname()
        os.uname = lambda: os.uname_result((*name[:2], asked["kernel"], *name[3:]))
    basis.VERSION = asked.get("version", basis.VERSION)
    security = {"blocklist": tuple(asked.get("blocklist", ()))}
    if "origins" in asked:
        security["origins"] = tuple(parse_pattern(one, {}) for one in asked["origins"])
    policy = given.policy(**security)
    policy = replace(policy, apt=replace(policy.apt, max_list_age=timedelta(hours=asked.get("hours", 36))))
    errors = tuple(
        SourceError(source=source, fault=SourceFault.UNREACHABLE, detail="away") for source in asked.get("failed", ())
    )
    refreshed = RefreshResult(verified_at=None, errors=errors, sources={}, finished_at=now)
    files = AgentFiles(dpkg_log=Path("/dev/null"), download_log=Path("/dev/null"), scratch=Path("/dev/null"))
    engine = AptEngine(policy, files=files, control=JobControl(progress=lambda _message: None))
    snapshot = engine.open(now, refreshed, memory)
    seen = snapshot.seen
    facts = Facts(
        seen_at=now, lists=seen.lists, updates=seen.updates, repair=seen.repair, reboot=Reboot(required=False),
        kernels=seen.kernels, journal=seen.journal, esm_only=seen.esm_only,
    )
    plans = []
    for scope in (Scope.SECURITY, Scope.ALL):
        plan = decide(
            policy,
            facts,
            scope,
            NOTHING_DROPPED,
            lambda admitted, veto: snapshot.resolve(admitted, scope, veto),
        )
        plans.append(plan_to_document(plan, datetime(2026, 1, 1, tzinfo=timezone.utc)))
        del plans[-1]["seen_at"]
    kept = snapshot.remembered
    return {
        "plans": plans,
        "opened": snapshot.open_cache is not None,
        "memory": None if kept is None else packages_to_document(kept, now),
    }

def loaded(path):
    try:
        return packages_from_document(JsonReader(json.loads(Path(path).read_text()), path))
    except (OSError, ValueError, RecordError):
        return None

def in_child(asked, memory):
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            result = look(asked, memory)
        except HostError as error:
            result = {"error": str(error), "opened": True, "memory": None}
        with os.fdopen(write, "w") as file:
            json.dump(result, file)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as file:
        result = file.read()
    os.waitpid(pid, 0)
    return json.loads(result)

for line in sys.stdin:
    asked = json.loads(line)
    answer = [in_child(asked, loaded(asked["memory"])), in_child(asked, None)]
    print(json.dumps(answer), flush=True)
"""


@dataclass(frozen=True, kw_only=True)
class Looks:
    """Both looks after one change."""

    by_memory: Any
    by_cache: Any


class Bench:
    """A dpkg database, two signed repositories behind a server, and a process that looks at them."""

    def __init__(self, root: Path, signer: Signer, url: str) -> None:
        self.root = root
        self.memory = root / "packages.json"
        self._environment = {
            "APT_CONFIG": str(root / "apt.conf"),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C",
        }
        self._installed: dict[str, tuple[Package, str]] = {}
        for name in ("etc/apt/preferences.d", "etc/apt/sources.list.d", "lists/partial", "cache/archives/partial"):
            (root / name).mkdir(parents=True)
        for name in ("dpkg/updates", "dpkg/info", "etc/apt/apt.conf.d"):
            (root / name).mkdir(parents=True)
        (root / "key.asc").write_bytes(signer.public_key)
        self.security = self._repository("security", signer, codename="bookworm-security")
        self.ppa = self._repository("ppa", signer, origin="PPA", label="PPA", suite="ppa", codename="ppa")
        self.sources = "".join(
            f"deb [signed-by={root}/key.asc] {url}/{name} {one.codename} main\n"
            for name, one in (("security", self.security), ("ppa", self.ppa))
        )
        self.write("etc/apt/sources.list", self.sources)
        self.write(
            "apt.conf",
            f'Dir::Etc "{root}/etc/apt"; Dir::Etc::parts "{root}/etc/apt/apt.conf.d"; Dir::State "{root}";'
            f'Dir::State::lists "{root}/lists"; Dir::State::status "{root}/dpkg/status"; Dir::Cache "{root}/cache";'
            'APT::Architecture "amd64"; APT::Architectures {"amd64";}; APT::Sandbox::User "root";'
            'APT::Update::Error-Mode "any"; Acquire::Retries "0";',
        )
        self.install(package("dpkg", "1.21"))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LOOKS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
            cwd=CHECKOUT,
        )

    def close(self) -> None:
        """End the process."""
        with self._process:
            _stream(self._process.stdin).close()

    def look(self, **asked: Any) -> Looks:
        """Look both ways, and keep what is to be remembered, as a check does."""
        stdin, stdout = _stream(self._process.stdin), _stream(self._process.stdout)
        stdin.write(json.dumps({"memory": str(self.memory), **asked}) + "\n")
        stdin.flush()
        by_memory, by_cache = json.loads(stdout.readline())
        if by_memory["memory"] is not None:
            self.memory.write_text(json.dumps(by_memory["memory"]))
        return Looks(by_memory=by_memory, by_cache=by_cache)

    def write(self, name: str, text: str) -> None:
        """Write a file below the root."""
        (self.root / name).write_text(text)

    def rewrite(self, name: str, old: str, new: str) -> None:
        """Change a file in its place, and set its size and its modification time as before."""
        path = self.root / name
        text, times = path.read_text(), path.stat()
        assert old in text, name
        assert len(old) == len(new), name
        with path.open("r+") as file:
            file.write(text.replace(old, new))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def update(self) -> None:
        """Fetch the lists, which may fail."""
        command = ["apt-get", "-q", "update"]
        subprocess.run(
            command, env=self._environment, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def install(self, *packages: Package, status: str = "install ok installed") -> None:
        """Write packages into dpkg's database as dpkg does: into another file, that is renamed."""
        self._installed.update({one.name: (one, status) for one in packages})
        stanzas = (f"{one.control}Status: {words}\n\n" for one, words in self._installed.values())
        self.write("dpkg/status-new", "".join(stanzas))
        (self.root / "dpkg/status-new").rename(self.root / "dpkg/status")

    def _repository(self, name: str, signer: Signer, **fields: Any) -> Repository:
        directory = self.root / "served" / name
        directory.mkdir(parents=True)
        return Repository(directory=directory, signer=signer, **fields)


def _stream(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream
