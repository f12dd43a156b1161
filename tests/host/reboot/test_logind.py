"""logind's answers as busctl printed them on systemd 252, 257 and 262; each fault of a call by itself."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone

import pytest

from agent.core.model.facts import Unseen
from agent.core.reboot.gates import Inhibitor, ScheduledShutdown, UserSession
from agent.errors import HostError
from agent.host import logind
from agent.host.process.run import ProgramResult

AT = datetime(2026, 11, 29, 12, 4, 57, tzinfo=timezone.utc)
USEC = 1795953897000000
NEVER = 18446744073709551615
Answer = Callable[[Sequence[str]], ProgramResult]


def answered(data: object) -> ProgramResult:
    return ProgramResult(code=0, output=json.dumps({"type": "…", "data": data}))


def properties(**values: object) -> ProgramResult:
    return answered([{name: {"type": "…", "data": value} for name, value in values.items()}])


def manager(blocked: str = "", scheduled: tuple[str, int] = ("", NEVER), *, stopping: bool = False) -> ProgramResult:
    return properties(BlockInhibited=blocked, ScheduledShutdown=list(scheduled), PreparingForShutdown=stopping)


def session(kind: str = "user", state: str = "online") -> ProgramResult:
    return properties(Class=kind, State=state, TTY="pts/0", RemoteHost="10.0.0.7")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, ProgramResult]:
    """Return the answers by method (of GetAll by path); every call has to have one."""
    known: dict[str, ProgramResult] = {}

    def run(command: Sequence[str], *, limit_s: float) -> ProgramResult:
        assert limit_s > 0
        if command[0] == "systemctl":
            return known["systemctl"]
        path, interface, method = command[6:9]
        assert command[:6] == ["busctl", "--system", "--json=short", "--timeout=10", "call", "org.freedesktop.login1"]
        assert interface
        return known[path if method == "GetAll" else method]

    monkeypatch.setattr(logind, "run_program", run)
    monkeypatch.setattr(logind, "systemd_runs", lambda: True)
    return known


MANAGER = "/org/freedesktop/login1"
NO_BUS = ProgramResult(code=1, output="Failed to connect to system scope bus via local transport: Connection refused")
NO_UNIT = ProgramResult(code=1, output="Call failed: Unit dbus-org.freedesktop.login1.service failed to load properly")
LATE = ProgramResult(code=None, output="busctl: no answer within 12 s")
NO_BUSCTL = ProgramResult(code=None, output="busctl: No such file or directory")


@pytest.mark.parametrize(
    ("ping", "state", "expected"),
    [
        (ProgramResult(code=0, output=""), "", True),
        (NO_UNIT, "inactive", False),
        (NO_BUS, "inactive", False),
        (NO_BUSCTL, "", False),
        (NO_BUS, "active", None),
        (LATE, "active", None),
        (LATE, "failed", None),
        (LATE, "activating", None),
    ],
    ids=["it runs", "masked", "no D-Bus", "not installed", "D-Bus stopped below it", "late", "failed", "starting"],
)
def test_logind_runs_or_not_or_gives_no_answer(
    calls: dict[str, ProgramResult], ping: ProgramResult, state: str, *, expected: bool | None
) -> None:
    calls |= {"Ping": ping, "systemctl": ProgramResult(code=0, output=state)}

    found = logind.logind_runs()

    assert (None if isinstance(found, Unseen) else found) is expected


def test_without_an_answer_of_systemd_it_is_unknown_whether_logind_runs(calls: dict[str, ProgramResult]) -> None:
    calls |= {"Ping": NO_BUS, "systemctl": ProgramResult(code=None, output="systemctl: no answer within 10 s")}

    assert isinstance(logind.logind_runs(), Unseen)


def test_a_machine_with_another_init_has_no_logind(
    calls: dict[str, ProgramResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logind, "systemd_runs", lambda: False)

    assert logind.logind_runs() is False
    assert calls == {}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (manager(), logind.LogindState(blocked=False, scheduled=None, stopping=False)),
        (manager("sleep:idle"), logind.LogindState(blocked=False, scheduled=None, stopping=False)),
        (manager("shutdown:sleep"), logind.LogindState(blocked=True, scheduled=None, stopping=False)),
        (manager(scheduled=("reboot", 0)), logind.LogindState(blocked=False, scheduled=None, stopping=False)),
        (manager(stopping=True), logind.LogindState(blocked=False, scheduled=None, stopping=True)),
        (
            manager(scheduled=("poweroff", USEC)),
            logind.LogindState(blocked=False, scheduled=ScheduledShutdown(kind="poweroff", at=AT), stopping=False),
        ),
    ],
    ids=["idle", "other blocks", "blocked", "at once", "stopping", "scheduled"],
)
def test_the_state_of_logind(
    calls: dict[str, ProgramResult], answer: ProgramResult, expected: logind.LogindState
) -> None:
    calls[MANAGER] = answer

    assert logind.logind_state() == expected


_GARBAGE = [
    ProgramResult(code=0, output=""),
    ProgramResult(code=0, output="SESSION UID USER"),
    ProgramResult(code=0, output="[]"),
    ProgramResult(code=0, output='{"data": 5}'),
    ProgramResult(code=0, output='{"data": [{}]}'),
    ProgramResult(code=0, output='{"data": [[]]}'),
    manager(scheduled=("reboot", 10**30)),
    LATE,
    NO_BUS,
    ProgramResult(code=1, output=""),
]


@pytest.mark.parametrize("garbage", _GARBAGE, ids=range(len(_GARBAGE)))
def test_no_fault_of_a_call_is_an_answer(calls: dict[str, ProgramResult], garbage: ProgramResult) -> None:
    calls |= {
        MANAGER: garbage,
        "ListSessions": answered([[["3", 0, "root", "", "/session/3"]]]),
        "/session/3": garbage,
        "ListInhibitors": ProgramResult(code=0, output='{"data": [[["shutdown"]]]}'),
    }

    assert isinstance(logind.logind_state(), Unseen)
    assert isinstance(logind.user_sessions(), Unseen)
    assert isinstance(logind.block_inhibitors(), Unseen)


_CLASSES = [
    ("user", True),
    ("user-early", True),
    ("user-light", True),
    ("user-early-light", True),
    ("user-incomplete", False),
    ("greeter", False),
    ("lock-screen", False),
    ("background", False),
    ("background-light", False),
    ("manager", False),
    ("manager-early", False),
    ("none", False),
]


@pytest.mark.parametrize(("kind", "counts"), _CLASSES, ids=[kind for kind, _ in _CLASSES])
def test_only_sessions_of_people_count(calls: dict[str, ProgramResult], kind: str, *, counts: bool) -> None:
    calls |= {"ListSessions": answered([[["c3", 1000, "bob", "", "/session/c3"]]]), "/session/c3": session(kind)}

    found = logind.user_sessions()

    assert found == ((UserSession(id="c3", user="bob", terminal="pts/0", remote="10.0.0.7"),) if counts else ())


def test_a_session_that_is_closing_has_nobody_in_it(calls: dict[str, ProgramResult]) -> None:
    calls |= {"ListSessions": answered([[["3", 0, "bob", "", "/session/3"]]]), "/session/3": session(state="closing")}

    assert logind.user_sessions() == ()


def test_a_session_that_ended_between_two_calls_does_not_count(
    calls: dict[str, ProgramResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = iter([answered([[["3", 0, "bob", "", "/session/3"]]]), answered([[]])])
    calls["/session/3"] = ProgramResult(code=1, output="Call failed: Unknown object '/session/3'.")
    run = vars(logind)["run_program"]
    monkeypatch.setattr(
        logind,
        "run_program",
        lambda command, *, limit_s: next(lists) if "ListSessions" in command else run(command, limit_s=limit_s),
    )

    assert logind.user_sessions() == ()


def test_only_programs_that_block_a_shutdown_count(calls: dict[str, ProgramResult]) -> None:
    calls["ListInhibitors"] = answered(
        [
            [
                ["shutdown:sleep", "me ü", "because", "block", 0, 56],
                ["shutdown:sleep", "unattended-upgrades", "stop it", "delay", 0, 63],
                ["shutdown", "somebody", "weak", "block-weak", 0, 64],
                ["handle-power-key", "desktop", "keys", "block", 0, 65],
            ]
        ]
    )

    assert logind.block_inhibitors() == (Inhibitor(who="me ü", why="because", pid=56),)


def test_what_was_scheduled_is_read_back(calls: dict[str, ProgramResult]) -> None:
    calls |= {"ScheduleShutdown": ProgramResult(code=0, output=""), MANAGER: manager(scheduled=("reboot", USEC))}

    logind.schedule_reboot(AT)


@pytest.mark.parametrize(
    "after",
    [manager(), manager(scheduled=("poweroff", USEC)), manager(scheduled=("reboot", USEC + 1)), LATE],
    ids=["gone", "another kind", "another time", "no answer"],
)
def test_a_reboot_that_somebody_replaced_at_once_is_an_error(
    calls: dict[str, ProgramResult], after: ProgramResult
) -> None:
    calls |= {"ScheduleShutdown": ProgramResult(code=0, output=""), MANAGER: after}

    with pytest.raises(HostError):
        logind.schedule_reboot(AT)


@pytest.mark.parametrize(
    "refusal", ["Call failed: Access denied", "Call failed: Operation denied due to active block inhibitor"]
)
def test_a_refused_reboot_is_an_error_with_loginds_reason(calls: dict[str, ProgramResult], refusal: str) -> None:
    calls["Reboot"] = ProgramResult(code=1, output=refusal)

    with pytest.raises(HostError, match=refusal):
        logind.reboot_now()


def test_times_are_exact_to_the_microsecond(calls: dict[str, ProgramResult]) -> None:
    calls[MANAGER] = manager(scheduled=("reboot", USEC + 1))

    found = logind.logind_state()

    assert not isinstance(found, Unseen)
    assert found.scheduled == ScheduledShutdown(kind="reboot", at=AT + timedelta(microseconds=1))
