"""The commands as people and scripts use them: documents, exit codes, and an error for every wrong input."""

import json
import re

import pytest

from agent.core.packages.gates.registry import GATES
from tests.support.repository import package
from tests.support.scenario import Scenario, names


def gates(document: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {gate["gate"]: gate["verdict"] for gate in document["gates"]}


def test_status_of_an_unchecked_machine_is_unknown(host: Scenario) -> None:
    answer = host.agent("status --json")

    assert (answer.code, answer.json["health"]) == (3, "unknown")
    assert answer.json["plan"] is answer.json["last_run"] is answer.json["docker"] is None


@pytest.mark.every_release
def test_status_shows_pending_updates_and_is_healthy_after_the_upgrade(host: Scenario) -> None:
    host.offer("security", package("a", "2"))
    host.check()

    waiting = host.agent("status")
    host.upgrade()
    done = host.agent("status", user="65534")

    assert (waiting.code, done.code) == (10, 0)
    assert "1 security update pending: run `maestro-agent upgrade`" in waiting.out
    assert "HEALTHY" in done.out.splitlines()[0]


def test_every_update_names_its_source_package(host: Scenario) -> None:
    from_suite = (package("a", "2", source="suite"), package("b", "2", source="suite (9-1)"))
    host.offer("security", *from_suite, package("c", "2"))
    host.machine.check("apt-mark hold b")

    plan, done = host.check(), host.upgrade().json

    expected = [("a", "suite"), ("c", "c")], [("b", "suite")]
    assert [[(one["package"], one["source"]) for one in plan[part]] for part in ("install", "held")] == list(expected)
    assert [[(one["package"], one["source"]) for one in done[part]] for part in ("upgraded", "held")] == list(expected)


def test_status_reads_the_current_reboot_flag(host: Scenario) -> None:
    host.repository("security")
    host.check()
    host.machine.write("/run/reboot-required", "")
    host.machine.write("/run/reboot-required.pkgs", "linux-image-9\nlibc6\nlibc6\n")

    answer = host.agent("status --json")

    assert answer.code == 10
    assert answer.json["reboot"]["packages"] == ["libc6", "linux-image-9"]


def test_a_required_reboot_is_reported_and_never_done(host: Scenario) -> None:
    host.offer("security", package("a", "2", postinst="touch /run/reboot-required; echo a > /run/reboot-required.pkgs"))
    host.machine.write("/usr/sbin/reboot", "#!/bin/sh\ntouch /rebooted\n", mode=0o755)
    host.machine.write("/usr/sbin/shutdown", "#!/bin/sh\ntouch /rebooted\n", mode=0o755)

    done = host.upgrade()
    explained = host.agent("explain reboot --json")

    assert (done.code, done.json["reboot"]["required"], done.json["reboot"]["packages"]) == (0, True, ["a"])
    assert gates(explained.json)["required"] == "open"
    assert {name: gates(explained.json)[name] for name in ("policy", "window")} == {
        "policy": "shut",
        "window": "not-asked",
    }
    assert not host.machine.path("/rebooted").exists()


@pytest.mark.every_release
def test_check_without_root_plans_but_does_not_refresh(host: Scenario) -> None:
    host.offer("security", package("a", "2"))
    host.check()

    fetch = host.agent("check", user="65534")
    look = host.agent("check --no-refresh --json", user="65534")

    assert (fetch.code, "needs root" in fetch.err) == (4, True)
    assert (look.code, names(look.json["install"])) == (10, ["a"])
    assert look.err == "maestro-agent: (not recorded: needs root)\n"


def test_upgrade_without_root_is_refused(host: Scenario) -> None:
    answer = host.agent("upgrade", user="65534")

    assert (answer.code, answer.out) == (4, "")
    assert "needs root" in answer.err


def test_equal_plans_have_the_same_id(host: Scenario) -> None:
    host.offer("security", package("a", "2"), package("b", "2"))

    first, second = host.check(), host.check("--no-refresh")
    host.machine.check("apt-mark hold b")

    assert first["id"] == second["id"] != host.check()["id"]


@pytest.mark.every_release
def test_explain_shows_every_gate(host: Scenario) -> None:
    host.offer("security", package("a", "2"))
    host.check()
    host.machine.check("apt-mark hold a")

    answer = host.agent("explain a --json")
    text = host.agent("explain a").out

    assert (answer.code, answer.json["conclusion"]) == (10, "held")
    assert gates(answer.json) == {
        "lists": "open",
        "installed": "open",
        "offer": "open",
        **{gate.name: "open" for gate in GATES},
        "hold": "shut",
        "dependencies": "unknown",
    }
    assert "opens: apt-mark unhold a" in text


def test_explain_names_the_remedy_of_the_package_that_really_blocks(host: Scenario) -> None:
    host.install(package("lib", "1"), package("app", "1", depends="lib (= 1)"), package("top", "1"))
    host.repository(
        "security",
        package("app", "2", depends="lib (= 2)"),
        package("lib", "2"),
        package("top", "2", depends="app (>= 2)"),
    )
    host.machine.check("apt-mark hold app")
    host.check()

    opens = {
        name: [gate["opens"] for gate in host.agent(f"explain --json {name}").json["gates"] if gate["opens"]]
        for name in ("app", "lib", "top")
    }

    assert list(opens.values()) == [["apt-mark unhold app"]] * 3


def test_explain_names_an_update_that_is_not_a_security_update(host: Scenario) -> None:
    host.repository("security")
    host.offer("updates", package("a", "2"))
    host.check()

    answer = host.agent("explain a --json")

    assert answer.json["conclusion"] == "no-security-update"
    assert "stable-updates offers 2, which is not a security update" in answer.out


def test_explain_does_not_trust_missing_lists(host: Scenario) -> None:
    host.install(package("a", "1"))

    assert host.agent("explain a --json").json["conclusion"] == "unknown"


def test_explain_answers_a_script_with_its_exit_code_the_worst_of_several(host: Scenario) -> None:
    host.offer("security", package("pending", "2"), package("kept", "2"))
    host.install(package("current", "1"))
    host.machine.check("apt-mark hold kept")
    unknown = host.agent("explain pending").code
    host.check()

    codes = {
        subjects: host.agent(f"explain {subjects}").code
        for subjects in ("pending", "kept", "current", "current pending", "current nothing kept", "reboot current")
    }
    several = host.agent("explain --json pending current").json

    assert unknown == 3
    assert codes == {
        "pending": 10,
        "kept": 10,
        "current": 0,
        "current pending": 10,
        "current nothing kept": 2,
        "reboot current": 0,
    }
    assert several["schema"] == "maestro.explanations/1"
    assert [one["conclusion"] for one in several["explanations"]] == ["would-install", "no-security-update"]


def test_explain_of_an_unknown_package_suggests_similar_names(host: Scenario) -> None:
    host.install(package("libxyzzy", "1"))

    answer = host.agent("explain libxyzy")

    assert (answer.code, answer.out) == (2, "")
    assert "no package named 'libxyzy'" in answer.err
    assert "did you mean libxyzzy" in answer.err


@pytest.mark.every_release
def test_history_lists_runs_and_shows_one(host: Scenario) -> None:
    host.offer("security", package("a", "2"), package("b", "2", postinst="echo sorry >&2; exit 1"))
    host.upgrade()

    listed = host.agent("history")
    run_id = listed.out.split()[0]
    shown = host.agent(f"history {run_id}")
    document = host.agent(f"history {run_id} --json").json

    assert "FAILED" in listed.out
    assert "a  1 -> 2" in shown.out
    assert "FAILED b (configure)" in shown.out
    assert "sorry" in host.machine.check(f"cat /var/lib/maestro-agent/history/{run_id}.log")
    assert document["schema"] == "maestro.outcome/1"


def test_history_of_an_unknown_run_is_refused(host: Scenario) -> None:
    answer = host.agent("history ../state")

    assert (answer.code, "no run '../state' on record" in answer.err) == (2, True)


def test_a_damaged_record_is_set_aside_and_replaced_by_the_next_check(host: Scenario) -> None:
    host.repository("security")
    host.check()
    for name in ("state", "refresh"):
        host.machine.write(f"/var/lib/maestro-agent/{name}.json", '{"schema": "maestro.')

    broken = host.agent("status")
    checked = host.agent("check")
    mended = host.agent("status")

    assert (broken.code, "is damaged" in broken.out) == (3, True)
    assert checked.err.count("refresh.json: is damaged") == 1
    assert mended.code == 0
    assert host.machine.path("/var/lib/maestro-agent/state.json.unreadable").exists()


def test_no_command_leaves_a_temporary_directory(host: Scenario) -> None:
    """Commands end without tearing the interpreter down, which would remove one that is still referenced."""
    host.repository("security")
    host.check()
    host.machine.check(
        "printf '\\nPackage: broken\\nStatus: install reinstreq half-installed\\nMaintainer: x\\n"
        "Architecture: amd64\\nVersion: 1\\nDescription: x\\n\\n' >>/var/lib/dpkg/status"
    )

    codes = [host.agent(command).code for command in ("check --no-refresh", "explain broken", "explain nothing")]

    assert codes == [10, 10, 2]
    assert host.machine.run("ls -d /tmp/maestro-agent-*").returncode != 0


def test_a_record_of_a_newer_agent_is_set_aside(host: Scenario) -> None:
    host.repository("security")
    host.machine.write("/var/lib/maestro-agent/state.json", '{"schema": "maestro.state/2"}')

    answer = host.agent("status")

    assert (answer.code, "holds 'maestro.state/2'" in answer.out) == (3, True)
    assert host.agent("check").code == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[security]\nblocklists = []\n", "unknown key 'security.blocklists'; did you mean 'security.blocklist'?"),
        ('[apt]\nlock_timeout = "soon"\n', "apt.lock_timeout = 'soon': accepted: a number above 0 and a unit"),
        ('[security]\norigins = ["orgin=Debian"]\n', "unknown key 'orgin'; did you mean 'origin'?"),
        ("[apt\n", "is not valid TOML"),
    ],
)
@pytest.mark.parametrize("command", ["check", "upgrade", "config check", "config show", "explain apt"])
def test_a_wrong_configuration_stops_every_command_that_needs_it(
    host: Scenario, text: str, words: str, command: str
) -> None:
    host.configuration(text)

    answer = host.agent(command)

    assert (answer.code, answer.out) == (78, "")
    assert "/etc/maestro-agent/config.toml" in answer.err
    assert words in answer.err


