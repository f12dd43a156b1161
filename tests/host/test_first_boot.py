"""The age of a server: from what cloud-init did once, else from the machine id."""

import os
from datetime import datetime, timezone
from pathlib import Path

from agent.host.machine.first_boot import first_booted_at

IMAGE, FIRST, LATER = 1_790_000_000, 1_795_000_000, 1_795_600_000


def put(path: Path, at: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (at, at))


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def test_the_machine_id_was_written_at_the_first_boot(tmp_path: Path) -> None:
    put(tmp_path / "etc/machine-id", FIRST)

    assert first_booted_at(str(tmp_path)) == moment(FIRST)


def test_an_instance_of_cloud_init_is_younger_than_the_machine_id_of_its_image(tmp_path: Path) -> None:
    put(tmp_path / "etc/machine-id", IMAGE)
    put(tmp_path / "var/lib/cloud/instances/i-1/sem/config_users_groups", FIRST)
    put(tmp_path / "var/lib/cloud/instances/i-1/sem/config_scripts_user", LATER)
    (tmp_path / "var/lib/cloud/instance").symlink_to("instances/i-1")

    assert first_booted_at(str(tmp_path)) == moment(FIRST)


def test_without_either_it_is_unknown(tmp_path: Path) -> None:
    assert first_booted_at(str(tmp_path)) is None
