"""A failure affects no other package, is reported, and never counts as a success."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.support.held import free_lock, held_until, lock_held, wait_for_the_wait
from tests.support.repository import Package, package
from tests.support.scenario import Scenario, answer, names, reasons
from tests.support.server import Archive, serving

AGENT = "/usr/bin/maestro-agent upgrade"


@pytest.fixture
def archive(host: Scenario) -> Iterator[Archive]:
    """Serve the machine's /srv over HTTP."""
    with serving(host.machine.path("/srv")) as running:
        yield running


def offer_over_http(host: Scenario, archive: Archive, *packages: Package) -> None:
    for one in packages:
        host.install(Package(name=one.name, version="1"))
    host.repository("security", *packages, at=f"{archive.url}/security")


@pytest.mark.every_release
@pytest.mark.parametrize("how", ["404", "hash"])
def test_a_failed_download_holds_that_package_alone(host: Scenario, archive: Archive, how: str) -> None:
    offer_over_http(host, archive, package("a", "2"), package("b", "2"), package("c", "2", depends="b (>= 2)"))
    if how == "404":
        archive.refused["b_2"] = 404
    else:
        archive.spoiled.add("b_2")

    done = host.upgrade()

    assert (done.code, done.json["result"]) == (10, "degraded")
    assert reasons(done.json) == {"b": "download-failed", "c": "download-failed"}
    assert host.versions("a", "b", "c") == {"a": "2", "b": "1", "c": "1"}


def test_a_failed_download_of_a_higher_version_leaves_the_security_update(host: Scenario, archive: Archive) -> None:
    offer_over_http(host, archive, package("a", "2"))
    host.install(package("needs-it", "1"), package("c", "1"))
    newer = (package("a", "3"), package("needs-it", "3", depends="a (>= 3)"), package("c", "3"))
    host.repository("updates", *newer, at=f"{archive.url}/updates")
    archive.refused["a_3"] = 404

    done = host.upgrade("--all")

    assert (done.code, done.json["result"]) == (10, "degraded")
    assert host.versions("a", "c", "needs-it") == {"a": "2", "c": "3", "needs-it": "1"}
    held = {(item["package"], item["candidate"]): item["why"] for item in done.json["held"]}
    assert held[("a", "3")] == "download-failed"
    assert held.keys() == {("a", "3"), ("needs-it", "3")}


def test_a_failed_download_of_one_architecture_holds_the_pair_alone(host: Scenario, archive: Archive) -> None:
    host.machine.check("dpkg --add-architecture i386")
    host.install(pair("1", "amd64"), pair("1", "i386"), package("a", "1"))
    host.repository("security", pair("2", "amd64"), pair("2", "i386"), package("a", "2"), at=f"{archive.url}/security")
    host.machine.check("sed -i 's/arch=amd64/arch=amd64,i386/' /etc/apt/sources.list.d/*.list")
    archive.refused["same_2_i386"] = 404

    done = host.upgrade()

    assert (done.code, names(done.json["upgraded"])) == (10, ["a"])
    held = {item["architecture"]: item["why"] for item in done.json["held"]}
    assert held == {"amd64": "download-failed", "i386": "download-failed"}


def test_a_superseded_package_is_found_after_a_refresh(host: Scenario, archive: Archive) -> None:
    host.install(package("a", "1"))
    made = host.repository("security", package("a", "2"), at=f"{archive.url}/security")

    def supersede() -> None:
        archive.on_refused = lambda: None  # apt asks several times, and an archive is not rewritten while it is read
        made.packages[:] = [package("a", "3")]
        made.publish()
        later = time.time() + 5  # or a client that asks "if modified since" in the same second gets a no
        for file in made.directory.rglob("*Release"):
            os.utime(file, (later, later))

    archive.refused["a_2"] = 404
    archive.on_refused = supersede

    done = host.upgrade()

    assert done.json["result"] == "updated"
    assert host.versions("a") == {"a": "3"}


