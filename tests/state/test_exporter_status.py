"""Exporters write their status files into a directory that another user may own."""

import os
from pathlib import Path

import pytest

from agent.core.exporters import ExporterName
from agent.state.exporter_status import read_exporter_status, write_exporter_status


@pytest.mark.parametrize("exporter", ExporterName)
def test_prepared_link_is_not_followed(exporter: ExporterName, tmp_path: Path) -> None:
    """With `report --send` root writes to a directory of the daemon's user, who could redirect the write."""
    target = tmp_path / "shadow"
    target.write_text("root:*")
    run = tmp_path / "run"
    run.mkdir()
    write_exporter_status(str(run), exporter, {"number": 1})
    (name,) = os.listdir(run)
    (run / f"{name}.new").symlink_to(target)

    write_exporter_status(str(run), exporter, {"number": 2})

    found = read_exporter_status(str(run), exporter)
    assert target.read_text() == "root:*"
    assert found is not None
    assert found.number("number") == 2
    assert os.listdir(run) == [name]


def test_temporary_file_of_a_killed_exporter_is_replaced(tmp_path: Path) -> None:
    write_exporter_status(str(tmp_path), ExporterName.ENDPOINT, {"number": 1})
    (name,) = os.listdir(tmp_path)
    (tmp_path / f"{name}.new").write_text("{")

    write_exporter_status(str(tmp_path), ExporterName.ENDPOINT, {"number": 2})

    found = read_exporter_status(str(tmp_path), ExporterName.ENDPOINT)
    assert found is not None
    assert found.number("number") == 2
    assert os.stat(tmp_path / name).st_mode & 0o777 == 0o644


def test_temporary_file_of_a_killed_root_exporter_is_replaced_by_the_daemon_user(tmp_path: Path) -> None:
    (tmp_path / "exporter-endpoint.json.new").touch(0o600)
    os.chown(tmp_path, 65534, 65534)
    pid = os.fork()
    if pid == 0:
        try:
            os.chdir(tmp_path)  # the directories above are for root alone
            os.setuid(65534)
            write_exporter_status(".", ExporterName.ENDPOINT, {"number": 3})
        finally:
            os._exit(0)  # whatever happens: there must not be a second process of pytest
    os.waitpid(pid, 0)

    found = read_exporter_status(str(tmp_path), ExporterName.ENDPOINT)
    assert found is not None
    assert found.number("number") == 3
