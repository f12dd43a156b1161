"""The accepted configuration on a booted machine: a wrong drop-in stops nothing, and everybody can see it."""

import pytest

from tests.machines.test_daemon_lifecycle import FAILED
from tests.support.recorded import RECORD, UNIT, Kept
from tests.support.repository import package

pytestmark = pytest.mark.xdist_group("booted-1")
DROP_IN = "/etc/maestro-agent/config.d/50-mine.toml"
COPY = f"{RECORD}/accepted-config.json"


def problems(host: Kept) -> str:
    """Return what the daemon reports, as everybody sees it in `status`."""
    return "\n".join(host.agent("status --json", user="65534").json["daemon"]["problems"])


def wait_for_problem(host: Kept, words: str) -> None:
    host.tick()
    host.wait(words, f"maestro-agent status | grep -q '{words}'")


def test_a_wrong_drop_in_stops_neither_the_daemon_nor_its_jobs(own: Kept) -> None:
    own.have(package("a", "2"))
    before = own.wait_for_daemon()
    own.machine.write(DROP_IN, "foo = 1\n")

    reload = own.machine.run(f"systemctl reload {UNIT}")
    wait_for_problem(own, "the configuration is invalid")
    after_reload = own.daemon_pid()
    own.machine.check(f"systemctl restart {UNIT}")
    after_restart = own.wait_for_daemon(other_than=before)
    own.machine.write(
        f"{RECORD}/jobs.json",
        FAILED.replace("PAST", own.machine.check("date -ud '-1 hour' +%Y-%m-%dT%H:%M:%SZ").strip()),
    )
    own.tick()
    own.wait("the upgrade", "dpkg-query -W -f '${Version}' a | grep -qx 2", 120)
    own.wait_for_idle()

    assert reload.returncode != 0
    assert before == after_reload != after_restart
    assert "foo" in own.machine.log_entries("MAESTRO_EVENT=config.rejected")[-1]["MESSAGE"]
    assert "unknown key 'foo'" in problems(own)
    assert [run["result"] for run in own.runs()] == ["updated"]
    assert own.agent("check").code == 78

    own.machine.write(DROP_IN, "[agent]\nupgrade = false\n")
    wait_for_problem(own, "systemctl reload")
    own.machine.check(f"systemctl reload {UNIT}")
    own.wait("no problem", "! maestro-agent status | grep -q 'is in use'")
    assert own.status()["jobs"]["upgrade"]["next_at"] is None


@pytest.mark.parametrize(
    "damage", [f"echo nonsense > {COPY}", f"chown maestro-agent {COPY}", f"rm {COPY}", f"ln -sf /etc/shadow {COPY}"]
)
def test_a_copy_that_cannot_be_used_is_written_anew_from_valid_files(shared: Kept, damage: str) -> None:
    before = shared.wait_for_daemon()
    shared.machine.check(damage)

    shared.machine.check(f"systemctl restart {UNIT}")

    shared.wait_for_daemon(other_than=before)
    assert shared.machine.check(f"stat -c '%U %G %a %F' {COPY}").strip() == "root maestro-agent 640 regular file"
    assert problems(shared) == ""


def test_patterns_that_an_older_version_accepted_do_not_stop_the_daemon(shared: Kept) -> None:
    before = shared.wait_for_daemon()
    shared.machine.write(DROP_IN, '[security]\nblocklist = ["^linux"]\n')
    shared.machine.check(f"rm {COPY}; systemctl restart {UNIT}")

    shared.wait_for_daemon(other_than=before)
    wait_for_problem(shared, "patterns in use have no effect")
    found = problems(shared)
    shared.machine.check(f"rm {DROP_IN}; systemctl reload {UNIT}")

    assert "'^linux' can match no package" in found
    shared.wait("no problem", "! maestro-agent status | grep -q 'no effect'")


def test_without_a_usable_copy_a_wrong_configuration_is_an_error(shared: Kept) -> None:
    shared.wait_for_daemon()
    shared.machine.write(DROP_IN, "foo = 1\n")
    shared.machine.check(f"echo nonsense > {COPY}")

    shared.machine.run(f"systemctl restart {UNIT}")
    shared.wait("the end", f"test $(systemctl show -P ActiveState {UNIT}) = failed")
    code = shared.machine.check(f"systemctl show -P ExecMainStatus {UNIT}").strip()
    shared.machine.check(f"rm {DROP_IN}; systemctl start {UNIT}")

    assert code == "78"
    assert shared.wait_for_daemon()