def test_downloaded_archives_are_removed(host: Scenario, archive: Archive) -> None:
    offer_over_http(host, archive, package("a", "2"))

    done = host.upgrade()

    assert done.json["downloaded_bytes"] > 0
    assert host.machine.check("ls /var/cache/apt/archives").split() == ["lock", "partial"]


def test_downloads_of_a_killed_run_are_removed_by_the_next(host: Scenario, archive: Archive) -> None:
    offer_over_http(host, archive, package("a", "2", postinst="sleep 30"), package("b", "2"))
    host.machine.path("/var/cache/apt/archives/other_1_all.deb").write_bytes(package("other", "1").build())
    with host.machine.start("maestro-agent upgrade --json") as running:
        host.machine.wait_for("a.postinst")
        host.machine.run("kill -KILL -1")
        running.communicate()
    left = host.machine.check("ls /var/cache/apt/archives").split()
    host.machine.write("/var/lib/dpkg/info/a.postinst", "#!/bin/sh\n", 0o755)

    done = host.upgrade()

    assert {"a_2_all.deb", "b_2_all.deb"} < set(left)
    assert (done.code, done.json["result"]) == (0, "updated")
    assert host.machine.check("ls /var/cache/apt/archives").split() == ["lock", "other_1_all.deb", "partial"]
    assert not host.machine.path("/var/lib/maestro-agent/downloaded").exists()


def test_nothing_is_downloaded_if_the_download_cannot_be_recorded(host: Scenario, archive: Archive) -> None:
    offer_over_http(host, archive, package("a", "2"))
    host.machine.check("mkdir -p /var/lib/maestro-agent/downloaded")

    done = host.upgrade()

    assert (done.code, done.json["result"]) == (1, "failed")
    assert "/var/lib/maestro-agent/downloaded: cannot be written" in done.json["message"]
    assert host.versions("a") == {"a": "1"}


def test_a_damaged_download_record_stops_nothing(host: Scenario, archive: Archive) -> None:
    offer_over_http(host, archive, package("a", "2"))
    note = "/var/lib/maestro-agent/downloaded"
    host.machine.check(f"mkdir -p /var/lib/maestro-agent; printf 'x\\0\\377\\n\\n../../../../etc/passwd\\n' >{note}")

    done = host.upgrade()

    assert (done.code, done.json["result"]) == (0, "updated")
    assert not host.machine.path(note).exists()
    assert host.machine.path("/etc/passwd").exists()


@pytest.mark.every_release
def test_a_failing_postinst_fails_one_package_only(host: Scenario) -> None:
    host.offer("security", package("a", "2"), package("b", "2", postinst="echo no; exit 3"), package("c", "2"))

    done = host.upgrade()

    assert (done.code, done.json["result"]) == (1, "failed")
    assert [(one["package"], one["stage"]) for one in done.json["failed"]] == [("b:amd64", "configure")]
    assert "exit status 3" in done.json["failed"][0]["error"]
    assert names(done.json["upgraded"]) == ["a", "c"]


def test_a_failure_is_reported_until_it_is_repaired(host: Scenario) -> None:
    host.offer("security", package("b", "2", postinst="test -e /repaired"))
    host.upgrade()

    again = host.upgrade()
    host.machine.write("/repaired", "")
    repaired = host.upgrade()

    assert again.json["result"] == "failed"
    assert (repaired.json["result"], names(repaired.json["repaired"])) == ("updated", ["b"])
    assert host.machine.check("dpkg --audit") == ""


def test_a_failing_preinst_keeps_the_old_version(host: Scenario) -> None:
    host.offer("security", package("a", "2"), package("b", "2", preinst="exit 1"))

    done = host.upgrade()

    assert [(one["package"], one["stage"]) for one in done.json["failed"]] == [("b:amd64", "unpack")]
    assert host.versions("a", "b") == {"a": "2", "b": "1"}
    assert host.machine.check("dpkg --audit") == ""