def test_status_works_with_a_wrong_configuration(host: Scenario) -> None:
    host.repository("security")
    host.check()
    host.configuration("[apt\n")

    assert host.agent("status").code == 0


def test_config_show_names_the_source_of_each_value(host: Scenario) -> None:
    host.configuration('[apt]\nlock_timeout = "5m"\n')
    host.machine.write("/etc/maestro-agent/config.d/50-site.toml", '[security]\nblocklist = ["x"]\n')

    shown = host.agent("config show").out.splitlines()

    assert 'apt.lock_timeout = "5m"    # /etc/maestro-agent/config.toml' in shown
    assert 'security.blocklist = ["x"]    # /etc/maestro-agent/config.d/50-site.toml' in shown
    assert 'apt.max_list_age = "36h"    # default' in shown


@pytest.mark.every_release
@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("/etc/apt/apt.conf.d/99broken", "APT { oops\n", "99broken"),
        ("/etc/apt/sources.list.d/broken.list", "deb http://\n", "broken.list"),
        ("/etc/apt/sources.list.d/broken.sources", "Types: deb\nURIs: x\n", "broken.sources"),
    ],
)
@pytest.mark.parametrize("command", ["check", "check --no-refresh", "upgrade"])
def test_a_broken_apt_configuration_is_reported(host: Scenario, file: str, text: str, words: str, command: str) -> None:
    host.offer("security", package("a", "2"))
    host.machine.write(file, text)

    answer = host.agent(command)

    assert answer.code == 1
    assert words in answer.err + answer.out
    assert host.versions("a") == {"a": "1"}


