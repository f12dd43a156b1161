"""A job is followed on a machine without systemd, too, whatever happens to it."""

from tests.support.held import held_until
from tests.support.repository import package
from tests.support.scenario import Scenario


def test_any_user_follows_an_upgrade_that_runs_without_the_daemon(host: Scenario) -> None:
    host.offer("security", package("a", "2", postinst=held_until("/go")), package("b", "2"))

    with host.machine.start("exec maestro-agent follow --wait", user="65534") as following:
        with host.machine.start("exec maestro-agent upgrade") as upgrading:
            assert following.stdout is not None
            begun = following.stdout.readline()
            host.machine.write("/go", "")
            result, _ = upgrading.communicate()
        assert following.stderr is not None
        followed, errors = following.stdout.read(), following.stderr.read()  # communicate() would lose what is buffered

    assert errors == ""
    assert begun.startswith("upgrade (pid ")
    assert "unpacking a (" in followed
    assert "unpacking b (" in followed
    assert followed.endswith(result)
    assert following.returncode == upgrading.returncode == 0
    assert host.machine.run("test -e /var/lib/maestro-agent/progress").returncode == 1


def test_a_killed_upgrade_ends_without_a_result_and_the_next_one_is_followed_to_its_end(host: Scenario) -> None:
    host.offer("security", package("a", "2", postinst=held_until("/go")))

    with host.machine.start("exec maestro-agent upgrade") as upgrading:
        host.machine.wait_for("a.postinst")
        with host.machine.start("exec maestro-agent follow", user="65534") as following:
            assert following.stdout is not None
            following.stdout.readline()
            host.machine.check('kill -KILL $(cut -d " " -f 1 /var/lib/maestro-agent/running)')
            _, errors = following.communicate()
        upgrading.communicate()
    host.machine.write("/go", "")
    after = host.agent("follow", user="65534")
    host.machine.wait_for("a.postinst", gone=True)
    again = host.agent("upgrade")

    assert following.returncode == 1
    assert "ended without a result" in errors
    assert after.code == 0
    assert "ended without a result" in after.out
    assert again.code == 0
    assert host.agent("follow").out == "No job is running.\n"