def test_packages_after_a_failure_are_retried_once(host: Scenario) -> None:
    essential = package("b", "2", postinst="exit 1", pre_depends="n", essential="yes")
    host.install(package("a", "1"), package("b", "1", essential="yes"), package("z", "1"))
    host.repository("security", package("a", "2", depends="n"), essential, package("n", "1"), package("z", "2"))

    done = host.upgrade()

    assert "b:amd64" in [one["package"] for one in done.json["failed"]]
    assert host.versions("z") == {"z": "2"}


@pytest.mark.every_release
def test_a_hanging_postinst_is_stopped_and_the_lock_released(host: Scenario) -> None:
    host.offer("security", package("a", "2"), package("b", "2", postinst="sleep 600"), package("c", "2"))
    host.configuration('[apt]\nstall_timeout = "2s"\n')

    done = host.upgrade()

    assert [one["package"] for one in done.json["failed"]] == ["b:amd64"]
    assert host.versions("a", "c") == {"a": "2", "c": "2"}
    assert host.machine.run("dpkg --configure -a --no-triggers --dry-run").returncode == 0


def test_a_postinst_that_reads_stdin_gets_end_of_file(host: Scenario) -> None:
    host.offer("security", package("a", "2", postinst='read line; echo "got:$line" > /asked; exit 0'))

    assert host.upgrade().code == 0
    assert host.machine.path("/asked").read_text() == "got:\n"


def conffile(version: str, text: str) -> Package:
    return Package(name="conf", version=version, files=(("/etc/conf.ini", text),), conffiles=("/etc/conf.ini",))


@pytest.mark.every_release
def test_a_modified_conffile_is_kept_and_reported(host: Scenario) -> None:
    host.install(conffile("1", "one\n"))
    host.repository("security", conffile("2", "two\n"))
    host.machine.write("/etc/conf.ini", "mine\n")

    done = host.upgrade()

    assert (done.code, done.json["conffiles_kept"]) == (0, ["/etc/conf.ini"])
    assert host.machine.path("/etc/conf.ini").read_text() == "mine\n"
    assert host.machine.path("/etc/conf.ini.dpkg-dist").read_text() == "two\n"


def test_an_unmodified_conffile_is_replaced(host: Scenario) -> None:
    host.install(conffile("1", "one\n"))
    host.repository("security", conffile("2", "two\n"))

    done = host.upgrade()

    assert done.json["conffiles_kept"] == []
    assert host.machine.path("/etc/conf.ini").read_text() == "two\n"


@pytest.mark.every_release
@pytest.mark.parametrize("path", ["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock"])
def test_a_lock_is_waited_for(host: Scenario, path: str) -> None:
    host.offer("security", package("a", "2"))
    with lock_held(host.machine, path), host.machine.start("maestro-agent upgrade --json") as running:
        wait_for_the_wait(host.machine, "python3")
        time.sleep(1)
        free_lock(host.machine)
        out, _ = running.communicate()

    done = json.loads(out)
    assert (running.returncode, done["result"]) == (0, "updated")
    if "dpkg" in path:
        assert done["lock"]["waited_s"] > 0.5
        assert done["lock"]["by"].startswith("python3 (pid ")


@pytest.mark.parametrize("path", ["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock"])
def test_a_lock_that_stays_held_is_reported_and_nothing_is_done(host: Scenario, path: str) -> None:
    host.offer("security", package("a", "2"))
    host.configuration('[apt]\nlock_timeout = "1s"\n')
    with lock_held(host.machine, path):
        done = host.upgrade()

    assert (done.code, done.json["result"]) == (5, "busy")
    assert path in done.json["message"]
    assert "python3 (pid " in done.json["message"]
    assert host.versions("a") == {"a": "1"}


