"""What the journal of a booted machine holds of the agent, and how a job is followed."""

import json

import pytest

from tests.support.held import free_lock, held_until, lock_held
from tests.support.recorded import Kept
from tests.support.repository import package

pytestmark = pytest.mark.xdist_group("booted-1")
PROBLEMS = "--priority=warning"
HOOKS = "/etc/maestro-agent/notify.d"
MOTD = "/etc/update-motd.d/95-maestro-agent"


def messages(host: Kept, *matches: str) -> list[str]:
    return [entry["MESSAGE"] for entry in host.machine.log_entries(*matches)]


def test_a_healthy_day_has_no_problem_and_a_line_with_the_packages(own: Kept) -> None:
    own.have(package("a", "2"), package("b", "2"))

    own.agent("check --wait")
    own.agent("upgrade --wait")
    own.agent("upgrade --wait")
    own.wait_for_idle()

    assert messages(own, PROBLEMS) == []
    (installed,) = messages(own, "MAESTRO_EVENT=upgrade.finished")[:1]
    assert "installed a 1 -> 2, b 1 -> 2 (2 packages)" in installed


def test_a_failed_upgrade_is_an_error_that_names_package_and_reason(own: Kept) -> None:
    own.have(package("good", "2"), package("broken", "2", preinst="echo 'no luck today' >&2; exit 1"))

    own.agent("upgrade --wait")
    own.wait_for_idle()

    of_package, failed = own.machine.log_entries("--priority=err")
    assert (of_package["MAESTRO_EVENT"], of_package["MAESTRO_PACKAGE"]) == ("package.failed", "broken")
    assert "broken could not be upgraded (unpack): " in of_package["MESSAGE"]
    assert failed["MAESTRO_EVENT"] == "upgrade.failed"
    assert "broken (unpack): " in failed["MESSAGE"]
    assert "good 1 -> 2" in failed["MESSAGE"]
    assert failed["MAESTRO_RUN"] == own.runs()[-1]["id"]
    assert json.loads(failed["MAESTRO_DATA"])["result"] == "failed"


def test_any_user_follows_a_job_and_the_journal_has_a_line_for_each_package(own: Kept) -> None:
    own.have(package("slow", "2", postinst=held_until("/go")), package("quick", "2"))
    own.agent("check --wait")
    own.wait_for_idle()

    with own.machine.start("exec maestro-agent follow --wait", user="nobody") as following:
        with own.machine.start("exec maestro-agent upgrade --wait") as upgrading:
            own.machine.wait_for("slow.postinst")
            status, plan = own.status(user="nobody"), own.agent("upgrade --dry-run").out
            assert following.stdout is not None
            begun = following.stdout.readline()
            own.machine.write("/go", "")
            upgrading.communicate()
        followed = following.stdout.read()  # communicate() would lose what is buffered

    assert begun.startswith("upgrade (pid ")
    assert "unpacking slow (" in followed
    assert "unpacking quick (" in followed
    assert followed.count(" (1 of 2)") == 1
    assert following.returncode == upgrading.returncode == 0
    assert "slow" in status["running"]["progress"]
    assert [reason for reason in status["reasons"] if "maestro-agent upgrade" in reason] == []
    assert plan.startswith("another maestro-agent (pid ")
    assert "broken" not in plan
    unpacked = messages(own, "MAESTRO_EVENT=job.progress")
    assert len([line for line in unpacked if line.startswith("upgrade: unpacking ")]) == len(("slow", "quick"))


def test_whom_a_job_waits_for_is_shown_and_logged(own: Kept) -> None:
    own.have(package("a", "2"))
    own.agent("check --wait")
    own.wait_for_idle()
    held = lock_held(own.machine, "/var/lib/dpkg/lock-frontend")

    with held, own.machine.start("exec maestro-agent upgrade --wait") as upgrading:
        own.wait("the holder", "maestro-agent status | grep -q 'Running .*waiting for python3 (pid'")
        shown = own.agent("status").out
        free_lock(own.machine)
        upgrading.communicate()

    assert "run `maestro-agent upgrade`" not in shown
    assert any("waiting for python3 (pid" in line for line in messages(own, "MAESTRO_EVENT=job.progress"))


def test_without_a_running_job_follow_says_so(own: Kept) -> None:
    own.wait_for_idle()

    done = own.agent("follow", user="nobody")

    assert done.code == 0
    assert done.out.startswith("No job is running.")


def test_a_hook_is_run_as_the_daemons_user_when_a_person_is_needed_and_when_that_ends(own: Kept) -> None:
    own.machine.check("install -d -m 777 /srv/sent")
    own.machine.write(f"{HOOKS}/10-keep", "#!/bin/sh\n(id -un; cat) >/srv/sent/$(date +%s%N)\necho kept\n")
    own.machine.check(f"chmod 755 {HOOKS}/10-keep")
    own.have(package("a", "2", preinst="test -e /srv/works"))

    own.agent("upgrade --wait")
    own.agent("check --wait")
    shown = own.machine.check(f"su -s /bin/sh nobody -c {MOTD}")
    quiet = own.agent("status --quiet", user="nobody")
    own.machine.write("/srv/works", "")
    own.agent("upgrade --wait")
    own.agent("check --wait --quiet")
    own.wait_for_idle()

    sent = own.machine.check("cat $(ls -d /srv/sent/* | sort)").splitlines()
    users, documents = sent[::2], [json.loads(line) for line in sent[1::2]]
    assert users == ["maestro-agent"] * 2
    assert [document["state"] for document in documents] == ["person-needed", "resolved"]
    assert "a (unpack)" in documents[0]["text"]
    assert "a (unpack)" in shown
    assert len(shown.splitlines()) <= len(("need", "more"))
    assert "a (unpack)" in quiet.out
    assert own.machine.check(MOTD) == own.agent("status --quiet").out == ""
    assert all("kept" in message for message in messages(own, "MAESTRO_EVENT=notify.sent"))


def test_a_hook_that_fails_is_a_warning_and_changes_no_exit_code(own: Kept) -> None:
    own.machine.write(f"{HOOKS}/fails", "#!/bin/sh\necho no route to mail; exit 3\n")
    own.machine.check(f"chmod 755 {HOOKS}/fails")
    own.have(package("a", "2", preinst="exit 1"))
    own.agent("check --wait")

    done = own.agent("upgrade --wait")
    own.wait_for_idle()

    assert done.code == 1
    (warning,) = messages(own, "MAESTRO_EVENT=notify.failed")
    assert "notify.d/fails" in warning
    assert "no route to mail" in warning
