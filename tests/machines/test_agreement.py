"""`upgrade` on a terminal: the plan, one question, and then exactly what was agreed to, or nothing."""

from typing import Any

import pytest

from tests.support.repository import package
from tests.support.scenario import Scenario, names
from tests.support.terminal import Shown, at_terminal

QUESTION = "[y/N] "


def runs(host: Scenario) -> Any:
    return host.agent("history --json").json["runs"]


def upgrade(host: Scenario, typed: str | None, arguments: str = "", meanwhile: str = "", columns: int = 100) -> Shown:
    return at_terminal(
        host.machine, f"maestro-agent upgrade {arguments}", (QUESTION, typed, meanwhile), columns=columns
    )


@pytest.mark.every_release
@pytest.mark.parametrize("yes", ["y\n", "Y\n", "yes\n", " YES \n"])
def test_yes_installs_what_was_shown(host: Scenario, yes: str) -> None:
    host.offer("security", package("a", "2"), package("b", "2"))

    shown = upgrade(host, yes)

    assert shown.code == 0
    assert "Install 2 packages? [y/N] " in shown.text
    assert shown.text.index("2 security updates to install") < shown.text.index(QUESTION)
    assert host.versions("a", "b") == {"a": "2", "b": "2"}
    assert [names(run["upgraded"]) for run in runs(host)] == [["a", "b"]]


@pytest.mark.parametrize(
    "no", ["n\n", "\n", "no\n", "x\n", "yy\n", "\x04", "\xff\n", "\x1b[A\n", "j\n", "y" * 900 + "\n"]
)
def test_anything_else_does_nothing(host: Scenario, no: str) -> None:
    host.offer("security", package("a", "2"))

    shown = upgrade(host, no)

    assert shown.code == 1
    assert host.versions("a") == {"a": "1"}
    assert runs(host) == []
    assert host.agent("status --json").json["jobs"]["upgrade"]["last_started_at"] is None


def test_ctrl_c_does_nothing(host: Scenario) -> None:
    host.offer("security", package("a", "2"))

    shown = upgrade(host, "\x03")

    assert (shown.code, "nothing was changed" in shown.text) == (130, True)
    assert (host.versions("a"), runs(host)) == ({"a": "1"}, [])


def test_a_terminal_that_goes_away_does_nothing(host: Scenario) -> None:
    host.offer("security", package("a", "2"))

    upgrade(host, None)

    assert (host.versions("a"), runs(host)) == ({"a": "1"}, [])


@pytest.mark.parametrize("arguments", ["--yes", "-y", "--yes --all", "--json", "--quiet", "--yes --plan {}", "-y a"])
def test_nobody_is_asked_who_said_yes_before(host: Scenario, arguments: str) -> None:
    host.offer("security", package("a", "2"))
    plan = host.check()["id"]

    shown = at_terminal(host.machine, f"maestro-agent upgrade {arguments.format(plan)}")

    assert (shown.code, QUESTION in shown.text) == (0, False)
    assert host.versions("a") == {"a": "2"}


@pytest.mark.parametrize("end", ["< /dev/null", "| cat", "> /root/out", "--yes < /dev/null > /root/out"])
def test_a_script_is_never_asked(host: Scenario, end: str) -> None:
    host.offer("security", package("a", "2"))

    shown = at_terminal(host.machine, f"sh -c 'maestro-agent upgrade {end}'")

    assert (shown.code, QUESTION in shown.text) == (0, False)
    assert host.versions("a") == {"a": "2"}


def test_a_dry_run_asks_nothing(host: Scenario) -> None:
    host.offer("security", package("a", "2"))

    shown = at_terminal(host.machine, "maestro-agent upgrade --dry-run --no-refresh")

    assert QUESTION not in shown.text


def test_nothing_to_do_asks_nothing(host: Scenario) -> None:
    host.install(package("a", "1"))
    host.repository("security", package("a", "1"))

    shown = at_terminal(host.machine, "maestro-agent upgrade")

    assert (shown.code, QUESTION in shown.text) == (0, False)
    assert [run["result"] for run in runs(host)] == ["up-to-date"]


def test_only_held_updates_ask_nothing(host: Scenario) -> None:
    host.offer("security", package("a", "2"))
    host.machine.check("apt-mark hold a")

    shown = at_terminal(host.machine, "maestro-agent upgrade")

    assert (shown.code, QUESTION in shown.text) == (10, False)


def test_a_machine_that_changed_since_the_question_is_left_alone(host: Scenario) -> None:
    host.offer("security", package("a", "2"), package("b", "2"))

    shown = upgrade(host, "y\n", meanwhile="apt-mark hold a > /dev/null")

    assert shown.code == 6
    assert "held back now: held-by-admin" in " ".join(shown.text.split())
    assert (host.versions("a", "b"), runs(host)) == ({"a": "1", "b": "1"}, [])


def test_a_newer_update_since_the_question_is_not_installed(host: Scenario) -> None:
    made = host.offer("security", package("a", "2"))
    host.install(package("b", "1"))
    host.machine.check("cp -a /srv/security /srv/older")
    made.add(package("b", "2"))
    host.machine.check("mv /srv/security /srv/newer && mv /srv/older /srv/security")
    newer = "rm -r /srv/security && mv /srv/newer /srv/security && apt-get -qq update"

    shown = upgrade(host, "y\n", meanwhile=newer)

    assert (shown.code, "new: b:amd64 1 -> 2" in " ".join(shown.text.split())) == (6, True)
    assert host.versions("a", "b") == {"a": "1", "b": "1"}


def test_the_requested_packages_alone_are_asked_for(host: Scenario) -> None:
    host.offer("security", package("a", "2"), package("b", "2"))

    shown = upgrade(host, "y\n", "b")

    assert "Install 1 package? [y/N] " in shown.text
    assert host.versions("a", "b") == {"a": "1", "b": "2"}


def test_a_plan_that_has_gone_is_refused_before_the_question(host: Scenario) -> None:
    host.offer("security", package("a", "2"))

    shown = at_terminal(host.machine, "maestro-agent upgrade --plan 0123456789ab")

    assert (shown.code, QUESTION in shown.text) == (6, False)


def test_a_repair_is_asked_for(host: Scenario) -> None:
    host.repository("security")
    host.machine.path("/srv/a.deb").write_bytes(package("a", "1", postinst="test -e /ready").build())
    host.machine.run("dpkg -i /srv/a.deb")
    host.machine.check("touch /ready")

    shown = upgrade(host, "y\n")

    assert (shown.code, "Repair 1 package? [y/N] " in shown.text) == (0, True)


def test_without_root_nobody_is_asked(host: Scenario) -> None:
    host.offer("security", package("a", "2"))
    host.machine.check("chmod 755 /root")

    shown = at_terminal(host.machine, "setpriv --reuid 65534 --clear-groups maestro-agent upgrade")

    assert (shown.code, QUESTION in shown.text) == (4, False)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(host: Scenario, columns: int) -> None:
    host.offer("security", *[package(f"a-package-with-a-long-name-{number}", "2") for number in range(30)])

    shown = upgrade(host, "n\n", columns=columns)

    plan = shown.text.rpartition("\033[K")[2]
    assert max(len(line) for line in plan.splitlines()) <= columns
