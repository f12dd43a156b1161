"""What the daemon exports in one look is collected once, and is never older than that look."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.daemon.in_daemon import AttemptResult
from agent.daemon.textfile import create_in_daemon
from agent.report import recent_status
from agent.report.recent_status import RecentStatus
from agent.report.source import ReportSource
from agent.state.store import STATE, Store
from tests.daemon.test_textfile import policy_of
from tests.report.sent import ExportingAgent
from tests.report.test_source import state


class CountingStore(Store):
    """A store that counts how often the state is read, and does something while it is."""

    times = 0
    meanwhile = staticmethod(lambda: None)

    def read(self, name: str, *schemas: str, keep: bool = False) -> Any:
        if name == STATE:
            self.times += 1
            self.meanwhile()
        return super().read(name, *schemas, keep=keep)


@pytest.fixture
def store(tmp_path: Path) -> CountingStore:
    (tmp_path / "state").mkdir()
    return CountingStore(str(tmp_path / "state"))


@pytest.fixture
def recent(store: CountingStore, tmp_path: Path) -> RecentStatus:
    return RecentStatus(store, str(tmp_path / "run"))


def record_state(store: Store) -> None:
    Path(store.path(STATE)).write_text(json.dumps(state()))


def test_two_reports_of_one_look_are_of_one_collection(store: CountingStore, recent: RecentStatus) -> None:
    sources = [ReportSource(store, recent.run_dir, None, recent) for _ in range(2)]
    recent.forget()
    store.times = 0

    first, second = (source.preview() for source in sources)

    assert first == second
    assert store.times == 1


def test_reports_without_one_are_each_of_their_own_moment(store: CountingStore, recent: RecentStatus) -> None:
    source = ReportSource(store, recent.run_dir)
    before: Any = source.preview()
    record_state(store)
    after: Any = source.preview()

    assert before["updates"]["seen_at"] is None
    assert after["updates"]["seen_at"] is not None


def test_the_next_look_sees_what_was_recorded_since(store: CountingStore, recent: RecentStatus) -> None:
    before = recent.document()
    record_state(store)
    shared = recent.document()
    recent.forget()

    assert before["plan"] is None
    assert shared is before
    assert recent.document()["plan"] is not None


def test_what_was_begun_in_an_earlier_look_is_not_shared_with_this_one(
    store: CountingStore, recent: RecentStatus
) -> None:
    """A thread that hangs while it collects goes on in the next look."""
    store.meanwhile = recent.forget
    begun = recent.document()
    store.meanwhile = lambda: None
    record_state(store)

    assert begun["plan"] is None
    assert recent.document()["plan"] is not None


def test_one_that_waited_behind_an_attempt_that_hung_is_collected_anew(
    store: CountingStore, recent: RecentStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = recent.document()
    record_state(store)
    monkeypatch.setattr(recent_status, "_RECENT_S", -1.0)  # it is older

    assert before["plan"] is None
    assert recent.document()["plan"] is not None


def test_a_file_that_fails_from_now_on_is_told_in_the_same_look(tmp_path: Path) -> None:
    agent = ExportingAgent(directory=tmp_path)
    agent.configure()
    agent.configure_section("metrics", textfile=str(tmp_path / "missing/maestro.prom"))
    agent.record(1)
    recent = RecentStatus(Store(str(tmp_path / "state")), str(tmp_path / "run"))

    assert create_in_daemon(recent).run(policy_of(agent), lambda: False) is AttemptResult.FAILED
    reporting: Any = recent.document()["reporting"]
    assert reporting["prometheus"]["why"]
