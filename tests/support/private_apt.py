"""apt with a root of its own, for libapt's answers on a dpkg database that a test writes."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import CHECKOUT
from tests.support.repository import Package, Repository, Signer, package

_ASK = """
import json, sys
from dataclasses import asdict
from agent.host.apt import engine_packages
from agent.host.apt.cache import PackageCache
from agent.host.apt.configuration import configure
from agent.host.apt.engine_packages import AptEnginePackages

class Lender:
    '''Another part of the job, with a cache whose marks and restriction are its own.'''
    def __init__(self):
        self.cache = PackageCache()
        self.cache.restrict_to(frozenset())
        for package in self.cache.dpkg_packages:
            self.cache.depcache.mark_delete(package)
        self.marks = self.cache.depcache.del_count
        self.taken = False
    def shared_cache(self):
        return self.cache
    def take_cache(self):
        self.taken, cache, self.cache = True, self.cache, None
        return cache

asked = json.loads(sys.argv[1])
configure()
lender = Lender() if asked["lent"] else None
if lender:
    def fail():
        raise AssertionError("a second cache was opened")
    engine_packages.PackageCache = fail
packages = AptEnginePackages(lender)
print(json.dumps({
    "offers": {name: [[one.version, one.site] for one in packages.offers(name)] for name in asked["offers"]},
    "priorities": {one.version: one.priority for name in asked["offers"] for one in packages.offers(name)},
    "marks_left": lender and not lender.taken and lender.cache.depcache.del_count == lender.marks,
    "simulations": [asdict(packages.simulate(one, asked["held"])) for one in asked["simulate"]],
}))
"""


@dataclass
class PrivateApt:
    """apt with a root of its own."""

    root: Path
    signer: Signer

    def __post_init__(self) -> None:
        for name in ("etc/apt/preferences.d", "lists/partial", "cache/archives/partial", "dpkg/updates", "dpkg/info"):
            (self.root / name).mkdir(parents=True)
        (self.root / "dpkg/status").write_text("")
        (self.root / "key.asc").write_bytes(self.signer.public_key)
        self._lines: list[str] = []

    def install(self, *packages: Package, hold: tuple[str, ...] = ()) -> None:
        stanzas = []
        for one in (package("dpkg", "1.21"), *packages):
            want = "hold" if one.name in hold else "install"
            stanzas.append(f"{one.control}Status: {want} ok installed\n\n")
        (self.root / "dpkg/status").write_text("".join(stanzas))

    def repository(
        self, name: str, *packages: Package, signed: bool = True, suite: str = "stable", site: str = ""
    ) -> None:
        """Offer packages, from the directory or from a server that serves it at `site`."""
        directory = self.root / name
        directory.mkdir()
        Repository(
            directory=directory, signer=self.signer if signed else None, origin=name, suite=suite, codename=suite
        ).add(*packages)
        options = f"signed-by={self.root}/key.asc" if signed else "allow-insecure=yes"
        self._lines.append(f"deb [{options}] {site or f'file:{directory}'} {suite} main\n")

    def prefer(self, preference: str) -> None:
        """Add a stanza of apt_preferences(5)."""
        with (self.root / "etc/apt/preferences.d/test").open("a") as file:
            file.write(f"{preference}\n\n")

    def ask(
        self, *offers: str, simulate: tuple[Mapping[str, str], ...] = (), held: Sequence[str] = (), lent: bool = False
    ) -> Any:
        return self.run(_ASK, {"offers": offers, "simulate": simulate, "held": held, "lent": lent})

    def run(self, code: str, argument: object) -> Any:
        """Run Python code with this apt; its argument and its output are JSON."""
        (self.root / "etc/apt/sources.list").write_text("".join(self._lines))
        (self.root / "apt.conf").write_text(
            f'Dir::Etc "{self.root}/etc/apt"; Dir::State "{self.root}"; Dir::State::lists "{self.root}/lists";'
            f'Dir::State::status "{self.root}/dpkg/status"; Dir::Cache "{self.root}/cache"; APT::Architecture "amd64";'
            'APT::Architectures {"amd64";}; APT::Sandbox::User "root"; Dir::Etc::parts "/nowhere";'
        )
        environment = {
            "APT_CONFIG": str(self.root / "apt.conf"),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C",
        }
        subprocess.run(["apt-get", "-q", "update"], env=environment, check=True, stdout=subprocess.DEVNULL)
        command = [sys.executable, "-c", code, json.dumps(argument)]
        done = subprocess.run(command, env=environment, cwd=CHECKOUT, check=True, stdout=subprocess.PIPE)
        return json.loads(done.stdout)

    def simulate(self, **targets: str) -> Any:
        """Simulate; `_` stands for `-` in names, and `_io` for `.io`."""
        names = {name.replace("_io", ".io").replace("_", "-"): version for name, version in targets.items()}
        return self.ask(simulate=(names,))["simulations"][0]