def test_nothing_is_changed_if_the_state_directory_is_not_writable(host: Scenario) -> None:
    host.offer("security", package("a", "2"))
    host.machine.write("/var/lib/maestro-agent", "a file where the directory should be")

    answer = host.agent("upgrade")

    assert (answer.code, "the record cannot be written there" in answer.err) == (1, True)
    assert host.versions("a") == {"a": "1"}


def test_an_unknown_distribution_requires_configured_origins(host: Scenario) -> None:
    host.machine.check("rm -f /etc/os-release")
    host.machine.write("/etc/os-release", "ID=plan9\n")

    answer = host.agent("check")

    assert (answer.code, "'plan9'" in answer.err) == (78, True)


@pytest.mark.every_release
@pytest.mark.parametrize("arguments", ["", "nonsense", "status --nonsense", "upgrade --all --security", "history a b"])
def test_a_wrong_command_line_is_a_usage_error(host: Scenario, arguments: str) -> None:
    answer = host.agent(arguments)

    assert answer.code == 2
    assert "usage: maestro-agent" in answer.err


@pytest.mark.parametrize("option", ["--state-dir", "--config"])
def test_an_option_value_is_never_taken_for_the_command(host: Scenario, option: str) -> None:
    answer = host.agent(f"{option} history status")

    assert answer.code == 3


