"""Regressions from an adversarial review: hostile archives, damaged databases, tricks of packages."""

import json

import pytest

from tests.support.held import lock_held, wait_for_the_wait
from tests.support.machine import Machine
from tests.support.repository import Package, package
from tests.support.scenario import Scenario, names, reasons
from tests.support.server import serving


def content(who: str) -> Package:
    return Package(name="foo", version="2", files=(("/opt/who", who),))


def test_one_version_with_two_contents_is_never_installed_from_the_wrong_origin(host: Scenario) -> None:
    host.install(package("foo", "1"))
    host.repository("ppa", content("the-ppa"))
    host.repository("security", content("archive"))

    done = host.upgrade()

    installed = host.machine.path("/opt/who")
    assert not installed.exists() or installed.read_text() == "archive"
    assert installed.exists() or reasons(done.json) == {"foo": "untrusted"}


def test_a_repair_breaks_no_other_package(host: Scenario) -> None:
    host.install(package("x", "1"), package("c", "1", depends="x (<< 2)"))
    host.machine.path("/srv/a.deb").write_bytes(package("a", "1", depends="x (>= 2)").build())
    host.machine.check("dpkg --force-depends -i /srv/a.deb && apt-mark hold c")
    host.repository("security", package("x", "2"), package("z", "2"))
    host.install(package("z", "1"))

    done = host.upgrade()

    assert host.versions("x", "z") == {"x": "1", "z": "2"}
    assert done.code == 10
    assert "dependencies of a are not met" in done.json["message"]
    assert host.agent("status").code == 10


@pytest.mark.every_release
def test_a_failing_preinst_is_reported_with_everything_that_was_done(host: Scenario) -> None:
    many = [package(f"p{number:02}", "2") for number in range(30)]
    many[3] = package("p03", "2", preinst="exit 1", postrm="exit 1")
    host.offer("security", *many)

    done = host.upgrade()

    assert (done.code, done.json["result"]) == (1, "failed")
    # libapt would insist on p03, whose installed version nobody offers any more, and refuse all the rest.
    assert len(done.json["upgraded"]) == 29
    assert [one["package"] for one in done.json["failed"]] == ["p03:amd64"]
    assert host.agent("status").code == 10


@pytest.mark.parametrize("configuration", ['[security]\nblocklist = ["p"]\n', ""])
def test_a_blocked_half_installed_package_stops_nothing_else(host: Scenario, configuration: str) -> None:
    host.install(package("p", "1"))
    host.offer("security", package("a", "2"))
    host.repository("main", package("p", "1"))
    host.configuration(configuration)
    host.machine.path("/srv/p.deb").write_bytes(package("p", "1", preinst="kill -9 $PPID; sleep 1").build())
    assert host.machine.run("dpkg -i /srv/p.deb").returncode != 0
    if not configuration:
        host.machine.check("echo p hold | dpkg --set-selections")

    done = host.upgrade()

    assert host.versions("a") == {"a": "2"}
    assert (done.code, done.json["result"]) == (1, "failed")
    assert host.machine.version("p") is None


def test_an_unfinished_container_runtime_is_reported_and_not_restarted(host: Scenario) -> None:
    script = "test ! -e /second || touch /restarted; touch /second; kill -9 $PPID; sleep 1"
    host.offer("security", package("a", "2"))
    host.machine.path("/srv/d.deb").write_bytes(package("docker.io", "1", postinst=script).build())
    assert host.machine.run("dpkg -i /srv/d.deb").returncode != 0

    done = host.upgrade()

    assert host.versions("a") == {"a": "2"}
    assert not host.machine.path("/restarted").exists()
    assert "docker.io:amd64" in [one["package"] for one in done.json["failed"]]