def test_a_wait_for_a_lock_is_reported_if_the_plan_changed_meanwhile(host: Scenario) -> None:
    host.offer("security", package("a", "2"))
    path = "/var/lib/dpkg/lock-frontend"
    with lock_held(host.machine, path), host.machine.start("maestro-agent upgrade --json") as running:
        wait_for_the_wait(host.machine, "python3")
        time.sleep(1)
        host.machine.check("DPKG_FRONTEND_LOCKED=1 apt-mark hold a")
        free_lock(host.machine)
        out, _ = running.communicate()

    done = json.loads(out)
    assert reasons(done) == {"a": "held-by-admin"}
    assert done["lock"]["waited_s"] > 0.5
    assert done["lock"]["by"].startswith("python3 (pid ")


def test_a_second_agent_fails_and_does_not_disturb_the_first(host: Scenario) -> None:
    host.offer("security", package("a", "2", postinst=held_until("/go")))
    with host.machine.start("maestro-agent upgrade --json") as first:
        host.machine.wait_for("a.postinst")

        second = host.upgrade()
        host.machine.write("/go", "")
        out, err = first.communicate()

    assert second.code == 5
    assert "another maestro-agent (pid" in second.err
    assert first.returncode == 0, (out, err)


def test_unpacked_packages_are_configured(host: Scenario) -> None:
    host.repository("security")
    host.machine.write("/srv/x", "")
    host.machine.path("/srv/a.deb").write_bytes(package("a", "1").build())
    host.machine.check("dpkg --unpack /srv/a.deb")

    waiting = host.agent("check --json")
    done = host.upgrade()

    assert (waiting.code, waiting.json["repair"][0]["state"]) == (10, "unpacked")
    assert (done.code, done.json["result"], names(done.json["repaired"])) == (0, "updated", ["a"])
    assert host.machine.check("dpkg --audit") == ""


@pytest.mark.every_release
def test_a_half_installed_package_is_upgraded(host: Scenario) -> None:
    host.offer("security", package("a", "3"), package("b", "2"))
    host.machine.path("/srv/a.deb").write_bytes(package("a", "2", preinst="kill -9 $PPID; sleep 1").build())
    assert host.machine.run("dpkg -i /srv/a.deb").returncode != 0
    assert host.check()["repair"] != []

    done = host.upgrade()

    assert done.code == 0, done
    assert host.versions("a", "b") == {"a": "3", "b": "2"}
    assert host.machine.check("dpkg --audit") == ""


def test_a_half_installed_package_without_an_update_is_reinstalled(host: Scenario) -> None:
    host.offer("security", package("b", "2"))
    host.install(package("a", "1"))
    host.repository("main", package("a", "1"))
    host.machine.path("/srv/a.deb").write_bytes(package("a", "1", preinst="kill -9 $PPID; sleep 1").build())
    assert host.machine.run("dpkg -i /srv/a.deb").returncode != 0

    done = host.upgrade()

    assert (done.code, names(done.json["upgraded"])) == (0, ["b"]), done.out
    assert "a" in names(done.json["repaired"])
    assert host.machine.check("dpkg --audit") == ""


def test_a_half_installed_new_dependency_is_installed(host: Scenario) -> None:
    cut = "test -e /second || { touch /second; kill -9 -1; kill -9 $$; }"
    host.install(package("a", "1"), package("b", "1"))
    host.repository("security", package("a", "2", depends="n"), package("b", "2"), package("n", "1", preinst=cut))
    host.upgrade()

    done = host.upgrade()

    assert host.machine.path("/second").exists()
    assert (done.code, done.json["result"]) == (0, "updated")
    assert host.versions("a", "b", "n") == {"a": "2", "b": "2", "n": "1"}
    assert host.machine.check("dpkg --audit") == ""


