"""Upgrade runs and their results on a simulated machine, with the real jobs and record."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from agent.core.model.facts import PackageState, Reboot
from agent.core.model.outcome import Result, Stage
from agent.core.model.plan import Why
from agent.core.model.scope import Scope
from agent.core.policy.policy import Conffiles
from agent.errors import HostError, NoSpaceError, UsageError
from agent.host.log_target import journal_fields
from agent.state.store import STATE
from agent.worker.jobs.explain import explain
from tests.core import given
from tests.support.logged import captured_log
from tests.support.simulated import ARCHITECTURE, Offer
from tests.worker.jobs.simulator import Agent, failing, names, raising


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return Agent(tmp_path / "state")


# results


def test_a_machine_with_fresh_lists_and_no_updates_is_up_to_date(agent: Agent) -> None:
    agent.machine.put("a", 1)

    done = agent.upgrade()

    assert done.result is Result.UP_TO_DATE
    assert agent.machine.done == ["refresh"]
    assert done.lists is not None
    assert done.lists.updated_at == agent.machine.now()


def test_a_run_with_nothing_to_do_looks_at_the_packages_once(agent: Agent) -> None:
    """Another look would find what the first one did."""
    outcome = agent.upgrade()

    assert (outcome.result, outcome.failed, agent.machine.looks) == (Result.UP_TO_DATE, (), 1)
    assert agent.last_plan().text("id") == agent.check().id


def test_a_run_that_changed_anything_looks_again(agent: Agent) -> None:
    agent.machine.offer("a")

    assert agent.upgrade().result is Result.UPDATED
    assert agent.machine.looks > 1


def test_a_run_without_lists_is_not_up_to_date(agent: Agent) -> None:
    assert agent.upgrade(refresh=False).result is Result.STALE


def test_a_run_with_stale_lists_is_not_up_to_date(agent: Agent) -> None:
    agent.verified(hours=37)

    assert agent.upgrade(refresh=False).result is Result.STALE


def test_a_run_with_lists_within_their_maximum_age_is_up_to_date(agent: Agent) -> None:
    agent.verified(hours=35)

    assert agent.upgrade(refresh=False).result is Result.UP_TO_DATE
    assert agent.machine.done == []


def test_a_run_whose_security_lists_fail_is_not_up_to_date(agent: Agent) -> None:
    agent.verified(hours=1)
    before = agent.context.record.load_refresh().verified_at
    agent.machine.refresh_errors = (failing("security", security=True),)

    done = agent.upgrade()

    assert done.result is Result.DEGRADED
    assert done.lists is not None
    assert done.lists.updated_at == before
    assert [error.source for error in done.lists.errors] == ["security"]


def test_a_run_whose_other_lists_fail_is_degraded(agent: Agent) -> None:
    agent.machine.refresh_errors = (failing("ppa", security=False),)

    done = agent.upgrade()

    assert done.result is Result.DEGRADED
    assert done.lists is not None
    assert done.lists.updated_at == agent.machine.now()


def test_a_failed_source_is_recorded_until_a_refresh_succeeds(agent: Agent) -> None:
    agent.machine.refresh_errors = (failing("ppa", security=False),)
    agent.upgrade()

    assert agent.upgrade(refresh=False).result is Result.DEGRADED
    agent.machine.refresh_errors = ()
    assert agent.upgrade().result is Result.UP_TO_DATE


def test_only_security_updates_are_installed(agent: Agent) -> None:
    agent.machine.offer("a", Offer(package="b", security=False))
    agent.machine.put("c", 1)

    done = agent.upgrade()

    assert done.result is Result.UPDATED
    assert [(step.package, step.installed, step.candidate) for step in done.upgraded] == [("a", "1", "2")]
    assert agent.machine.versions() == {"a": "2", "b": "1", "c": "1"}
    assert agent.machine.done == ["refresh", "fetch a", "install a"]


def test_a_second_run_finds_nothing_to_do(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.upgrade()
    agent.machine.done.clear()

    assert agent.upgrade().result is Result.UP_TO_DATE
    assert agent.machine.done == ["refresh"]


def test_the_scope_of_all_installs_the_highest_versions(agent: Agent) -> None:
    agent.machine.offer("a", Offer(package="a", version=3, security=False), Offer(package="b", security=False))

    done = agent.upgrade(Scope.ALL)

    assert done.result is Result.UPDATED
    assert agent.machine.versions() == {"a": "3", "b": "2"}


def test_a_new_dependency_is_installed(agent: Agent) -> None:
    agent.machine.offer(Offer(package="a", needs=("n",)))
    agent.machine.publish(Offer(package="n"))

    done = agent.upgrade()

    assert done.result is Result.UPDATED
    assert [(step.package, step.new) for step in done.upgraded] == [("a", False), ("n", True)]


def test_a_held_update_is_reported_and_not_installed(agent: Agent) -> None:
    agent.machine.offer("a", "b", Offer(package="c", needs=("a",)))
    agent.machine.on_hold.add("a")

    done = agent.upgrade()

    assert done.result is Result.DEGRADED
    assert [(one.package, one.why) for one in done.held] == [("a", Why.HELD_BY_ADMIN), ("c", Why.HELD_BY_ADMIN)]
    assert agent.machine.versions() == {"a": "1", "b": "2", "c": "1"}


def test_a_run_reports_a_required_reboot_and_kept_conffiles(agent: Agent) -> None:
    agent.machine.offer("a")
    now = agent.machine.now()
    agent.machine.conffiles = [
        ("a", "/etc/a.conf", now),
        ("a", "/etc/long-ago", now - timedelta(days=1)),
        ("b", "/etc/b.conf", now),
    ]
    agent.machine.required_reboot = Reboot(required=True, packages=("a",))

    done = agent.upgrade()

    assert done.conffiles_kept == ("/etc/a.conf",)
    assert done.reboot == agent.machine.required_reboot


def test_only_the_plans_steps_are_executed(agent: Agent) -> None:
    agent.machine.offer(*"abcdefgh", Offer(package="o", security=False), Offer(package="n", needs=("d",)))
    agent.machine.on_hold.add("b")
    agent.machine.fails = {"c": Stage.CONFIGURE, "e": Stage.UNPACK}
    agent.machine.missing.add("f")
    agent.policy = given.policy(blocklist=("d",))
    planned = set(names(agent.check().install))

    agent.upgrade()

    requested = {package for line in agent.machine.done for package in line.split()[1:]}
    assert requested == planned == {"a", "c", "e", "f", "g", "h"}
    assert {name: agent.machine.versions()[name] for name in "bdon"} == dict.fromkeys("bdon", "1")


# failures


@pytest.mark.parametrize("stage", [Stage.UNPACK, Stage.CONFIGURE])
@pytest.mark.parametrize("bad", ["p00", "p13", "p59"])
def test_one_failing_package_of_sixty_fails_alone(agent: Agent, stage: Stage, bad: str) -> None:
    agent.machine.offer(*(f"p{number:02}" for number in range(60)))
    agent.machine.fails = {bad: stage}

    done = agent.upgrade()

    assert done.result is Result.FAILED
    assert [(str(failure.package), failure.stage) for failure in done.failed] == [(f"{bad}:{ARCHITECTURE}", stage)]
    assert "returned error exit status 1" in done.failed[0].error
    assert len(done.upgraded) == 59
    assert bad not in names(done.upgraded)
    assert [
        name for name, state in agent.machine.packages.items() if state != PackageState(version="2", state="installed")
    ] == [bad]


def test_packages_behind_a_failure_are_retried_but_not_the_failed_one(agent: Agent) -> None:
    agent.machine.offer("a", "b", "c")
    agent.machine.fails = {"a": Stage.UNPACK}

    agent.upgrade()

    assert agent.machine.done == ["refresh", "fetch a b c", "install a b c", "install b c"]


def test_packages_that_dpkg_never_reaches_are_retried_one_by_one(agent: Agent) -> None:
    agent.machine.offer("a", "b", "c", "d")
    agent.machine.fails = {"a": Stage.UNPACK}
    agent.machine.idle.extend([False, True, True])

    done = agent.upgrade()

    assert agent.machine.done[2:] == ["install a b c d", "install b c d", "install b", "install c", "install d"]
    assert names(done.failed) == ["a:amd64", "b:amd64"]
    assert "again when the package was retried alone" in done.failed[1].error
    assert names(done.upgraded) == ["c", "d"]


def test_packages_that_changed_before_the_retry_are_planned_again(agent: Agent) -> None:
    agent.machine.offer("a", "b", "c")
    agent.machine.fails = {"a": Stage.UNPACK}
    agent.machine.before_install.extend([lambda: None, lambda: agent.machine.lists.remove(Offer(package="b"))])

    done = agent.upgrade()

    assert agent.machine.done[2:] == ["install a b c", "install b c", "fetch c", "install c"]
    assert [(str(one.package), one.error) for one in done.failed] == [
        ("a:amd64", "new pre-installation script returned error exit status 1")
    ]
    assert names(done.upgraded) == ["c"]


def test_an_error_of_dpkg_itself_ends_the_run_and_is_reported_once(agent: Agent) -> None:
    agent.machine.offer("a", "b", "c")
    agent.machine.cause = "dpkg: error: unknown option"

    done = agent.upgrade()

    assert (done.result, done.message, done.failed) == (Result.FAILED, "dpkg: error: unknown option", ())
    assert agent.machine.done[2:] == ["install a b c"]


def test_a_hook_that_fails_after_the_work_degrades_the_run(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.hook_error = "Problem executing scripts DPkg::Post-Invoke 'false'"

    done = agent.upgrade()

    assert (done.result, done.message) == (Result.DEGRADED, agent.machine.hook_error)
    assert names(done.upgraded) == ["a"]


def test_several_failing_packages_fail_alone(agent: Agent) -> None:
    agent.machine.offer(*(f"p{number:02}" for number in range(10)))
    agent.machine.fails = {"p02": Stage.UNPACK, "p05": Stage.CONFIGURE, "p07": Stage.UNPACK}

    done = agent.upgrade()

    assert names(done.failed) == ["p02:amd64", "p05:amd64", "p07:amd64"]
    assert len(done.upgraded) == 7


def test_a_failed_package_fails_only_its_dependants(agent: Agent) -> None:
    agent.machine.offer(Offer(package="app", needs=("lib",)), "lib", "z")
    agent.machine.fails = {"lib": Stage.CONFIGURE}

    done = agent.upgrade()

    assert [(str(one.package), one.error.split(" ")[0]) for one in done.failed] == [
        ("app:amd64", "dependency"),
        ("lib:amd64", "installed"),
    ]
    assert names(done.upgraded) == ["z"]


def test_the_next_run_retries_a_failed_package(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.fails = {"a": Stage.UNPACK}
    agent.upgrade()
    agent.machine.fails = {}

    assert agent.upgrade().result is Result.UPDATED


def test_the_next_run_repairs_a_half_configured_package(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.fails = {"a": Stage.CONFIGURE}
    agent.upgrade()
    agent.machine.fails = {}

    done = agent.upgrade()

    assert done.result is Result.UPDATED
    assert names(done.repaired) == ["a"]


# progress and log


def test_progress_is_reported(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    agent.machine.put("r", 1, "half-configured")

    agent.upgrade()

    assert agent.progress == [
        "fetching the package lists",
        "finishing what an interrupted dpkg left behind",
        "downloading 2 packages",
        "installing 2 packages, transaction 1 of 1",
    ]


def test_a_failed_run_logs_an_error_for_each_failed_package_up_to_a_number(agent: Agent) -> None:
    names = [f"p{number:02}" for number in range(25)]
    agent.machine.offer(*names)
    agent.machine.fails = dict.fromkeys(names, Stage.CONFIGURE)

    with captured_log() as lines:
        done = agent.upgrade()

    failed = [line for line in lines if line.event == "package.failed"]
    fields = [journal_fields(line) for line in failed]
    assert [one["MAESTRO_PACKAGE"] for one in fields] == [one.package.label for one in done.failed[:20]]
    assert {(one["PRIORITY"], one["MAESTRO_RUN"]) for one in fields} == {("3", done.id)}
    assert all(one.error in line.message for one, line in zip(done.failed, failed, strict=False))
    assert len(lists_of(lines[-1].data["failed"])) == len(names)


def test_a_run_logs_one_line(agent: Agent) -> None:
    agent.machine.offer("a", "b", "c")
    agent.machine.fails = {"b": Stage.CONFIGURE}
    agent.machine.on_hold.add("c")

    with captured_log() as lines:
        done = agent.upgrade()

    assert [line.event for line in lines] == ["lists.refreshed", "package.failed", "upgrade.failed"]
    run = lines[-1].data
    assert (run["run"], run["scope"], run["result"]) == (done.id, "security", "failed")
    assert (run["installed"], run["held"]) == (["a 1 -> 2"], ["c (held-by-admin)"])
    assert [str(one).partition(":")[0] for one in lists_of(run["failed"])] == ["b (configure)"]


def lists_of(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


@pytest.mark.parametrize(
    ("arrange", "event", "priority"),
    [
        (lambda _agent: None, "upgrade.finished", 6),
        (lambda agent: agent.machine.on_hold.add("a"), "upgrade.finished", 6),
        (lambda agent: setattr(agent.machine, "holder", "apt-get (pid 812)"), "upgrade.postponed", 4),
        (lambda agent: agent.machine.fails.update(a=Stage.UNPACK), "upgrade.failed", 3),
    ],
)
def test_the_event_of_a_run_says_how_it_ended(
    agent: Agent, arrange: Callable[[Agent], None], event: str, priority: int
) -> None:
    agent.machine.offer("a")
    arrange(agent)

    with captured_log() as lines:
        agent.upgrade()

    assert (lines[-1].event, lines[-1].priority) == (event, priority)


def test_a_check_logs_one_line_with_the_failed_sources(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.refresh_errors = (failing("ppa", security=False),)

    with captured_log() as lines:
        plan = agent.check()

    refreshed, checked = lines
    assert (refreshed.event, refreshed.priority) == ("lists.incomplete", 4)
    assert "ppa (unreachable)" in refreshed.message
    assert (checked.event, checked.data["plan"], checked.data["lists"]) == ("check.finished", plan.id, "partial")
    assert (checked.data["install"], checked.data["held"]) == (["a 1 -> 2"], [])


# downloads


def test_a_superseded_package_is_found_after_one_refresh(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    agent.verified(hours=1)
    agent.machine.before_fetch.append(lambda: agent.machine.publish(Offer(package="a", version=3)))

    done = agent.upgrade()

    assert done.result is Result.UPDATED
    assert agent.machine.versions() == {"a": "3", "b": "2"}
    assert agent.machine.done == ["refresh", "fetch a b", "refresh", "fetch a b", "install a b"]


def test_a_package_that_cannot_be_downloaded_is_dropped(agent: Agent) -> None:
    agent.machine.offer("a", "b", "c")
    agent.machine.missing.add("b")

    done = agent.upgrade()

    assert done.result is Result.DEGRADED
    assert [(one.package, one.why, one.detail) for one in done.held] == [("b", Why.DOWNLOAD_FAILED, "404  Not Found")]
    assert names(done.upgraded) == ["a", "c"]
    assert agent.machine.done.count("refresh") == 2


def test_without_refresh_a_failed_download_does_not_refresh(agent: Agent) -> None:
    agent.verified(hours=1)
    agent.machine.offer("a", "b")
    agent.machine.missing.add("b")

    done = agent.upgrade(refresh=False)

    assert agent.machine.done == ["fetch a b", "fetch a", "install a"]
    assert names(done.held) == ["b"]


def test_dependants_of_a_missing_download_are_held(agent: Agent) -> None:
    agent.machine.offer(Offer(package="app", needs=("lib",)), "lib", "z")
    agent.machine.missing.add("lib")

    done = agent.upgrade()

    assert [(one.package, one.why) for one in done.held] == [
        ("app", Why.DOWNLOAD_FAILED),
        ("lib", Why.DOWNLOAD_FAILED),
    ]
    assert names(done.upgraded) == ["z"]


def unpublished_version(agent: Agent) -> None:
    """List a security update and a higher version that no server has."""
    agent.machine.offer("a", Offer(package="a", version=3, security=False), "b")
    agent.machine.archive = [offer for offer in agent.machine.archive if offer.version != 3]


def version_that_prompts(agent: Agent) -> None:
    """Offer a security update and a higher version with a conffile that was changed on this machine."""
    agent.policy = given.policy(conffiles=Conffiles.HOLD)
    agent.machine.offer("a", Offer(package="a", version=3, security=False), "b")
    agent.machine.asks = {"a": "/etc/a.conf was changed on this machine"}
    agent.machine.before_fetch.extend([lambda: None, agent.machine.asks.clear])


def version_without_space(agent: Agent) -> None:
    """Offer a security update and a higher version that the file system has no space for."""
    agent.machine.offer("a", Offer(package="a", version=3, security=False), "b")
    agent.machine.before_fetch.append(raising(NoSpaceError("not enough space for /usr", ("a",))))


@pytest.mark.parametrize(
    ("bring_about", "why"),
    [
        (unpublished_version, Why.DOWNLOAD_FAILED),
        (version_that_prompts, Why.CONFFILE),
        (version_without_space, Why.NO_SPACE),
    ],
)
def test_a_higher_version_that_cannot_be_had_does_not_keep_the_security_update_back(
    agent: Agent, bring_about: Callable[[Agent], None], why: Why
) -> None:
    agent.verified(hours=1)
    bring_about(agent)

    done = agent.upgrade(Scope.ALL, refresh=False)

    assert done.result is Result.DEGRADED
    assert agent.machine.versions() == {"a": "2", "b": "2"}
    assert [(one.package, one.candidate, one.why) for one in done.held] == [("a", "3", why)]


def test_a_package_that_would_prompt_is_held_with_its_dependants_if_configured(agent: Agent) -> None:
    agent.policy = given.policy(conffiles=Conffiles.HOLD)
    agent.machine.offer(Offer(package="app", needs=("lib",)), "lib", "z")
    agent.machine.asks = {"lib": "/etc/lib.conf was changed on this machine"}

    done = agent.upgrade()

    assert done.result is Result.DEGRADED
    assert [(one.package, one.why) for one in done.held] == [("app", Why.CONFFILE), ("lib", Why.CONFFILE)]
    assert all("/etc/lib.conf was changed on this machine" in one.detail for one in done.held)
    assert names(done.upgraded) == ["z"]
    assert agent.machine.done == ["refresh", "fetch app lib z", "fetch z", "install z"]


def test_a_run_with_only_a_held_prompt_is_degraded(agent: Agent) -> None:
    agent.policy = given.policy(conffiles=Conffiles.HOLD)
    agent.machine.offer("a")
    agent.machine.asks = {"a": "/etc/a.conf was changed on this machine"}

    done = agent.upgrade()

    assert (done.result, names(done.held), names(done.upgraded)) == (Result.DEGRADED, ["a"], [])
    assert agent.machine.transactions() == 0


def test_prompts_are_not_predicted_if_local_files_are_kept(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.asks = {"a": "/etc/a.conf was changed on this machine"}

    done = agent.upgrade()

    assert (done.result, names(done.upgraded)) == (Result.UPDATED, ["a"])


def test_kept_conffiles_of_failed_and_repaired_packages_are_reported(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.put("r", 1, "unpacked")
    agent.machine.fails = {"a": Stage.CONFIGURE}
    agent.machine.conffiles = [("a", "/etc/a.conf", agent.machine.now()), ("r", "/etc/r.conf", agent.machine.now())]

    done = agent.upgrade()

    assert (names(done.failed), names(done.repaired)) == (["a:amd64"], ["r"])
    assert done.conffiles_kept == ("/etc/a.conf", "/etc/r.conf")


def test_nothing_is_installed_if_no_download_succeeds(agent: Agent) -> None:
    agent.machine.offer("a", "b")
    agent.machine.missing |= {"a", "b"}

    done = agent.upgrade()

    assert done.result is Result.DEGRADED
    assert names(done.held) == ["a", "b"]
    assert agent.machine.transactions() == 0


def test_a_failed_download_outside_of_the_plan_ends_the_run(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.fetch_errors = {"a-under-another-name": "404  Not Found"}
    agent.machine.before_fetch.extend([lambda: None] * 20)
    agent.machine.before_fetch.append(raising(HostError("requested again and again")))

    assert "again and again" not in agent.upgrade().message


def test_downloads_are_counted_and_removed(agent: Agent) -> None:
    agent.machine.offer("a", "b", "c")
    agent.machine.missing.add("b")

    done = agent.upgrade()

    assert done.downloaded_bytes == 2000
    assert agent.machine.downloaded == set()


# explain


def test_an_explanation_changes_and_records_nothing(agent: Agent) -> None:
    agent.machine.offer("a")
    agent.machine.on_hold.add("a")
    agent.verified(hours=1)

    explanation, _ = explain(agent.context, "a")

    assert explanation.conclusion.value == "held"
    assert agent.machine.done == []
    assert agent.store.read(STATE, "maestro.state/1") is None


def test_an_unknown_package_is_an_error_that_suggests_similar_names(agent: Agent) -> None:
    agent.machine.put("openssl", 1)
    agent.machine.put("openssh", 1)

    with pytest.raises(UsageError, match=r"no package named 'openssll' .* did you mean openssh or openssl\?"):
        explain(agent.context, "openssll")


def test_an_unknown_package_without_similar_names_is_an_error(agent: Agent) -> None:
    with pytest.raises(UsageError, match=r"no package named 'zzz' is known to apt on this machine$"):
        explain(agent.context, "zzz")
