"""What there is to tell, of a record that is not what it should be."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.store import STATE, Store
from agent.telling.report import REPORT_SCHEMA
from agent.tidings import Tidings
from tests.conftest import CHECKOUT

RUN = "20261123T041500Z-1"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    golden = CHECKOUT / "tests/golden"
    made = Store(str(tmp_path / "state"))
    plan = json.loads((golden / "plan.json").read_text())
    times = {"generated_at": "2026-11-23T05:10:00Z", "fresh_until": "2026-11-24T05:10:00Z"}
    made.write(STATE, {"schema": "maestro.state/1", **times, "plan": plan})
    made.write_run(RUN, json.loads((golden / "outcome.json").read_text()))
    return made


def report(store: Store) -> dict[str, Any]:
    return Tidings(store, f"{store.directory}/run").numbers()


@pytest.mark.parametrize(
    "damage",
    [{"failed": ["openssl"]}, {"failed": None}, {"message": 5}, {"finished_at": []}],
    ids=lambda damage: next(iter(damage)),
)
def test_a_run_of_another_shape_is_told_and_silences_nobody(store: Store, damage: dict[str, Any]) -> None:
    whole = report(store)
    path = Path(store.path(f"history/{RUN}"))
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))

    found = report(store)

    assert (whole["last_outcome"] is not None, found["last_outcome"]) == (True, None)
    assert found["schema"] == REPORT_SCHEMA
    assert any(next(iter(damage)) in words for words in (*found["warnings"], *found["reasons"]))
