"""Which running services an upgrade restarts, from the file lists and scripts of the installed packages."""

from pathlib import Path

import pytest

from agent.host.dpkg.unit_files import restarted_units

SCRIPT = "#!/bin/sh\ndeb-systemd-invoke restart 'ssh.service' || true\n"


@pytest.fixture
def info(tmp_path: Path) -> Path:
    place = tmp_path / "info"
    place.mkdir()
    return place


def running(tmp_path: Path, *units: str) -> tuple[str, ...]:
    for unit in units:
        (tmp_path / "system.slice" / unit).mkdir(parents=True)
    return (str(tmp_path / "system.slice"), "/nonexistent")


def package(info: Path, stem: str, *files: str, script: str = SCRIPT) -> None:
    (info / f"{stem}.list").write_text("\n".join(["/.", *files, ""]))
    (info / f"{stem}.postinst").write_text(script)


@pytest.mark.parametrize("stem", ["ssh", "ssh:amd64"])
@pytest.mark.parametrize("prefix", ["", "/usr"])
def test_a_running_unit_of_the_package_is_restarted(tmp_path: Path, info: Path, stem: str, prefix: str) -> None:
    package(info, stem, f"{prefix}/lib/systemd/system/ssh.service")

    found = restarted_units([("ssh", "amd64")], str(info), running(tmp_path, "ssh.service"))

    assert found == ("ssh.service",)


@pytest.mark.parametrize(
    "file",
    [
        "/lib/systemd/system/other.service",  # does not run
        "/lib/systemd/system/ssh.socket",
        "/lib/systemd/user/ssh.service",
        "/usr/share/doc/lib/systemd/system/ssh.service",
        "/lib/systemd/system/../ssh.service",
        "/lib/systemd/system/ssh.service/x",
        "/lib/systemd/system/\udcff.service",
    ],
)
def test_other_files_restart_nothing(tmp_path: Path, info: Path, file: str) -> None:
    (info / "ssh.list").write_bytes(f"{file}\n".encode("utf-8", "surrogateescape"))
    (info / "ssh.postinst").write_text(SCRIPT)

    assert restarted_units([("ssh", "amd64")], str(info), running(tmp_path, "ssh.service", "ssh.socket")) == ()


def test_a_package_whose_scripts_restart_nothing_is_left_out(tmp_path: Path, info: Path) -> None:
    package(info, "ssh", "/lib/systemd/system/ssh.service", script="#!/bin/sh\n")

    assert restarted_units([("ssh", "amd64")], str(info), running(tmp_path, "ssh.service")) == ()


def test_a_package_without_lists_restarts_nothing(tmp_path: Path, info: Path) -> None:
    assert restarted_units([("ssh", "amd64")], str(info), running(tmp_path, "ssh.service")) == ()
