"""Hooks around an upgrade with real packages: what they see, what they prevent, and that they run after a kill."""

import json
from typing import Any

import pytest

from tests.support.repository import package
from tests.support.scenario import Scenario

HOOKS = "/etc/maestro-agent/hooks"
SEES = r"""version=$(dpkg-query -W -f '${Version}' a)
printf '{"hook": "%s", "a": "%s", "given": %s}\n' "$MAESTRO_HOOK" "$version" "$(cat)" >>/ran"""
"""Notes the hook's name, the installed version and what it got."""


def add(host: Scenario, hook: str, body: str = SEES, mode: str = "755") -> None:
    host.machine.write(f"{HOOKS}/{hook}", f"#!/bin/sh\n{body}\n")
    host.machine.check(f"chmod {mode} {HOOKS}/{hook}")


def ran(host: Scenario) -> list[Any]:
    """Return what the hooks noted since the last call."""
    return [json.loads(line) for line in host.machine.check("touch /ran; cat /ran; rm /ran").splitlines()]


@pytest.fixture
def server(host: Scenario) -> Scenario:
    """Return a machine with a pending update and one file for both directories."""
    host.offer("security", package("a", "2"))
    add(host, "pre-upgrade.d/10-both")
    host.machine.check(f"mkdir {HOOKS}/post-upgrade.d && ln -s ../pre-upgrade.d/10-both {HOOKS}/post-upgrade.d/10-both")
    return host


@pytest.mark.every_release
def test_hooks_see_the_machine_before_and_after(server: Scenario) -> None:
    done = server.upgrade()
    before, after = ran(server)

    assert (done.code, done.json["result"]) == (0, "updated")
    assert (before["hook"], before["a"], before["given"]["schema"]) == ("pre-upgrade", "1", "maestro.plan/1")
    assert [step["package"] for step in before["given"]["install"]] == ["a"]
    assert (after["hook"], after["a"], after["given"]["id"]) == ("post-upgrade", "2", done.json["id"])
    assert (server.upgrade().json["result"], ran(server)) == ("up-to-date", [])


def test_a_check_and_a_dry_run_run_no_hook(server: Scenario) -> None:
    server.check()
    server.agent("upgrade --dry-run")

    assert ran(server) == []


def test_a_hook_defers_the_upgrade_and_the_next_run_carries_it_out(server: Scenario) -> None:
    add(server, "pre-upgrade.d/20-busy", "echo a backup is running; exit 75")

    deferred = server.upgrade()
    status = server.agent("status --json")
    noted = ran(server)
    server.machine.check(f"rm {HOOKS}/pre-upgrade.d/20-busy")

    assert (deferred.code, deferred.json["result"], deferred.json["upgraded"]) == (5, "deferred", [])
    assert "a backup is running" in deferred.json["message"]
    assert status.json["last_run"]["result"] == "deferred"
    assert [(one["hook"], one["a"]) for one in noted] == [("pre-upgrade", "1"), ("post-upgrade", "1")]
    assert server.upgrade().json["result"] == "updated"


@pytest.mark.parametrize("place", ["hooks/pre-upgrade.d/10-both", "hooks/pre-upgrade.d", "hooks"])
def test_a_hook_that_others_can_change_is_not_run_and_prevents_the_upgrade(server: Scenario, place: str) -> None:
    server.machine.check(f"chmod o+w /etc/maestro-agent/{place}")

    refused, checked = server.upgrade(), server.agent("config check")
    noted = ran(server)
    server.machine.check(f"chmod o-w /etc/maestro-agent/{place}")

    assert (refused.code, refused.json["result"], noted) == (1, "failed", [])
    assert f"/etc/maestro-agent/{place} is writable by others" in refused.json["message"]
    assert f"{HOOKS}/pre-upgrade.d/10-both" in checked.err
    assert server.machine.version("a") == "1"
    assert server.upgrade().json["result"] == "updated"


@pytest.mark.parametrize("job", ["check", "upgrade"])
def test_after_a_kill_the_next_job_runs_the_hooks_that_are_owed(server: Scenario, job: str) -> None:
    add(server, "pre-upgrade.d/20-kill", "kill -KILL $PPID; sleep 5")
    killed = server.agent("upgrade")
    server.machine.check(f"rm {HOOKS}/pre-upgrade.d/20-kill")
    left = ran(server)
    run = server.agent("history --json").json["runs"][0]["id"]

    server.agent(job)
    paid, *then = ran(server)
    server.agent("check")

    assert killed.code == 1
    assert [one["hook"] for one in left] == ["pre-upgrade"]
    assert (paid["hook"], paid["given"]["id"], paid["given"]["result"]) == ("post-upgrade", run, "interrupted")
    assert [one["hook"] for one in then] == (["pre-upgrade", "post-upgrade"] if job == "upgrade" else [])
    assert ran(server) == []
