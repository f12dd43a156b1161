"""systemd-logind(8) over D-Bus: sessions, inhibitors, the scheduled shutdown, and the reboot itself.

Through busctl(1), which is part of systemd, so that no D-Bus library is needed; seen on systemd 252, 257 and 262. Every
call has a deadline. D-Bus starts logind if it does not run.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

from agent.core.frozen import frozen
from agent.core.model.facts import Unseen
from agent.core.reboot.gates import Inhibitor, ScheduledShutdown, UserSession
from agent.errors import HostError
from agent.host.process.run import run_program
from agent.host.systemd import systemd_runs

_SERVICE, _PATH = "org.freedesktop.login1", "/org/freedesktop/login1"
_MANAGER, _SESSION = f"{_SERVICE}.Manager", f"{_SERVICE}.Session"
_PROPERTIES = "org.freedesktop.DBus.Properties"
_LIMIT_S = 10
_NEVER_USEC = (1 << 64) - 1
"""logind's time of a shutdown that is not scheduled."""
_AT_ONCE_USEC = 0
"""Of a reboot without a schedule, which has begun or was refused; seen on systemd 257."""
_STOPPED = frozenset({"inactive", ""})
"""Values of ActiveState in which logind does not run; empty: there is no such unit."""
_MOST_SESSIONS = 100
"""Sessions that are looked at one by one: it takes 5 ms each."""
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_Read = TypeVar("_Read")


@frozen
class LogindState:
    """logind's own properties at one moment."""

    blocked: bool
    """Whether a program blocks shutdowns."""
    scheduled: ScheduledShutdown | None
    stopping: bool
    """Whether the machine is going down."""


def logind_runs() -> bool | Unseen:
    """Return whether this machine has logind, and D-Bus to reach it; Unseen: it has, and gives no answer."""
    if not systemd_runs():
        return False
    try:
        _call(_PATH, "org.freedesktop.DBus.Peer", "Ping")
    except HostError as error:
        shown = run_program(
            ["systemctl", "show", "--property=ActiveState", "--value", "systemd-logind.service"], limit_s=_LIMIT_S
        )
        if shown.code == 0 and shown.output in _STOPPED:
            return False
        return Unseen(reason=f"logind gives no answer: {error}")
    return True


def logind_state() -> LogindState | Unseen:
    """Return whether shutdowns are blocked, one is scheduled, or one is under way."""
    return _read(_state)


def user_sessions() -> tuple[UserSession, ...] | Unseen:
    """Return the sessions of users who are logged in, and not those of services, user managers and greeters.

    A session that is closing has only programs left; nobody is logged in to it.
    """
    return _read(lambda: tuple(_sessions()))


def block_inhibitors() -> tuple[Inhibitor, ...] | Unseen:
    """Return the programs that block shutdowns. Those that only delay them (`delay`, `block-weak`) do not count."""
    return _read(lambda: tuple(_inhibitors()))


def schedule_reboot(at: datetime) -> None:
    """Have logind reboot at a time; it shows it to `shutdown --show`, and warns the users who are logged in.

    Raises:
        HostError: logind refuses, or has something else scheduled afterwards.
    """
    usec = (at - _EPOCH) // timedelta(microseconds=1)
    _call(_PATH, _MANAGER, "ScheduleShutdown", "st", "reboot", str(usec))
    found = logind_state()
    if isinstance(found, Unseen):
        raise HostError(f"the scheduled reboot cannot be read back: {found.reason}")
    if found.scheduled is None or found.scheduled.kind != "reboot" or found.scheduled.at != at:
        raise HostError("another program has changed the scheduled reboot")


def cancel_shutdown() -> None:
    """Cancel what is scheduled at logind, if anything.

    Raises:
        HostError: logind gives no answer.
    """
    _call(_PATH, _MANAGER, "CancelScheduledShutdown")


def reboot_now() -> None:
    """Have logind reboot the machine; returns once it has accepted.

    Raises:
        HostError: it refuses: "Access denied" (257) or "Operation denied due to active block inhibitor" (262) where
            another program blocks shutdowns. On 252 root is never refused.
    """
    _call(_PATH, _MANAGER, "Reboot", "b", "false")


def _state() -> LogindState:
    found = _properties(_PATH, _MANAGER)
    kind, usec = found["ScheduledShutdown"]
    scheduled = None
    if kind and usec not in {_AT_ONCE_USEC, _NEVER_USEC}:
        scheduled = ScheduledShutdown(kind=str(kind), at=_EPOCH + timedelta(microseconds=int(usec)))
    return LogindState(
        blocked="shutdown" in str(found["BlockInhibited"]).split(":"),
        scheduled=scheduled,
        stopping=found["PreparingForShutdown"] is True,
    )


def _sessions() -> Iterator[UserSession]:
    listed = _call(_PATH, _MANAGER, "ListSessions")[0]
    for number, (session, _uid, user, _seat, path) in enumerate(listed):
        if number >= _MOST_SESSIONS:  # more than enough to close the gate
            return
        try:
            found = _properties(path, _SESSION)
        except HostError:
            if all(one[0] != session for one in _call(_PATH, _MANAGER, "ListSessions")[0]):
                continue  # it has ended meanwhile
            raise
        if _is_of_user(str(found["Class"])) and found["State"] != "closing":
            yield UserSession(
                id=str(session), user=str(user), terminal=str(found["TTY"]), remote=str(found["RemoteHost"])
            )


def _is_of_user(kind: str) -> bool:
    """Whether the class of a session is that of a person (sd_session_get_class(3)).

    Since systemd 256 root's login on a terminal is "user-early"; there are "user-light" and "user-early-light", too.
    """
    return kind == "user" or (kind.startswith("user-") and kind != "user-incomplete")


def _inhibitors() -> Iterator[Inhibitor]:
    for what, who, why, mode, _uid, pid in _call(_PATH, _MANAGER, "ListInhibitors")[0]:
        if mode == "block" and "shutdown" in str(what).split(":"):
            yield Inhibitor(who=str(who), why=str(why), pid=int(pid))


def _read(read: Callable[[], _Read]) -> _Read | Unseen:
    try:
        return read()
    except HostError as error:
        return Unseen(reason=str(error))
    except (LookupError, ValueError, TypeError, AttributeError, OverflowError) as error:
        return Unseen(reason=f"logind's answer cannot be read: {error!r}")


def _properties(path: str, interface: str) -> Mapping[str, Any]:
    found = _call(path, _PROPERTIES, "GetAll", "s", interface)[0]
    return {str(name): one["data"] for name, one in found.items()}


def _call(path: str, interface: str, method: str, *arguments: str) -> list[Any]:
    """Call a method of logind; return the values that it answers with, of whatever types these are.

    Raises:
        HostError: it fails, or gives no answer in time.
    """
    command = ["busctl", "--system", "--json=short", f"--timeout={_LIMIT_S}", "call", _SERVICE, path, interface, method]
    done = run_program([*command, *arguments], limit_s=_LIMIT_S + 2)
    if done.code != 0:
        raise HostError(done.output.splitlines()[-1] if done.output else f"busctl: exit code {done.code}")
    try:
        return list(json.loads(done.output)["data"]) if done.output else []
    except (ValueError, TypeError, KeyError) as error:
        raise HostError(f"busctl {method}: an answer that cannot be read") from error
