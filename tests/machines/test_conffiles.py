"""Local configuration files: what dpkg would ask about is foreseen, nobody is ever asked, and what was kept is told.

The truth is dpkg itself, run on the same package without anybody to answer it.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import bases
from tests.support.conffiles import CASES, Case, conf, simple
from tests.support.machine import Machine, machine
from tests.support.repository import Package, Signer, package
from tests.support.scenario import Answer, Scenario, names, reasons

HOLD = '[security]\nconffiles = "hold"\n'
ASKED = re.compile(r"\*\*\* (.+) \(Y/I/N/O/D/Z\) \[default=N\] \?")
PEERS = tuple(case for case in CASES if case.name != "file-as-parent")
"""What the peer is asked too; it ends in a traceback where a file is in the place of a directory."""
IDS = [case.name for case in CASES]


def prepare(host: Scenario, cases: tuple[Case, ...]) -> None:
    """Bring a machine to where an administrator has done his part and the new versions wait."""
    host.machine.write("/etc/dpkg/dpkg.cfg.d/excluded", "path-exclude=/etc/excluded.conf\n")
    for number in range(max(len(case.first) for case in cases)):
        batch = [case.first[number] for case in cases if number < len(case.first)]
        for one in batch:
            host.machine.path(f"/srv/{number}-{one.filename}").write_bytes(one.build())
        host.machine.check(f"dpkg -i /srv/{number}-*.deb > /srv/first 2>&1")
    host.machine.path("/srv/local").write_bytes(
        "".join(f"{case.local.replace('$F', shlex.quote(case.file))}\n" for case in cases).encode(
            errors="surrogateescape"
        )
    )
    host.machine.check("sh -e /srv/local > /srv/arranged 2>&1")


def asked_by_dpkg(machine: Machine, packages: tuple[Package, ...], options: str = "") -> tuple[str, ...]:
    """Install packages with dpkg alone and nobody to answer it; return what it asked about (it ends there)."""
    machine.check("rm -f /srv/truth-*")
    for one in packages:
        machine.path(f"/srv/truth-{one.filename}").write_bytes(one.build())
    done = machine.run(f"dpkg {options} -i /srv/truth-*.deb > /srv/truth 2>&1")
    said = machine.path("/srv/truth").read_bytes().decode(errors="surrogateescape")
    asked = tuple(ASKED.findall(said))
    assert bool(asked) == (done.returncode != 0), said
    return asked


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What came of all cases at once, on machines of one release."""

    asked: dict[str, tuple[str, ...]]
    """Base names of what dpkg asked about, by case."""
    keeping: Scenario
    keep: Answer
    holding: Scenario
    hold: Answer
    peer: str
    """What unattended-upgrade said."""


@pytest.fixture(scope="module", params=bases.codenames())
def ran(request: pytest.FixtureRequest, agent_layer: Path, signer: Signer) -> Iterator[Ran]:
    """Run every case with dpkg alone, with the agent keeping and holding, and with the peer."""
    release = str(request.param)
    base = bases.base(release)
    with machine(base) as truth, machine(agent_layer, base) as keep, machine(agent_layer, base) as hold:
        for one in ((alone := Scenario.on(truth, release)),):
            prepare(one, CASES)
        keeping, holding = (Scenario.without_sources(one, signer, release) for one in (keep, hold))
        for one in (keeping, holding):
            one.repository("security", *(package for case in CASES for package in case.second))
            prepare(one, CASES)
        holding.configuration(HOLD)
        with machine(base) as peer:
            beside = Scenario.without_sources(peer, signer, release)
            beside.repository("security", *(package for case in PEERS for package in case.second))
            prepare(beside, PEERS)
            said = peer.run(
                "apt-get -q update && unattended-upgrade --dry-run -v 2>&1 | iconv -c -t ascii", timeout=300
            )
        yield Ran(
            asked={case.name: asked_by_dpkg(alone.machine, case.second) for case in CASES},
            keeping=keeping,
            keep=keeping.upgrade(),
            holding=holding,
            hold=holding.upgrade(),
            peer=said.stdout,
        )


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_the_table_says_what_dpkg_asks(ran: Ran, case: Case) -> None:
    assert ran.asked[case.name] == tuple(file.rpartition("/")[2] for file in case.asks[:1])


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_held_is_just_what_dpkg_would_ask_about(ran: Ran, case: Case) -> None:
    held = {item["package"]: item for item in ran.hold.json["held"]}
    waiting = [item for item in case.second if item.name in held]

    assert bool(waiting) == case.held, held
    assert all(held[item.name]["why"] == "conffile" for item in waiting)
    details = " ".join(held[item.name]["detail"] for item in waiting)
    assert all(file in details for file in case.asks or [case.file] if waiting), details
    versions = {item.name: ran.holding.machine.version(item.name) for item in case.second}
    assert (versions == {item.name: item.version for item in case.second}) is not case.held


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_an_upgrade_that_keeps_local_files_brings_every_package_and_keeps_them(ran: Ran, case: Case) -> None:
    assert {item.name: ran.keeping.machine.version(item.name) for item in case.second} == {
        item.name: item.version for item in case.second
    }
    path = shlex.quote(case.file)
    shown = ran.keeping.machine.run(f"test -f {path} && cat {path}")

    assert (shown.stdout if shown.returncode == 0 else None) == case.after


def test_an_upgrade_that_keeps_local_files_lists_just_those(ran: Ran) -> None:
    assert (ran.keep.code, ran.keep.json["result"]) == (0, "updated")
    assert ran.keep.json["conffiles_kept"] == sorted(file for case in CASES for file in case.listed)


def test_an_upgrade_that_holds_is_no_success_and_lists_what_it_kept_all_the_same(ran: Ran) -> None:
    installed = [case for case in CASES if not case.held]

    assert (ran.hold.code, ran.hold.json["result"], ran.hold.json["failed"]) == (10, "degraded", [])
    assert ran.hold.json["conffiles_kept"] == sorted(file for case in installed for file in case.listed)


@pytest.mark.parametrize("case", PEERS, ids=lambda case: case.name)
def test_the_peer_holds_what_the_table_says(ran: Ran, case: Case) -> None:
    held = re.findall(r"Package (\S+) has conffile prompt", ran.peer)

    expected = bool(case.asks) if case.peer is None else case.peer
    assert any(item.name in held for item in case.second) == expected, held
