"""Every run ends: what takes too long is stopped and reported, what does not fit is not started."""

from collections.abc import Iterator

import pytest

from tests.support.repository import Package, package
from tests.support.scenario import Scenario, names, reasons
from tests.support.server import Archive, serving

CHATTY = "while :; do echo still here; sleep 0.1; done"


@pytest.fixture
def archive(host: Scenario) -> Iterator[Archive]:
    """Serve the machine's /srv over HTTP."""
    with serving(host.machine.path("/srv")) as running:
        yield running


@pytest.mark.every_release
def test_a_script_with_endless_output_is_stopped_and_affects_no_other_package(host: Scenario) -> None:
    host.offer("security", package("a", "2"), package("b", "2", postinst=CHATTY), package("c", "2"))
    host.configuration('[apt]\npackage_timeout = "2s"\n')

    done = host.upgrade()

    assert [one["package"] for one in done.json["failed"]] == ["b:amd64"]
    assert "apt.package_timeout" in done.json["failed"][0]["error"]
    assert host.versions("a", "c") == {"a": "2", "c": "2"}
    assert host.machine.processes("still here") == []


def test_a_slow_script_is_not_stopped_after_another_stalled(host: Scenario) -> None:
    host.offer("security", package("a", "2", postinst="sleep 600"), package("b", "2", postinst="sleep 3"))
    host.configuration('[apt]\nstall_timeout = "5s"\n')

    done = host.upgrade()

    assert [one["package"] for one in done.json["failed"]] == ["a:amd64"]
    assert host.versions("b") == {"b": "2"}


def test_a_hanging_repair_is_stopped_and_reported(host: Scenario) -> None:
    host.offer("security", package("b", "2"))
    host.machine.path("/srv/a.deb").write_bytes(package("a", "1", postinst="sleep 600").build())
    host.machine.check("dpkg --unpack /srv/a.deb")
    host.configuration('[apt]\nstall_timeout = "2s"\n')

    done = host.upgrade()

    assert [one["package"] for one in done.json["failed"]] == ["a:amd64"]
    assert "apt.stall_timeout" in done.json["failed"][0]["error"]
    assert host.versions("b") == {"b": "2"}


def test_a_run_timeout_during_a_download_changes_nothing(host: Scenario, archive: Archive) -> None:
    host.install(package("a", "1"))
    host.repository("security", package("a", "2"), at=f"{archive.url}/security")
    host.configuration('[apt]\nfetch_ahead = "off"\n')
    host.check()
    host.configuration('[apt]\nrun_timeout = "2s"\n')
    archive.silent.set()

    done = host.upgrade("--no-refresh")

    assert (done.code, done.json["result"]) == (1, "interrupted")
    assert "apt.run_timeout" in done.json["message"]
    assert host.versions("a") == {"a": "1"}


def test_a_run_timeout_finishes_the_running_transaction_and_starts_no_other(host: Scenario) -> None:
    many = [package(f"p{number:03}", "2") for number in range(8)]
    many[0] = package("p000", "2", postinst="sleep 6")
    host.small_transactions(4)
    host.offer("security", *many)
    host.check()
    host.configuration('[apt]\nrun_timeout = "6s"\n')

    done = host.upgrade("--no-refresh")

    assert done.json["result"] == "interrupted"
    assert "apt.run_timeout" in done.json["message"]
    assert len(done.json["upgraded"]) == 4
    assert host.machine.check("dpkg --audit") == ""


def kernel(version: str) -> Package:
    return package(f"linux-image-{version}", "1", architecture="amd64")


def test_a_kernel_that_does_not_fit_into_boot_is_held_alone(host: Scenario) -> None:
    meta = package("linux-image-amd64", "2", depends="linux-image-6.1.0-2-amd64", architecture="amd64")
    host.install(kernel("6.1.0-1-amd64"), package("linux-image-amd64", "1", architecture="amd64"), package("a", "1"))
    host.repository("security", meta, kernel("6.1.0-2-amd64"), package("a", "2"))
    host.machine.check(
        "mount -t tmpfs -o size=40m boot /boot && head -c 20M /dev/zero > /boot/initrd.img-6.1.0-1-amd64"
    )

    done = host.upgrade()

    assert (done.code, done.json["result"]) == (10, "degraded"), done
    assert reasons(done.json) == {"linux-image-amd64": "no-space"}
    assert "/boot" in done.json["held"][0]["detail"]
    assert names(done.json["upgraded"]) == ["a"]
    assert host.machine.version("linux-image-6.1.0-2-amd64") is None
