"""What a change of Docker saves before it begins is there until it has ended, for root alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.docker.snapshot import Phase
from agent.errors import RecordError
from agent.state.docker_change import DockerChangeRecord
from agent.state.record import Record
from agent.state.store import Store
from tests.core.docker.given_docker import container, snapshot
from tests.core.given import NOW


def test_a_change_that_has_not_ended_is_found_again(tmp_path: Path) -> None:
    saved = snapshot(container(), phase=Phase.RESTARTING)
    DockerChangeRecord(Store(str(tmp_path))).save(saved, NOW)

    assert DockerChangeRecord(Store(str(tmp_path))).load() == saved
    assert (tmp_path / "docker-snapshot.json").stat().st_mode & 0o777 == 0o600


def test_a_change_that_has_ended_leaves_nothing(tmp_path: Path) -> None:
    record = Record(Store(str(tmp_path)))
    DockerChangeRecord(record.store).save(snapshot(), NOW)
    DockerChangeRecord(record.store).save(replace(snapshot(), phase=Phase.RESTORING), NOW)

    DockerChangeRecord(record.store).finish()
    DockerChangeRecord(record.store).finish()

    assert DockerChangeRecord(record.store).load() is None


def test_a_damaged_snapshot_is_an_error_and_not_nothing(tmp_path: Path) -> None:
    (tmp_path / "docker-snapshot.json").write_text("{")

    with pytest.raises(RecordError):
        DockerChangeRecord(Store(str(tmp_path))).load()