def test_a_package_without_a_source_to_reinstall_it_from_is_reported_and_stops_nothing_else(host: Scenario) -> None:
    host.install(package("a", "1"))
    host.offer("security", package("b", "2"), package("c", "2", depends="b (>= 2)"))
    host.machine.path("/srv/a.deb").write_bytes(package("a", "1", preinst="kill -9 $PPID; sleep 1").build())
    assert host.machine.run("dpkg -i /srv/a.deb").returncode != 0

    done = host.upgrade()

    assert (done.code, done.json["result"]) == (1, "failed")
    assert [one["package"] for one in done.json["failed"]] == ["a:amd64"]
    assert "no source offers a 1:" in done.json["failed"][0]["error"]
    assert host.versions("b", "c") == {"b": "2", "c": "2"}


def test_a_held_package_in_state_reinst_required_stops_nothing_else(host: Scenario) -> None:
    host.offer("security", package("a", "3"), package("b", "2"))
    host.configuration('[security]\nblocklist = ["a"]\n')
    host.machine.path("/srv/a.deb").write_bytes(package("a", "2", preinst="kill -9 $PPID; sleep 1").build())
    assert host.machine.run("dpkg -i /srv/a.deb").returncode != 0

    done = host.upgrade()

    assert (done.code, names(done.json["upgraded"])) == (1, ["b"])
    assert reasons(done.json) == {"a": "blocklisted"}


@pytest.mark.every_release
def test_a_dpkg_killed_in_a_postinst_is_repaired_and_the_upgrade_continues(host: Scenario) -> None:
    host.offer("security", package("b", "2"))
    script = "test -e /second || { touch /second; kill -9 $PPID; sleep 1; }"
    host.machine.path("/srv/a.deb").write_bytes(package("a", "1", postinst=script).build())
    assert host.machine.run("dpkg -i /srv/a.deb").returncode != 0

    done = host.upgrade()

    assert (done.code, names(done.json["upgraded"])) == (0, ["b"])
    assert host.machine.check("dpkg --audit") == ""


def test_a_killed_agent_lets_dpkg_finish_and_the_next_run_reports_it(host: Scenario) -> None:
    host.offer("security", package("a", "2", postinst=held_until("/go")), package("b", "2"))
    with host.machine.start("maestro-agent upgrade --json") as running:
        host.machine.wait_for("a.postinst")
        caller, job = host.machine.processes(AGENT)[:2]
        host.machine.check(f"kill -KILL {caller} {job}")
        running.communicate()
    host.machine.write("/go", "")
    host.machine.wait_for("dpkg", gone=True)

    status = host.agent("status --json")
    done = host.upgrade()

    assert status.json["last_run"]["result"] == "interrupted"
    assert host.versions("a", "b") == {"a": "2", "b": "2"}
    assert (done.code, done.json["result"]) == (0, "up-to-date")
    assert host.machine.check("dpkg --audit") == ""


def test_a_removal_that_dpkg_finishes_after_a_kill_is_on_record(host: Scenario) -> None:
    host.configuration('[security]\nremove_unused = "new"\n')
    host.install(package("libapp1", "1", prerm=held_until("/go")), package("app", "1", depends="libapp1"))
    host.machine.check("apt-mark auto libapp1")
    host.repository("security", package("app", "2"))
    with host.machine.start("maestro-agent upgrade --json") as running:
        host.machine.wait_for("libapp1.prerm")
        caller, job = host.machine.processes(AGENT)[:2]
        host.machine.check(f"kill -KILL {caller} {job}")
        running.communicate()
    host.machine.write("/go", "")
    host.machine.wait_for("dpkg", gone=True)
    killed = host.agent("status --json").json["last_run"]

    host.upgrade()

    recovered = host.agent(f"history {killed['id']} --json").json
    assert names(killed["underway_unused"]) == ["libapp1"]
    assert (names(recovered["upgraded"]), recovered["removed"]) == (["app"], ["libapp1:amd64"])
    assert "underway_unused" not in recovered