def test_a_lock_taken_before_the_repair_hides_no_result(host: Scenario) -> None:
    holder = (
        'setsid python3 -c \'import fcntl, time; f = open("/var/lib/dpkg/lock-frontend", "w")\n'
        "while True:\n"
        " try: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB); break\n"
        " except OSError: time.sleep(0.001)\n"
        "time.sleep(20)' </dev/null >/dev/null 2>&1 & sleep 1; exit 1"
    )
    host.offer("security", package("aaa", "2"), package("foo", "2", postinst=holder))
    host.configuration('[apt]\nlock_timeout = "2s"\n')

    done = host.upgrade()

    assert done.code in (1, 5)
    assert names(done.json["upgraded"]) == ["aaa"]
    assert "foo" in host.agent("status").out


@pytest.mark.parametrize(
    "line",
    [
        "deb-src [signed-by=/etc/apt/keyrings/test.asc] file:/srv/security {}-security main",
        "deb [signed-by=/etc/apt/keyrings/test.asc arch=i386] file:/srv/security {}-security main",
        "deb [signed-by=/etc/apt/keyrings/test.asc arch=amd64] file:/srv/security {}-security other",
    ],
)
def test_a_security_source_without_a_package_list_leaves_the_state_unknown(host: Scenario, line: str) -> None:
    host.offer("security", package("a", "2"))
    host.machine.write("/etc/apt/sources.list.d/security.list", line.format(host.codename) + "\n")

    assert host.agent("check").code == 3
    assert host.upgrade().json["result"] in ("stale", "degraded")
    assert host.agent("status").code == 3


@pytest.mark.parametrize("uri", ["cdrom:[De/bian]b", "http://a]b/", "http://host:port/debian"])
def test_a_source_whose_uri_has_no_host_hides_no_update(host: Scenario, uri: str) -> None:
    """Found by tools/fuzz: apt accepts any text with a colon, and such a URI ended in a traceback."""
    host.offer("security", package("a", "2"))
    host.check()
    host.machine.write("/etc/apt/sources.list.d/odd.list", f"deb {uri} sid main\n")

    answer = host.agent("check --no-refresh --json")

    assert names(answer.json["install"]) == ["a"]


def test_deleted_package_lists_are_detected(host: Scenario) -> None:
    host.repository("security", package("a", "2"))
    host.check()
    host.machine.check("rm /var/lib/apt/lists/*Packages*")

    assert host.agent("check --no-refresh").code == 3


def test_a_password_in_a_source_is_neither_shown_nor_recorded(host: Scenario) -> None:
    with serving(host.machine.path("/srv")) as archive:
        url = archive.url.replace("http://", "http://user:s3cret@")
        host.repository("security", package("a", "2"), at=f"{url}/security")
        fresh = host.agent("check --json")

    gone = host.agent("check --json")

    assert (fresh.code, gone.code, gone.json["lists"]["state"]) == (0, 3, "partial")
    assert {one["source"] for one in fresh.json["lists"]["sources"]} == {
        f"{archive.url}/security {host.codename}-security"
    }
    everything = fresh.out + gone.out + gone.err + host.machine.check("cat /var/lib/maestro-agent/*.json")
    assert "s3cret" not in everything


@pytest.mark.every_release
def test_an_empty_package_database_counts_as_damaged(host: Scenario) -> None:
    host.repository("security", package("a", "2"))
    host.machine.check(": > /var/lib/dpkg/status")

    answer = host.agent("check")

    assert (answer.code, "dpkg's status file is damaged" in answer.err) == (1, True)


def test_a_verification_time_in_the_future_is_ignored(host: Scenario) -> None:
    dated = {"Date": "Wed, 01 Jan 2020 00:00:00 UTC", "Valid-Until": "Tue, 01 Jan 2199 00:00:00 UTC"}
    host.repository("security", package("a", "2"), release_fields=dated)
    host.check()
    host.machine.check("touch -d 2020-01-02 /var/lib/apt/lists/partial")
    record = host.machine.path("/var/lib/maestro-agent/refresh.json")
    document = json.loads(record.read_text())
    for part in (document, *document["sources"]):
        part["verified_at"] = "2099-01-01T00:00:00Z"
    record.write_text(json.dumps(document))

    assert host.agent("check --no-refresh --json").json["lists"]["state"] == "stale"


