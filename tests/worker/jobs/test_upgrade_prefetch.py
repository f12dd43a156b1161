"""Prefetching on a simulated machine: what a check downloads, reads, keeps and removes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.model.outcome import Result, Stage
from agent.core.packages.cves import ChangelogFindings
from agent.core.policy.policy import PrefetchMode
from agent.errors import HostError
from agent.state.record import Record
from agent.state.store import AHEAD, CVES
from agent.worker.steps import prefetch
from tests.core import given
from tests.support.simulated import Offer
from tests.worker.jobs.simulator import Agent, failing, raising

FIXES = ChangelogFindings(cves=("CVE-2024-1234",), security_upload=True, complete=True)


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return with_prefetch(Agent(tmp_path), PrefetchMode.SECURITY)


def with_prefetch(agent: Agent, mode: PrefetchMode) -> Agent:
    agent.policy = replace(given.policy(), apt=replace(agent.policy.apt, fetch_ahead=mode))
    return agent


def cves(agent: Agent, part: str = "install") -> dict[str, list[str] | None]:
    """Return the CVEs in the last recorded plan."""
    return {item.text("package"): item.optional_texts("cves") for item in agent.last_plan().children(part)}


def prefetched(agent: Agent) -> list[str]:
    return [archive.package for archive in Record(agent.store).prefetched()]


def test_a_check_prefetches_packages_and_reads_their_changelogs(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    agent.machine.cves["a"] = FIXES

    agent.check()

    assert agent.machine.done == ["refresh", "fetch a b"]
    assert cves(agent) == {"a": ["CVE-2024-1234"], "b": None}
    assert sorted(prefetched(agent)) == ["a", "b"]


def test_a_changelog_is_read_once(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.cves["a"] = FIXES

    agent.check()
    agent.check()

    assert agent.machine.read_ahead == ["a"]
    assert agent.machine.done == ["refresh", "fetch a", "refresh"]
    assert cves(agent) == {"a": ["CVE-2024-1234"]}


def test_a_newer_candidate_replaces_the_findings(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.cves["a"] = FIXES
    agent.check()
    agent.machine.publish(Offer(package="a", version=3))
    agent.machine.cves["a"] = replace(FIXES, cves=())
    agent.machine.downloaded.clear()

    agent.check()

    assert cves(agent) == {"a": []}
    assert [subject.candidate for subject in Record(agent.store).findings()] == ["3"]


def test_a_superseded_archive_is_removed(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.check()
    agent.machine.publish(Offer(package="a", version=3))
    agent.machine.missing.add("a")

    agent.check()

    assert agent.machine.downloaded == set()
    assert [archive.version for archive in Record(agent.store).prefetched()] == ["3"]


def test_a_held_update_is_read_but_not_prefetched(agent: Agent) -> None:
    agent.machine.offer("runc")
    agent.machine.cves["runc"] = FIXES

    agent.check()

    assert cves(agent, "held") == {"runc": ["CVE-2024-1234"]}
    assert agent.machine.done == ["refresh"]
    assert prefetched(agent) == []


def test_without_a_refresh_nothing_is_downloaded_or_read(agent: Agent) -> None:
    agent.machine.offer("a", "runc")
    agent.machine.cves = {"a": FIXES, "runc": FIXES}
    agent.verified(hours=1)

    agent.check(refresh=False)

    assert agent.machine.done == agent.machine.read_ahead == []
    assert (cves(agent), cves(agent, "held")) == ({"a": None}, {"runc": None})


def test_without_a_refresh_earlier_findings_are_shown(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.cves["a"] = FIXES
    agent.check()

    agent.check(refresh=False)

    assert cves(agent) == {"a": ["CVE-2024-1234"]}


def test_nothing_is_downloaded_or_read_if_disabled(agent: Agent) -> None:
    with_prefetch(agent, PrefetchMode.OFF).machine.offer("a", "runc")
    agent.machine.cves = {"a": FIXES, "runc": FIXES}

    agent.check()

    assert agent.machine.done == ["refresh"]
    assert agent.machine.read_ahead == []
    assert cves(agent) == {"a": None}


def test_prefetched_archives_are_removed_even_if_disabled_later(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.check()
    agent.machine.put("a", 2)

    with_prefetch(agent, PrefetchMode.OFF).check()

    assert agent.machine.downloaded == set()
    assert prefetched(agent) == []


@pytest.mark.parametrize(
    ("mode", "there", "hidden"),
    [
        (PrefetchMode.SECURITY, False, {}),
        (PrefetchMode.SECURITY, True, {"x": ["CVE-2024-1234"]}),
        (PrefetchMode.ALL, False, {"x": ["CVE-2024-1234"]}),
        (PrefetchMode.OFF, True, {}),
    ],
)
def test_an_unlabelled_security_fix_is_found_if_its_changelog_may_be_read(
    agent: Agent, mode: PrefetchMode, *, there: bool, hidden: dict[str, list[str]]
) -> None:
    with_prefetch(agent, mode).machine.offer(Offer(package="x", security=False))
    agent.machine.cves["x"] = FIXES
    agent.machine.downloaded |= {"x"} if there else set()

    agent.check()

    assert cves(agent, "hidden_security") == hidden


def test_a_failed_download_does_not_fail_the_check(agent: Agent) -> None:
    agent.machine.offer("a", "runc")
    agent.machine.cves = {"a": FIXES, "runc": FIXES}
    agent.machine.before_fetch.append(raising(HostError("no space left")))

    plan = agent.check()

    assert [step.package for step in plan.install] == ["a"]
    assert "no space left" in agent.progress
    assert (cves(agent), cves(agent, "held")) == ({"a": None}, {"runc": ["CVE-2024-1234"]})


def test_the_next_check_retries_a_failed_download(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.cves["a"] = FIXES
    agent.machine.before_fetch.append(raising(HostError("no network")))
    agent.check()

    agent.check()

    assert cves(agent) == {"a": ["CVE-2024-1234"]}


def test_nothing_is_prefetched_during_an_upgrade(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "worker_pid", lambda _directory: 812)
    agent.machine.offer("a")

    agent.check()

    assert agent.machine.done == ["refresh"]


def test_nothing_is_downloaded_if_the_lists_could_not_be_fetched(agent: Agent) -> None:
    agent.machine.offer("a", "runc")
    agent.machine.cves = {"a": FIXES, "runc": FIXES}
    agent.machine.refresh_errors = (failing("security", security=True),)

    agent.check()

    assert agent.machine.done == ["refresh"]
    assert agent.machine.read_ahead == []


def test_a_newer_plan_of_another_job_is_not_overwritten(agent: Agent) -> None:
    agent.machine.offer("a", "runc")
    agent.machine.cves["runc"] = FIXES

    def meanwhile() -> None:
        agent.upgrade()

    agent.machine.before_fetch.append(meanwhile)

    agent.check()

    assert agent.machine.versions()["a"] == "2"
    assert agent.last_plan().count("install") == 0


def test_an_upgrade_reports_its_fixes_and_removes_prefetched_archives(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.cves["a"] = FIXES
    agent.check()

    agent.upgrade()

    (change,) = agent.last_run().children("upgraded")
    assert change.optional_texts("cves") == ["CVE-2024-1234"]
    assert agent.machine.downloaded == set()
    assert prefetched(agent) == []


def test_without_a_check_an_upgrade_reads_installed_changelogs(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    agent.machine.cves["a"] = FIXES

    agent.upgrade()

    found = {change.text("package"): change.optional_texts("cves") for change in agent.last_run().children("upgraded")}
    assert found == {"a": ["CVE-2024-1234"], "b": None}
    assert agent.machine.read_ahead == []


def test_the_archive_of_a_failed_package_is_kept_for_the_next_run(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.fails["a"] = Stage.UNPACK
    agent.check()

    done = agent.upgrade()

    assert done.result is Result.FAILED
    assert agent.machine.downloaded == {"a"}
    assert prefetched(agent) == ["a"]


def test_archives_are_recorded_before_they_are_downloaded(agent: Agent) -> None:
    seen: list[list[str]] = []
    agent.machine.offer("a")
    agent.machine.before_fetch.append(lambda: seen.append(prefetched(agent)))

    agent.check()

    assert seen == [["a"]]


def test_an_archive_of_somebody_else_is_not_removed(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.downloaded.add("a")
    agent.check()

    agent.upgrade()

    assert agent.machine.downloaded == {"a"}


@pytest.mark.parametrize("damage", ["", "{", '{"schema": "maestro.cves/2"}', '{"schema": "maestro.cves/1"}'])
@pytest.mark.parametrize("name", [CVES, AHEAD])
def test_a_damaged_document_is_replaced(agent: Agent, name: str, damage: str) -> None:
    agent.machine.offer("a")
    agent.machine.cves["a"] = FIXES
    Path(agent.store.path(name)).write_text(damage)

    agent.check()

    assert cves(agent) == {"a": ["CVE-2024-1234"]}
    assert prefetched(agent) == ["a"]


@pytest.mark.parametrize(
    "wrong", [{"cves": "CVE-2024-1234"}, {"cves": [1]}, {"complete": None}, {"package": None}, {"candidate": 2}]
)
def test_malformed_findings_are_ignored(agent: Agent, wrong: dict[str, object]) -> None:
    agent.machine.offer("a")
    agent.machine.cves["a"] = FIXES
    agent.check()
    path = Path(agent.store.path(CVES))
    document = json.loads(path.read_text())
    document["readings"][0] |= wrong
    path.write_text(json.dumps(document))

    assert Record(agent.store).findings() == {}