TAKE_LOCK = """import fcntl, os, time
path = "/var/lib/dpkg/lock-frontend"
file = open(f"{path}.new", "w")
fcntl.lockf(file, fcntl.LOCK_EX)
os.rename(f"{path}.new", path)
open("/srv/held", "w").close()
time.sleep(600)
"""
"""A file in place of the one that the agent has locked: who waits for that one may come second when it is free."""


def test_a_stop_while_the_rest_of_a_transaction_waits_for_the_lock_blames_no_other_package(host: Scenario) -> None:
    host.machine.write("/srv/take_lock.py", TAKE_LOCK)
    hold = f"setsid python3 /srv/take_lock.py < /dev/null > /dev/null 2>&1 & {held_until('/srv/held')}; exit 1"
    host.offer("security", package("a", "2"), package("m", "2", preinst=hold), package("x", "2"))
    with host.machine.start("exec maestro-agent upgrade --json") as running:
        wait_for_the_wait(host.machine, "python3")
        host.machine.kill("TERM", AGENT)
        out, err = running.communicate()
    host.machine.kill("KILL", "take_lock.py")
    stopped = host.agent("status --json").json["last_run"]

    later = host.upgrade().json

    assert (running.returncode, stopped["result"]) == (1, "interrupted"), (out, err)
    assert [one["package"] for one in stopped["failed"]] == ["m:amd64"]
    begun = set(names(stopped["underway"]))
    assert begun
    assert begun <= {"a", "x"} == set(names(stopped["upgraded"])) | set(names(later["upgraded"]))


def test_a_killed_client_does_not_stop_the_job(host: Scenario) -> None:
    host.offer("security", package("a", "2", postinst=held_until("/go")))
    with host.machine.start("exec maestro-agent upgrade --json") as running:
        host.machine.wait_for("a.postinst")
        host.machine.kill("KILL", AGENT)
        host.machine.write("/go", "")
        running.communicate()
    host.machine.wait_for(AGENT, gone=True)

    status = host.agent("status --json")

    assert status.json["last_run"]["result"] == "updated"
    assert host.versions("a") == {"a": "2"}


@pytest.mark.every_release
def test_a_stop_request_takes_effect_between_transactions(host: Scenario) -> None:
    many = [package(f"p{number:03}", "2") for number in range(8)]
    many[0] = package("p000", "2", postinst=f"{held_until('/go')}; sleep 2")  # the job learns of it after its command
    host.small_transactions(4)
    host.offer("security", *many)
    with host.machine.start("exec maestro-agent upgrade --json") as running:
        host.machine.wait_for("p000.postinst")
        host.machine.kill("TERM", AGENT)
        host.machine.write("/go", "")
        out, err = running.communicate()

    assert running.returncode == 1, (out, err)
    done = host.agent("status --json").json["last_run"]
    assert done["result"] == "interrupted"
    assert len(done["upgraded"]) == 4
    assert host.machine.check("dpkg --audit") == ""
    assert host.upgrade().json["result"] == "updated"


def test_a_full_disk_is_detected_before_anything_is_changed(host: Scenario, archive: Archive) -> None:
    offer_over_http(host, archive, package("a", "2"))
    host.machine.check(
        "mount -t tmpfs -o size=64k small /var/cache/apt/archives && mkdir /var/cache/apt/archives/partial"
    )

    done = host.upgrade()

    assert (done.code, done.json["result"]) == (1, "failed")
    assert "not enough space for /var/cache/apt/archives" in done.json["message"]
    assert reasons(done.json) == {"a": "no-space"}
    assert host.versions("a") == {"a": "1"}


@pytest.mark.every_release
def test_hooks_run_once_per_transaction(host: Scenario) -> None:
    host.offer("security", *[package(f"p{number}", "2") for number in range(5)])
    host.machine.write("/etc/apt/apt.conf.d/99hook", 'DPkg::Post-Invoke { "echo x >> /hooks"; };\n')

    host.upgrade()

    assert host.machine.path("/hooks").read_text() == "x\n"