@pytest.mark.every_release
def test_a_disappeared_package_is_reported(host: Scenario) -> None:
    host.install(Package(name="old", version="1", files=(("/opt/x", "old"),)), package("foo", "1"))
    taking = Package(name="foo", version="2", fields=(("Replaces", "old"),), files=(("/opt/x", "new"),))
    host.repository("security", taking)

    done = host.upgrade()

    if host.machine.version("old") is None:
        assert (done.code, done.json["removed"]) == (10, ["old:amd64"])


@pytest.mark.every_release
def test_pending_triggers_are_reported_and_run(host: Scenario) -> None:
    def interested() -> Machine:
        host.machine.write("/srv/t/DEBIAN/control", package("trg", "1").control)
        host.machine.write("/srv/t/DEBIAN/triggers", "interest-noawait tick\n")
        host.machine.write("/srv/t/DEBIAN/postinst", "#!/bin/sh\n[ $1 != triggered ] || touch /ticked\n", mode=0o755)
        host.machine.check("chmod 755 /srv/t /srv/t/DEBIAN && dpkg-deb -b /srv/t /srv/t.deb && dpkg -i /srv/t.deb")
        return host.machine

    host.repository("security")
    host.machine.path("/srv/x.deb").write_bytes(package("x", "1").build())
    interested().check("dpkg-trigger --no-await tick && dpkg --no-triggers -i /srv/x.deb")

    waiting = host.agent("check --json")
    done = host.upgrade()

    assert (waiting.code, waiting.json["repair"][0]["state"]) == (10, "triggers-pending")
    assert (done.code, host.machine.path("/ticked").exists()) == (0, True)


def test_an_uninstallable_higher_version_does_not_hide_the_security_update_in_a_full_upgrade(
    host: Scenario,
) -> None:
    host.offer("security", package("s", "2"))
    host.repository("updates", package("s", "3", depends="nowhere"))

    done = host.upgrade("--all")

    assert host.versions("s") == {"s": "2"}
    assert [(one["candidate"], one["why"]) for one in done.json["held"]] == [("3", "broken-dependency")]


def test_escape_sequences_from_an_archive_do_not_reach_the_terminal(host: Scenario) -> None:
    host.offer("security", package("a", "2"))
    host.repository("ppa", package("b", "2"), origin="\x1b[31mred", suite="\x1b]0;title\x07")
    host.install(package("b", "1"))

    answers = [host.agent(command) for command in ("check", "upgrade --all --dry-run", "explain b", "status")]

    assert all("\x1b" not in answer.out + answer.err for answer in answers)


@pytest.mark.every_release
def test_a_failing_hook_is_reported(host: Scenario) -> None:
    host.offer("security", package("a", "2"))
    host.machine.write("/etc/apt/apt.conf.d/99hook", 'DPkg::Pre-Invoke {"exit 1";};\n')

    done = host.upgrade()

    assert (done.code, done.json["failed"]) == (1, [])
    assert "exit 1" in done.json["message"]


def test_deleted_directories_of_apt_are_created(host: Scenario) -> None:
    host.offer("security", package("a", "2"))
    host.machine.check("rm -rf /var/cache/apt/archives /var/lib/apt/lists")

    assert host.upgrade().code == 0


def test_a_stop_ends_the_wait_for_a_lock(host: Scenario) -> None:
    host.offer("security", package("a", "2"))
    held = lock_held(host.machine, "/var/lib/dpkg/lock-frontend")
    with held, host.machine.start("exec maestro-agent upgrade --json") as running:
        wait_for_the_wait(host.machine, "python3")
        host.machine.kill("TERM", "/usr/bin/maestro-agent upgrade")
        out, _ = running.communicate(timeout=60)

    assert (running.returncode, json.loads(out)["result"]) == (1, "interrupted")


def test_a_pipe_in_place_of_a_record_does_not_block(host: Scenario) -> None:
    host.repository("security")
    host.check()
    host.machine.check("cd /var/lib/maestro-agent && rm state.json && mkfifo state.json")

    answer = host.agent("status")

    assert (answer.code, "not a regular file" in answer.out) == (3, True)
