"""Supervised children, without dpkg: messages, results, stop requests and timeouts."""

import os
import signal
import subprocess
import time
from datetime import timedelta
from pathlib import Path

import pytest

from agent.core.job_control import JobControl
from agent.core.model.package import PackageId
from agent.errors import BusyError
from agent.host.dpkg import child, timeouts
from agent.host.dpkg.child import ChildChannel, ChildReport, supervise
from agent.host.dpkg.timeouts import DpkgTimeouts
from tests.host.beats import Beats, passing_at

QUIET = JobControl(progress=lambda _: None)
LONG = DpkgTimeouts(stall=timedelta(minutes=5), package=timedelta(minutes=5))
POLL_S = 0.05


@pytest.fixture(autouse=True)
def _poll_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "_POLL_S", POLL_S)


def test_values_and_output_of_the_work_reach_the_parent(tmp_path: Path) -> None:
    lines: list[str] = []

    def work(channel: ChildChannel) -> None:
        channel.progress("half done")
        channel.values["held_s"] = 1.5
        subprocess.run(["echo", "output"], check=True)

    report = supervise(work, log=tmp_path / "log", limits=LONG, control=JobControl(progress=lines.append))

    assert vars(report) == {**vars(ChildReport()), "values": {"held_s": 1.5}, "complete": True}
    assert lines == ["half done"]
    assert (tmp_path / "log").read_text() == "output\n"
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_an_error_of_the_work_is_returned_with_the_values_so_far(tmp_path: Path) -> None:
    def work(channel: ChildChannel) -> None:
        channel.values["waited_s"] = 2.0
        raise BusyError("apt-get holds the lock")

    report = supervise(work, log=tmp_path / "log", limits=LONG, control=QUIET)

    assert isinstance(report.raised, BusyError)
    assert (str(report.raised), report.values, report.complete) == (
        "apt-get holds the lock",
        {"waited_s": 2.0},
        False,
    )


def test_a_killed_child_is_incomplete(tmp_path: Path) -> None:
    report = supervise(lambda _: os.kill(os.getpid(), signal.SIGKILL), log=tmp_path / "log", limits=LONG, control=QUIET)

    assert vars(report) == vars(ChildReport())


def test_status_lines_become_progress_and_errors(tmp_path: Path) -> None:
    lines: list[str] = []
    status = (
        "pmstatus:zlib1g:33.3333:Installing zlib1g (amd64)\n"
        "pmerror:/srv/pool/1: x.deb:40:cannot unpack\n"
        "pmerror:/srv/pool/a_2_all.deb:40:of no package\n"
        "status: b:amd64 : error : installed b script returned error exit status 1\n"
        "processing: configure: c:amd64\n"
        "neither\n"
    )

    def work(channel: ChildChannel) -> None:
        channel.archives({"/srv/pool/1: x.deb": PackageId(name="a", architecture="i386")})
        os.write(channel.descriptor, status.encode())

    report = supervise(work, log=tmp_path / "log", limits=LONG, control=JobControl(progress=lines.append))

    assert lines == [" 33 % Installing zlib1g (amd64)", "configuring c:amd64"]
    assert {str(package): error for package, error in report.errors.items()} == {
        "a:i386": "cannot unpack",
        "b:amd64": "installed b script returned error exit status 1",
    }
    assert report.fatal == "/srv/pool/a_2_all.deb: of no package"


def test_the_first_error_of_a_package_is_kept_in_whichever_form_its_name_comes() -> None:
    """A script's file name holds no architecture where dpkg reports a foreign package with it."""
    report = ChildReport()

    report.add_error("a", "maintainer script killed")
    report.add_error(PackageId(name="a", architecture="i386"), "killed by signal")
    report.add_error(PackageId(name="b", architecture="i386"), "of i386")
    report.add_error("b", "of the native one")

    assert {str(name): error for name, error in report.errors.items()} == {
        "a": "maintainer script killed",
        "b:i386": "of i386",
        "b": "of the native one",
    }


@pytest.mark.parametrize(("holds_locks", "stopped"), [(False, True), (True, False)])
def test_a_stop_reaches_the_child_until_it_holds_the_locks(tmp_path: Path, *, holds_locks: bool, stopped: bool) -> None:
    """The stop is asked for once the child has its handler: a busy machine can take longer to start it than a poll."""
    lines: list[str] = []

    def work(channel: ChildChannel) -> None:
        signals: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, _: signals.append(number))
        if holds_locks:
            channel.send({"locked": True})
        channel.progress("ready")
        until = time.monotonic() + (60 if stopped else 20 * POLL_S)
        while not signals and time.monotonic() < until:
            time.sleep(POLL_S)
        channel.values["stopped"] = float(bool(signals))

    control = JobControl(progress=lines.append, stop=lambda: "asked to" if lines else "")

    report = supervise(work, log=tmp_path / "log", limits=LONG, control=control)

    assert report.values == {"stopped": float(stopped)}


def test_keep_alives_are_sent_while_the_child_works(tmp_path: Path) -> None:
    beats = Beats(tmp_path)
    control = JobControl(progress=lambda _: None, alive=beats.alive)

    supervise(lambda _: beats.wait(), log=tmp_path / "log", limits=LONG, control=control)

    assert beats.came


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file by whose making a script lets two minutes pass: no limit counts how long its start takes."""
    file = tmp_path / "begun"
    monkeypatch.setattr(timeouts, "time", passing_at(file.exists))
    return file


def stalling(script: Path, begun: Path) -> Path:
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\ntouch {begun}\nsleep 600\n")
    script.chmod(0o755)
    return script


@pytest.mark.parametrize(
    ("stall", "package", "reason"),
    [(60, 300, "without output (apt.stall_timeout)"), (300, 60, "on one package (apt.package_timeout)")],
)
def test_a_stalled_maintainer_script_is_killed_and_named(
    tmp_path: Path, begun: Path, stall: int, package: int, reason: str
) -> None:
    script = stalling(tmp_path / "info" / "a:amd64.postinst", begun)

    def work(channel: ChildChannel) -> None:
        channel.values["code"] = float(subprocess.run([str(script)], check=False).returncode)

    limits = DpkgTimeouts(stall=timedelta(seconds=stall), package=timedelta(seconds=package))
    started = time.monotonic()

    report = supervise(work, log=tmp_path / "log", limits=limits, control=QUIET)

    assert time.monotonic() - started < 300
    assert report.values["code"] in {-9.0, 137.0}, "killed itself, or ended by the death of its command"
    assert {str(name): error for name, error in report.errors.items()} == {
        "a:amd64": f"maintainer script killed after 60 s {reason}"
    }


def test_a_stalled_script_of_an_archive_is_named_by_the_control_file_beside_it(tmp_path: Path, begun: Path) -> None:
    """dpkg runs the new version's preinst from its directory for one archive, under a name without the package."""
    script = stalling(tmp_path / "tmp.ci" / "preinst", begun)
    script.with_name("control").write_text("Package: a\nVersion: 2\nArchitecture: i386\n")

    def work(_: ChildChannel) -> None:
        subprocess.run([str(script)], check=False)

    limits = DpkgTimeouts(stall=timedelta(seconds=60), package=timedelta(seconds=300))
    report = supervise(work, log=tmp_path / "log", limits=limits, control=QUIET)

    assert [str(name) for name in report.errors] == ["a:i386"]