def test_a_changed_plan_is_refused(host: Scenario) -> None:
    host.offer("security", package("a", "2"))
    plan = host.check()
    made = host.machine.path("/srv/security")
    assert made.exists()
    host.machine.check("apt-mark hold a")

    done = host.upgrade(f"--plan {plan['id']}")

    assert done.code == 6
    assert "a:amd64 1 -> 2 (held back now: held-by-admin)" in done.err
    assert host.agent("history --json").json["runs"] == []


def test_an_unchanged_plan_is_carried_out(host: Scenario) -> None:
    host.offer("security", package("a", "2"))
    plan = host.check()

    assert host.upgrade(f"--plan {plan['id']}").code == 0
    assert host.versions("a") == {"a": "2"}


def test_a_dry_run_changes_and_records_nothing(host: Scenario) -> None:
    host.offer("security", package("a", "2"))
    host.check()
    host.agent("upgrade --dry-run")  # compiles the modules of this command
    everything = "cd / && find var etc usr -newer /srv/security -type f | sort | xargs md5sum"
    before = host.machine.check(everything)

    done = host.agent("upgrade --dry-run --json")

    assert done.code == 10
    assert names(done.json["install"]) == ["a"]
    assert host.machine.check(everything) == before


@pytest.mark.every_release
def test_an_upgrade_of_python_does_not_break_the_running_agent(host: Scenario) -> None:
    host.offer("security", package("a", "2", postinst="cp -a /usr/share/maestro-agent /usr/share/gone && rm -rf "
                                                      "/usr/share/maestro-agent && mv /usr/share/gone "
                                                      "/usr/share/maestro-agent"))  # fmt: skip

    done = answer(host.machine.run("maestro-agent upgrade --json"))

    assert (done.code, done.json["result"]) == (0, "updated")


@pytest.mark.parametrize(("kind", "code"), [("security", 0), ("updates", 1)])
def test_a_half_installed_package_gets_its_dependencies_from_allowed_origins(
    host: Scenario, kind: str, code: int
) -> None:
    made = host.offer("security", package("b", "2"))
    host.repository("main", package("n", "1", depends="m"))
    if kind == "security":
        made.add(package("m", "1"))
    else:
        host.repository(kind, package("m", "1"))
    cut = package("n", "1", depends="m", preinst="kill -9 $PPID; sleep 1")
    host.machine.path("/srv/n.deb").write_bytes(cut.build())
    assert host.machine.run("dpkg --unpack /srv/n.deb").returncode != 0

    done = host.upgrade()

    assert done.code == code, done.out
    assert host.versions("b") == {"b": "2"}
    there = [name for name, version in host.versions("n", "m").items() if version == "1"]
    assert there == (["n", "m"] if code == 0 else [])
    assert [one["package"] for one in done.json["failed"]] == ([] if code == 0 else ["n:amd64"])


@pytest.mark.every_release
def test_two_interrupted_architectures_are_repaired_together(host: Scenario) -> None:
    host.machine.check("dpkg --add-architecture i386")
    old, new = ([pair(version, architecture) for architecture in ("amd64", "i386")] for version in "12")
    host.install(*old)
    host.repository("security", *new)
    host.machine.check("sed -i 's/arch=amd64/arch=amd64,i386/' /etc/apt/sources.list.d/*.list")
    host.machine.path("/srv/amd64.deb").write_bytes(new[0].build())
    host.machine.path("/srv/i386.deb").write_bytes(replace(new[1], scripts=(("preinst", "kill -9 $PPID"),)).build())
    assert host.machine.run("dpkg --unpack --auto-deconfigure /srv/amd64.deb /srv/i386.deb").returncode != 0

    done = host.upgrade()

    assert done.code == 0, done.out
    assert host.versions("same:amd64", "same:i386") == {"same:amd64": "2", "same:i386": "2"}
    assert host.machine.check("dpkg --audit") == ""


def pair(version: str, architecture: str) -> Package:
    return package("same", version, architecture=architecture, multi_arch="same")
