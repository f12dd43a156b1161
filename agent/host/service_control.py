"""systemd's units as `restart-services` needs them (systemctl(1)), behind `agent.core.restart.ports.ServiceControl`.

One unit for each call: systemd 262 restarts nothing if one name of several is wrong. systemctl's exit code says nothing
of a service that dies at once, so each job is queued with --no-block and watched with a deadline; the state is read
again later.
"""

import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from agent.core.restart.model import SystemdUnit
from agent.errors import HostError
from agent.host.process.run import run_program
from agent.host.reboot.processes import runs_replaced_files
from agent.host.time_span import time_span

_CALL_S = 30.0
"""For one call of systemctl, none of which waits for a unit."""
_POLL_S = 0.2
_ALIVE_S = 5.0
_DEPENDENTS = ("RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf", "PropagatesStopTo")
"""Units that a restart reaches (systemd.unit(5)). systemd 252 knows all of them."""
_STARTS = ("InactiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic", "ExecMainStartTimestampMonotonic")
_PROPERTIES = ",".join(
    (
        *("Id", "LoadState", "ActiveState", "SubState", "Result", "Type", "MainPID", "KillMode", "CanStart", "CanStop"),
        *("Transient", "StandardInput", "TriggeredBy", "After", "StartLimitIntervalUSec", "StartLimitBurst"),
        *("NRestarts", "InvocationID", "Job", "TimeoutStopUSec", "TimeoutStartUSec"),
        *_DEPENDENTS,
        *_STARTS,
    )
)
_MOST_UNITS = 2000
"""Against a machine whose dependents do not end; ten times those of a large server."""
_BATCH = 8
"""Units for one call."""
_MOST_OUTPUT = 60_000
"""Characters of an answer that is complete; `run_program` keeps a few more."""


class SystemdServices:
    """Units of this machine."""

    def __init__(
        self,
        *,
        systemctl: Sequence[str] = ("systemctl",),
        alive: Callable[[], None] = lambda: None,
        proc: str = "/proc",
    ) -> None:
        """Take the words that run systemctl, what is called while a method waits, and where systemd's processes are."""
        self._systemctl = tuple(systemctl)
        self._alive = alive
        self._proc = proc

    def units(self, names: Collection[str]) -> Mapping[str, SystemdUnit]:
        """Return these units, and those that systemd restarts with them, by name.

        Raises:
            HostError: systemd does not answer.
        """
        found: dict[str, SystemdUnit] = {}
        new = set(names)
        while new and len(found) < _MOST_UNITS:
            seen = {unit.name: unit for unit in self._show(sorted(new))}
            found |= seen
            new = {other for unit in seen.values() for other in unit.restarts_with} - set(found)
        return found

    def restart(self, unit: str, *, limit_s: float) -> str:
        """Restart one unit if it runs, and wait until systemd is done; return the error, empty if there is none.

        Raises:
            HostError: systemd does not answer.
        """
        done = run_program((*self._systemctl, "try-restart", "--no-block", "--", unit), limit_s=_CALL_S)
        if done.code != 0:
            return _last_line(done.output) or f"systemctl: exit code {done.code}"
        deadline = time.monotonic() + limit_s
        while job := self._job(unit):
            if time.monotonic() >= deadline:
                return f"systemd has not restarted it after {limit_s:.0f} s (job {job})"
            self.wait(_POLL_S)
        return ""

    def reexec(self, *, limit_s: float) -> str:
        """Have systemd execute itself again; return the error, empty if there is none."""
        done = run_program((*self._systemctl, "daemon-reexec"), limit_s=limit_s, alive=self._alive)
        return "" if done.code == 0 else _last_line(done.output) or f"systemctl: exit code {done.code}"

    def now_s(self) -> float:
        """Return the monotonic clock, which is the kernel's and so systemd's."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Wait."""
        end = time.monotonic() + seconds
        while (rest := end - time.monotonic()) > 0:
            self._alive()
            time.sleep(min(rest, _ALIVE_S))

    def _job(self, unit: str) -> str:
        return self._call("show", "--property=Job", "--value", "--", unit).removeprefix("0")

    def _show(self, names: Sequence[str]) -> Iterator[SystemdUnit]:
        for start in range(0, len(names), _BATCH):
            yield from self._show_some(names[start : start + _BATCH])

    def _show_some(self, names: Sequence[str]) -> Iterator[SystemdUnit]:
        """Yield units of one call, or of one call for each where the answer would be too long."""
        shown = self._call("show", f"--property={_PROPERTIES}", "--", *names)
        if len(shown) > _MOST_OUTPUT and len(names) > 1:
            for name in names:
                yield from self._show_some([name])
            return
        blocks = [_values(block) for block in shown.split("\n\n")]
        yield from (self._unit(values) for values in blocks if values.get("Id"))

    def _unit(self, values: Mapping[str, str]) -> SystemdUnit:
        main_pid = _number(values.get("MainPID", ""))
        starts = [_number(values.get(key, "")) for key in _STARTS]
        limit_s = time_span(values.get("StartLimitIntervalUSec", "infinity"))
        limited = bool(limit_s) and _number(values.get("StartLimitBurst", "")) > 0
        return SystemdUnit(
            name=values["Id"],
            load_state=values.get("LoadState", ""),
            active_state=values.get("ActiveState", ""),
            sub_state=values.get("SubState", ""),
            result=values.get("Result", ""),
            service_type=values.get("Type", ""),
            main_pid=main_pid or None,
            main_outdated=self._is_outdated(main_pid),
            keeps_processes=values.get("KillMode") in {"process", "none"},
            restartable=values.get("CanStart") == "yes" == values.get("CanStop"),
            transient=values.get("Transient") == "yes",
            connection=values.get("StandardInput") == "socket",
            triggered_by=tuple(values.get("TriggeredBy", "").split()),
            restarts_with=tuple(sorted({name for key in _DEPENDENTS for name in values.get(key, "").split()})),
            after=tuple(values.get("After", "").split()),
            start_limit_s=limit_s if limited else None,
            started_at_s=max(starts) / 1e6 if any(starts) else None,
            auto_restarts=_number(values.get("NRestarts", "")),
            invocation_id=values.get("InvocationID", ""),
            job=values.get("Job", "").removeprefix("0"),
            stop_limit_s=time_span(values.get("TimeoutStopUSec", "infinity")),
            begin_limit_s=time_span(values.get("TimeoutStartUSec", "infinity")),
        )

    def _is_outdated(self, pid: int) -> bool | None:
        process = f"{self._proc}/{pid}"
        return runs_replaced_files(process) if pid and os.path.exists(process) else None

    def _call(self, *arguments: str) -> str:
        done = run_program((*self._systemctl, *arguments), limit_s=_CALL_S)
        if done.code != 0:
            raise HostError(f"systemctl {arguments[0]}: {_last_line(done.output) or f'exit code {done.code}'}")
        return done.output


def _values(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else 0


def _last_line(output: str) -> str:
    return output.splitlines()[-1] if output else ""
