"""A scenario in a few lines: a machine, its repositories, what is installed, and the agent run on it."""

import json
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.support.machine import Machine
from tests.support.repository import Package, Repository, Signer

_DEBIAN = {
    "security": {"origin": "Debian", "label": "Debian-Security", "suite": "stable-security", "codename": "{}-security"},
    "updates": {"origin": "Debian", "label": "Debian", "suite": "stable-updates", "codename": "{}-updates"},
    "main": {"origin": "Debian", "label": "Debian", "suite": "stable", "codename": "{}"},
    "ppa": {"origin": "LP-PPA-somebody", "label": "PPA", "suite": "{}", "codename": "{}-ppa"},
}
_UBUNTU = {
    "security": {"origin": "Ubuntu", "label": "Ubuntu", "suite": "noble-security", "codename": "noble"},
    "updates": {"origin": "Ubuntu", "label": "Ubuntu", "suite": "noble-updates", "codename": "noble"},
    "main": {"origin": "Ubuntu", "label": "Ubuntu", "suite": "noble", "codename": "noble"},
    "esm-apps": {
        "origin": "UbuntuESMApps",
        "label": "UbuntuESMApps",
        "suite": "noble-apps-security",
        "codename": "noble",
    },
    "esm-apps-legacy": {
        "origin": "UbuntuESMApps",
        "label": "UbuntuESMApps",
        "suite": "noble-apps-legacy-security",
        "codename": "noble",
    },
    "esm-infra-legacy": {
        "origin": "UbuntuESM",
        "label": "UbuntuESM",
        "suite": "noble-infra-legacy-security",
        "codename": "noble",
    },
    "esm-infra": {"origin": "UbuntuESM", "label": "UbuntuESM", "suite": "noble-infra-security", "codename": "noble"},
}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the agent said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # the documents are what the tests look into
        """The document on standard output."""
        return json.loads(self.out)


class Scenario:
    """One machine and what a test puts on it."""

    def __init__(self, machine: Machine, signer: Signer | None, codename: str) -> None:
        self.machine = machine
        self.codename = codename
        self.signer = signer
        self._kinds = _DEBIAN

    @classmethod
    def on(cls, machine: Machine, codename: str) -> "Scenario":
        """Return a scenario on a machine that keeps its own package sources."""
        return cls(machine, None, codename)

    @classmethod
    def without_sources(cls, machine: Machine, signer: Signer, codename: str) -> "Scenario":
        """Return a scenario whose only package sources will be those that the test publishes."""
        for name in ("etc/apt/sources.list", "etc/apt/sources.list.d/debian.sources"):
            machine.path(name).unlink(missing_ok=True)
        machine.path("/etc/apt/keyrings/test.asc").parent.mkdir(parents=True, exist_ok=True)
        machine.path("/etc/apt/keyrings/test.asc").write_bytes(signer.public_key)
        # apt would wait 1, 2 and 4 s between its retries (apt.conf(5)).
        machine.write("/etc/apt/apt.conf.d/90retries", 'Acquire::Retries::Delay "false";\n')
        return cls(machine, signer, codename)

    def be_ubuntu(self) -> None:
        """Make the machine an Ubuntu 24.04 for the agent."""
        self._kinds = _UBUNTU
        self.machine.check("rm -f /etc/os-release")
        self.machine.write("/etc/os-release", 'ID=ubuntu\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\n')

    def repository(self, kind: str, *packages: Package, at: str | None = None, **changes: Any) -> Repository:
        """Publish a repository inside the machine (or at an URL, served from there) and configure it."""
        fields = {name: value.format(self.codename) for name, value in self._kinds[kind].items()}
        directory = self.machine.path(f"/srv/{kind}")
        directory.mkdir(parents=True)
        made = Repository(directory=directory, **{"signer": self.signer, **fields, **changes})
        made.add(*packages)
        self.configure(kind, at or f"file:/srv/{kind}", made.codename)
        return made

    def configure(self, kind: str, uri: str, dist: str, options: str = "signed-by=/etc/apt/keyrings/test.asc") -> None:
        """Write a source."""
        self.machine.write(f"/etc/apt/sources.list.d/{kind}.list", f"deb [{options} arch=amd64] {uri} {dist} main\n")

    def install(self, *packages: Package) -> None:
        """Install packages with dpkg, as if they had always been there."""
        for package in packages:
            self.machine.path(f"/srv/{package.filename}").write_bytes(package.build())
        names = " ".join(shlex.quote(f"/srv/{package.filename}") for package in packages)
        self.machine.check(f"dpkg -i {names}")

    def offer(self, kind: str, *packages: Package) -> Repository:
        """Install each package's version 1 and publish the given versions."""
        for package in packages:
            self.install(replace(package, version="1", fields=(), scripts=()))
        return self.repository(kind, *packages)

    def configuration(self, text: str) -> None:
        """Write /etc/maestro-agent/config.toml."""
        self.machine.write("/etc/maestro-agent/config.toml", text)

    def agent(self, arguments: str, *, user: str | None = None, timeout: float = 300) -> Answer:
        """Run `maestro-agent`; a traceback is never an answer."""
        return answer(self.machine.run(f"maestro-agent {arguments}", user=user, timeout=timeout))

    def check(self, arguments: str = "") -> Any:
        """Return the plan that `check` makes."""
        return self.agent(f"check --json {arguments}").json

    def upgrade(self, arguments: str = "") -> Answer:
        """Run `upgrade --json`."""
        return self.agent(f"upgrade --json {arguments}")

    def small_transactions(self, size: int) -> None:
        """Have the agent on this machine put at most so many packages into a transaction."""
        file = "/usr/share/maestro-agent/agent/core/packages/batches.py"
        self.machine.check(
            f"grep -q '^BATCH_SIZE = ' {file} && sed -i 's/^BATCH_SIZE = .*/BATCH_SIZE = {size}/' {file}"
        )

    def versions(self, *names: str) -> Mapping[str, str | None]:
        """Return installed versions."""
        return {name: self.machine.version(name) for name in names}


def answer(done: "subprocess.CompletedProcess[str]") -> Answer:
    """Return what the agent said; a traceback is never an answer."""
    assert "Traceback" not in done.stderr, done.stderr
    return Answer(code=done.returncode, out=done.stdout, err=done.stderr)


def names(items: list[dict[str, Any]]) -> list[str]:
    """Return the package names of a document's list."""
    return [item["package"] for item in items]


def reasons(plan: dict[str, Any]) -> dict[str, str]:
    """Return why each held package is held."""
    return {item["package"]: item["why"] for item in plan["held"]}