@pytest.mark.every_release
@pytest.mark.parametrize("verb", ["", "status", "check", "upgrade", "explain", "history", "config"])
def test_every_command_has_help_with_an_example(host: Scenario, verb: str) -> None:
    answer = host.agent(f"{verb} --help")

    assert answer.code == 0
    assert "example: " in answer.out


@pytest.mark.parametrize(
    "output",
    [
        "| true",
        ">/dev/full 2>&1",
        ">&- 2>&-",
        "<&- >&- 2>&-",
        "2>&1 | head -c1 >/dev/null",
        "</dev/null >/dev/null 2>/dev/full",
    ],
)
def test_an_upgrade_ends_with_the_code_of_its_work_wherever_its_output_goes(host: Scenario, output: str) -> None:
    host.offer("security", package("a", "2", postinst="echo 'r\u00e9sum\u00e9 \u65e5\u672c'"), package("b", "2"))
    host.machine.check("apt-mark hold b")

    for arguments in ("upgrade", "upgrade --no-refresh --json"):
        done = host.machine.run(
            f"export LC_ALL=C; bash -c 'maestro-agent {arguments} {output}; exit ${{PIPESTATUS[0]}}'"
        )
        assert (done.returncode, "Traceback" in done.stderr + done.stdout) == (10, False)

    assert host.versions("a", "b") == {"a": "2", "b": "1"}


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_every_screen_fits_its_terminal_and_holds_no_foreign_escape(host: Scenario, columns: int) -> None:
    source, version = "source-of-many", "1:1.22.1-9+deb12u3~really2"
    many = (package(f"library-number-{one}", version, source=source) for one in range(3))
    broken = package("broken-one", version, postinst="printf 'no\\033[31m reason\\n' >&2; exit 1")
    needs = package("needs-another", version, depends="something-that-nobody-offers (>= 1:2.3.4-5)")
    host.offer("security", *many, broken, needs, package("held-by-hand", version))
    host.machine.check("apt-mark hold held-by-hand")
    host.check()
    screens = [
        *("status", "status -v", "check --no-refresh", "check --no-refresh -v", "explain held-by-hand needs-another"),
        *(
            "upgrade --dry-run",
            "upgrade --no-refresh --yes",
            "history",
            "history last",
            "status",
            "explain reboot",
            "help",
        ),
    ]

    shown = {
        command: host.machine.run(
            f"script -qec 'stty cols {columns}; TERM=xterm maestro-agent {command}' /dev/null", timeout=120
        ).stdout
        for command in screens
    }

    plain = {command: re.sub(r"\033\[[0-9;]*[mK]", "", text).replace("\r", "\n") for command, text in shown.items()}
    lines = [(command, line) for command, text in plain.items() for line in text.splitlines()]
    assert [(command, line) for command, line in lines if len(line) > columns] == []
    assert [(command, line) for command, line in lines if "\033" in line] == []
    assert "\033[33m" in shown["status"]  # held
    assert "\033[31;1m" in shown["history last"]  # failed
    assert f"{source} (3 packages)" in plain["check --no-refresh"]
    assert "library-number-2" in plain["check --no-refresh -v"]


def test_a_closed_pipe_is_no_error(host: Scenario) -> None:
    done = host.machine.run("maestro-agent history --json | true; maestro-agent status | head -1")

    assert done.stderr == ""


def test_documents_are_json_with_a_schema_and_a_time(host: Scenario) -> None:
    host.offer("security", package("a", "2"))

    for command in ("check", "status", "upgrade", "history", "explain a", "explain reboot", "config show"):
        document = json.loads(host.agent(f"{command} --json").out)
        assert document["schema"].startswith("maestro.")
        assert "generated_at" in document, command
