"""Runs inside a machine: brings Docker to exact package versions by the agent's own steps, prints how that ended.

Usage: python3 -m tests.support.change_docker TARGET PACKAGE=VERSION… (a PACKAGE without a version is removed)
"""

import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

from agent.core.docker.snapshot import DockerSnapshot
from agent.core.job_control import JobControl
from agent.core.model.docker import EngineUnit
from agent.core.model.engine_plan import PackageChange
from agent.host.apt.configuration import configure
from agent.host.apt.history import RunOrigin
from agent.host.apt.runtime_archives import AptRuntimeArchives
from agent.host.apt.transaction import Transactions
from agent.host.docker.observer import LocalEngines
from agent.host.docker.operator import LocalEngineOperator
from agent.host.dpkg.timeouts import DpkgTimeouts
from agent.host.weave.router import LocalRouterOperator
from agent.worker.steps.docker.change import EngineChange
from agent.worker.steps.docker.take import keep_archives, take_snapshot
from agent.worker.steps.docker.tools import Tools

_MINUTE = timedelta(minutes=1)


def main(target: str, words: list[str]) -> None:
    """Change Docker."""
    configure()
    phases: list[str] = []

    def save(snapshot: DockerSnapshot) -> None:
        phases.append(snapshot.phase.value)

    control = JobControl(progress=lambda _message: None, keep=lambda message: print(message, file=sys.stderr))
    transactions = Transactions(
        lock_timeout=_MINUTE,
        limits=DpkgTimeouts(stall=5 * _MINUTE, package=5 * _MINUTE),
        log=Path("/var/log/change.log"),
        control=control,
        origin=RunOrigin(),
    )
    archives = AptRuntimeArchives(Path("/var/lib/kept"), transactions)
    observer, operator = LocalEngines(), LocalEngineOperator()
    states = archives.states()
    wanted = {name: version or None for name, _, version in (word.partition("=") for word in words)}
    changes = [
        PackageChange(package=name, before=states[name][0] if name in states else None, after=version)
        for name, version in wanted.items()
    ]
    kept = keep_archives(archives, changes)
    docker = observer.docker()
    now = datetime.now(timezone.utc)
    snapshot = take_snapshot(docker, changes, kept, run_id="r", target=target, boot_id="b", now=now)
    assert isinstance(docker.unit, EngineUnit)
    tools = Tools(
        observer=observer,
        operator=operator,
        archives=archives,
        save=save,
        control=control,
        run_weave=LocalRouterOperator().run_script,
        boot_id="b",
    )
    change = EngineChange(tools, snapshot, docker.unit)
    with operator.measure() as meter:
        ended = change.carry_out()
        down_s = meter.down_s
    print(
        json.dumps(
            {
                "result": ended.result.value,
                "faults": "; ".join(fault.code.value for fault in ended.faults),
                "rollback": None if ended.rollback is None else [ended.rollback.done, ended.rollback.reason],
                "phases": phases,
                "started": sorted(change.containers.started),
                "stopped": sorted(change.containers.stopped),
                "errors": change.containers.errors,
                "down_s": down_s,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
