"""What this machine's reboot is judged by where systemd gives no answer, or an unusual one."""

import time
from datetime import timedelta
from pathlib import Path

import pytest

from agent.core.model.facts import Unseen
from agent.core.reboot.model import BootIdentity
from agent.errors import HostError
from agent.host import soft_reboots
from agent.host.process.run import ProgramResult
from agent.host.reboot import actions
from agent.host.reboot.actions import LocalRebootHost
from agent.state.store import Store
from agent.state.timestamps import utc_now

SECOND = timedelta(seconds=1)
SILENT = ProgramResult(code=None, output="systemctl: no answer within 20 s")


def host(
    directory: Path, monkeypatch: pytest.MonkeyPatch, *answers: ProgramResult, finished: str = ""
) -> LocalRebootHost:
    """Return this machine with a systemd that answers so, and with its last answer from then on."""
    left = list(answers)

    def systemctl(words: list[str], limit_s: float) -> ProgramResult:  # noqa: ARG001 - named by the caller
        if "--property=FinishTimestampMonotonic" in words:
            return ProgramResult(code=0, output=finished)
        return left.pop(0) if len(left) > 1 else left[0]

    for module in (actions, soft_reboots):
        monkeypatch.setattr(module, "run_program", systemctl)
        monkeypatch.setattr(module, "systemd_runs", lambda: True)
    monkeypatch.setattr(actions, "_POLL_S", 0.0)
    return LocalRebootHost(Store(str(directory)), boot_id="a", hook_limit=SECOND)


@pytest.mark.parametrize(
    ("answer", "identity"),
    [
        (ProgramResult(code=0, output="SoftRebootsCount=2"), ("a", 2)),
        (ProgramResult(code=0, output="UserspaceTimestamp=@1"), ("a", 0)),
        (SILENT, ("", 0)),
        (ProgramResult(code=1, output="Failed to connect to bus"), ("", 0)),
    ],
    ids=["counted", "before-254", "hangs", "no-bus"],
)
def test_a_boot_whose_soft_reboots_are_unknown_is_not_taken_for_another_one(
    answer: ProgramResult, identity: tuple[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = host(tmp_path, monkeypatch, answer).boot()

    assert found == BootIdentity(boot_id=identity[0], soft_reboots=identity[1])


@pytest.mark.parametrize(
    "answer",
    [
        SILENT,
        ProgramResult(code=1, output=""),
        ProgramResult(code=1, output="starting"),
        ProgramResult(code=1, output="Failed to query system state: Connection timed out\nunknown"),
    ],
    ids=["hangs", "silent", "starting", "unknown"],
)
def test_a_boot_has_not_ended_as_long_as_systemd_does_not_say_so(
    answer: ProgramResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert host(tmp_path, monkeypatch, answer).wait_until_started(timedelta()) is None


def test_the_end_of_a_boot_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished = str(int((time.clock_gettime(time.CLOCK_MONOTONIC) - 60) * 1e6))
    booting = (SILENT, ProgramResult(code=1, output="starting"))
    made = host(tmp_path, monkeypatch, *booting, ProgramResult(code=1, output="degraded"), finished=finished)

    found = made.wait_until_started(timedelta(hours=1))
    assert found is not None
    assert abs(utc_now() - found - timedelta(minutes=1)) < timedelta(seconds=30)


@pytest.mark.parametrize("finished", ["0", ""])
def test_without_the_time_of_its_end_a_boot_ended_when_that_was_seen(
    finished: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = utc_now()
    made = host(tmp_path, monkeypatch, ProgramResult(code=1, output="maintenance"), finished=finished)

    found = made.wait_until_started(timedelta())
    assert found is not None
    assert before <= found <= utc_now()


@pytest.mark.parametrize("runs", [False, True, Unseen(reason="logind gives no answer")], ids=["none", "new", "silent"])
def test_only_without_logind_is_nothing_to_cancel(
    runs: bool | Unseen,  # noqa: FBT001 - as logind_runs returns it
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(actions, "logind_state", lambda: Unseen(reason="no answer"))
    monkeypatch.setattr(actions, "logind_runs", lambda: runs)
    made = host(tmp_path, monkeypatch, SILENT)

    if runs is False:
        made.cancel(utc_now())
        return
    with pytest.raises(HostError):
        made.cancel(utc_now())
