"""What a change of Weave saves is there until it has ended, for root alone; case W14: without the password."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.model.docker import WeaveAttachment
from agent.core.weave.snapshot import WeavePhase, WeaveSnapshot
from agent.errors import RecordError
from agent.state.documents.weave_snapshot import weave_snapshot_from_document, weave_snapshot_to_document
from agent.state.json_reader import JsonReader
from agent.state.store import Store
from agent.state.weave_change import WeaveChangeRecord
from tests.core.given import NOW
from tests.core.weave.given_weave import attached, weave_snapshot

FULL = weave_snapshot(
    attached("one", fixed_address="10.2.0.1", aliases=("a", "b")),
    attached("two", attachment=WeaveAttachment.ATTACHED, network_id="", running=False, fell=True),
    phase=WeavePhase.LAUNCHING,
    unit="weave.service",
    reason="not-ready",
    hooked=True,
)
BARE = weave_snapshot(arguments=None, report=None, runs=False, target_sha256="")


@pytest.mark.parametrize("saved", [FULL, BARE], ids=["running", "without-a-router"])
def test_a_change_that_has_not_ended_is_found_again(tmp_path: Path, saved: WeaveSnapshot) -> None:
    WeaveChangeRecord(Store(str(tmp_path))).save(saved, NOW)

    assert WeaveChangeRecord(Store(str(tmp_path))).load() == saved
    assert (tmp_path / "weave-snapshot.json").stat().st_mode & 0o777 == 0o600


def test_a_snapshot_of_an_earlier_version_is_one_without_hooks() -> None:
    document = weave_snapshot_to_document(FULL, NOW)
    del document["hooked"]

    assert weave_snapshot_from_document(JsonReader(document, "x")) == replace(FULL, hooked=False)


def test_a_change_that_has_ended_leaves_nothing(tmp_path: Path) -> None:
    record = WeaveChangeRecord(Store(str(tmp_path)))
    record.save(FULL, NOW)
    record.save(replace(FULL, phase=WeavePhase.RESTORING), NOW)

    record.finish()
    record.finish()

    assert record.load() is None


def test_a_damaged_snapshot_is_an_error_and_not_nothing(tmp_path: Path) -> None:
    (tmp_path / "weave-snapshot.json").write_text("{")

    with pytest.raises(RecordError):
        WeaveChangeRecord(Store(str(tmp_path))).load()
