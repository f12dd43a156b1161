"""What the gates of a reboot look at, from a real record; logind's answers are given."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.core.model.facts import Unseen
from agent.core.model.outcome import Failure, Result, Stage
from agent.core.model.package import PackageId
from agent.core.reboot.gates import Inhibitor, LastRun, ScheduledShutdown, UserSession
from agent.host.logind import LogindState
from agent.host.reboot import gate_facts
from agent.host.reboot.gate_facts import read_gate_facts
from agent.state.file_lock import try_lock
from agent.state.job_lock import job_lock
from agent.state.record import Record
from agent.state.store import Store
from tests.core import given

BOB = UserSession(id="3", user="bob")
BACKUP = Inhibitor(who="backup", why="a backup", pid=7)
LATER = ScheduledShutdown(kind="poweroff", at=given.NOW)
IDLE = LogindState(blocked=False, scheduled=None, stopping=False)
LATE = Unseen(reason="no answer")


@pytest.fixture(autouse=True)
def logind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, object]:
    """Return what logind answers; dpkg's locks are free."""
    answers: dict[str, object] = {"runs": True, "state": IDLE, "sessions": (), "inhibitors": ()}
    monkeypatch.setattr(gate_facts, "logind_runs", lambda: answers["runs"])
    monkeypatch.setattr(gate_facts, "logind_state", lambda: answers["state"])
    monkeypatch.setattr(gate_facts, "user_sessions", lambda: answers["sessions"])
    monkeypatch.setattr(gate_facts, "block_inhibitors", lambda: answers["inhibitors"])
    monkeypatch.setattr(gate_facts, "_LOCKS", (str(tmp_path / "dpkg-lock"),))
    return answers


_FAILURE = Failure(package=PackageId.parse("a:amd64"), stage=Stage.DOWNLOAD, error="404")
_RUNS = [
    (Result.UP_TO_DATE, (), True),
    (Result.UPDATED, (), True),
    (Result.DEGRADED, (), True),
    (Result.DEGRADED, ("a:amd64",), True),
    (Result.BUSY, (), True),
    (Result.STALE, (), True),
    (Result.FAILED, (), False),
    (Result.INTERRUPTED, (), False),
]


@pytest.mark.parametrize(("result", "failed", "trusted"), _RUNS, ids=[f"{row[0].value}-{len(row[1])}" for row in _RUNS])
def test_the_last_upgrade_run(tmp_path: Path, result: Result, failed: tuple[str, ...], *, trusted: bool) -> None:
    run = given.outcome(finished_at=given.NOW, result=result, failed=(_FAILURE,) if failed else ())
    Record(Store(str(tmp_path))).save_outcome(run, given.NOW)

    found = read_gate_facts(Store(str(tmp_path))).last_run

    assert isinstance(found, LastRun)
    assert (found.result, len(found.failed), found.trusted) == (result.value, len(failed), trusted)


def test_before_the_first_run_there_is_none_and_a_damaged_one_is_unknown(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    before = read_gate_facts(store).last_run
    Record(store).save_outcome(given.outcome(), given.NOW)
    (run,) = (tmp_path / "history").glob("*.json")
    run.write_text("{")

    assert before is None
    assert isinstance(read_gate_facts(store).last_run, Unseen)


def test_the_own_job_is_no_other_one(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.writable()
    with job_lock(store):
        assert read_gate_facts(store).running == ""


def test_the_own_lock_on_dpkg_is_no_other_programs(tmp_path: Path) -> None:
    assert try_lock(str(tmp_path / "dpkg-lock"), 0o640) is not None

    assert read_gate_facts(Store(str(tmp_path))).running == ""


def test_everything_that_logind_knows(tmp_path: Path, logind: dict[str, object]) -> None:
    logind |= {
        "state": LogindState(blocked=True, scheduled=LATER, stopping=False),
        "sessions": (BOB,),
        "inhibitors": (BACKUP,),
    }

    found = read_gate_facts(Store(str(tmp_path)))

    assert (found.sessions, found.inhibitors, found.scheduled, found.logind) == ((BOB,), (BACKUP,), LATER, True)


def test_inhibitors_are_read_only_if_there_are_any_and_one_without_a_name_is_unknown(
    tmp_path: Path, logind: dict[str, object]
) -> None:
    logind["inhibitors"] = (BACKUP,)
    assert read_gate_facts(Store(str(tmp_path))).inhibitors == ()

    logind |= {"state": LogindState(blocked=True, scheduled=None, stopping=False), "inhibitors": ()}
    assert isinstance(read_gate_facts(Store(str(tmp_path))).inhibitors, Unseen)


def test_a_logind_without_an_answer_leaves_three_gates_unknown(tmp_path: Path, logind: dict[str, object]) -> None:
    logind["runs"] = LATE
    found = read_gate_facts(Store(str(tmp_path)))
    assert (found.sessions, found.inhibitors, found.scheduled) == (LATE, LATE, LATE)

    logind |= {"runs": True, "state": LATE, "sessions": (BOB,)}
    found = read_gate_facts(Store(str(tmp_path)))
    assert (found.sessions, found.inhibitors, found.scheduled) == ((BOB,), LATE, LATE)


def test_without_logind_users_are_those_of_utmp(
    tmp_path: Path, logind: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    logind["runs"] = False
    user = SimpleNamespace(name="carol", terminal="tty1", host=None)
    monkeypatch.setattr(gate_facts, "psutil", SimpleNamespace(users=lambda: [user]))

    found = read_gate_facts(Store(str(tmp_path)))

    assert found.sessions == (UserSession(id="", user="carol", terminal="tty1"),)
    assert (found.inhibitors, found.scheduled, found.logind) == ((), None, False)
