"""What senders leave for others to read is written into a directory that may be somebody else's."""

import os
from pathlib import Path

import pytest

from agent.core.exporters import ExporterName
from agent.state.exporter_status import read_exporter_status, write_exporter_status


@pytest.mark.parametrize("listener", ExporterName)
def test_no_link_that_lies_in_wait_is_written_through(listener: ExporterName, tmp_path: Path) -> None:
    """Where root sends, the directory is the daemon's user's, who could so have root write anywhere."""
    precious = tmp_path / "shadow"
    precious.write_text("root:*")
    run = tmp_path / "run"
    run.mkdir()
    write_exporter_status(str(run), listener, {"number": 1})
    (name,) = os.listdir(run)
    (run / f"{name}.new").symlink_to(precious)

    write_exporter_status(str(run), listener, {"number": 2})

    found = read_exporter_status(str(run), listener)
    assert precious.read_text() == "root:*"
    assert found is not None
    assert found.number("number") == 2
    assert os.listdir(run) == [name]


def test_what_a_killed_one_was_just_writing_is_in_nobody_s_way(tmp_path: Path) -> None:
    write_exporter_status(str(tmp_path), ExporterName.ENDPOINT, {"number": 1})
    (name,) = os.listdir(tmp_path)
    (tmp_path / f"{name}.new").write_text("{")

    write_exporter_status(str(tmp_path), ExporterName.ENDPOINT, {"number": 2})

    found = read_exporter_status(str(tmp_path), ExporterName.ENDPOINT)
    assert found is not None
    assert found.number("number") == 2
    assert os.stat(tmp_path / name).st_mode & 0o777 == 0o644


def test_what_a_killed_root_left_behind_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "exporter-endpoint.json.new").touch(0o600)
    os.chown(tmp_path, 65534, 65534)
    pid = os.fork()
    if pid == 0:
        os.chdir(tmp_path)  # what lies above is for root alone
        os.setuid(65534)
        write_exporter_status(".", ExporterName.ENDPOINT, {"number": 3})
        os._exit(0)
    os.waitpid(pid, 0)

    found = read_exporter_status(str(tmp_path), ExporterName.ENDPOINT)
    assert found is not None
    assert found.number("number") == 3
