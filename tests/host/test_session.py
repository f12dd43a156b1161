"""The login session of a process."""

from pathlib import Path

import pytest

from agent.host.machine.session import own_session


@pytest.mark.parametrize(
    ("cgroups", "variable", "expected"),
    [
        ("0::/user.slice/user-1000.slice/session-3.scope\n", "", "3"),
        ("0::/user.slice/user-1000.slice/session-c12.scope\n", "7", "c12"),
        ("12:pids:/user.slice\n1:name=systemd:/user.slice/user-0.slice/session-5.scope\n0::/\n", "", "5"),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/tmux.scope\n", "7", "7"),
        ("0::/system.slice/cron.service\n", "", ""),
        ("0::/\n", "9", "9"),
        ("0::/\n", "9; rm", ""),
        ("", "", ""),
    ],
    ids=["ssh", "container", "hybrid", "user-manager", "service", "root-cgroup", "forged", "empty"],
)
def test_the_session_is_that_of_the_cgroup_else_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cgroups: str, variable: str, expected: str
) -> None:
    (tmp_path / "cgroup").write_text(cgroups)
    monkeypatch.setenv("XDG_SESSION_ID", variable)

    assert own_session(str(tmp_path / "cgroup")) == expected


def test_without_proc_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_SESSION_ID", raising=False)

    assert own_session(str(tmp_path / "none")) == ""
