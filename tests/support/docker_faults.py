"""Faults of an upgrade of Docker, as rows: how each is injected, and when; tests.support.docker_judge judges them."""

import random
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.support import docker_judge
from tests.support.docker_trial import Ground, Trial, Verdict, trial
from tests.support.engine_packages import Fault, offer_faulty
from tests.support.recorded import WORKER

Act = Callable[[Trial], None]
BEGUN_S, PACKAGES_S, RESTARTING_S, RESTORING_S = 2.0, 6.0, 3.0, 8.0
"""Random moments fall into so much time after a phase began."""


def nothing(_: Trial) -> None:
    """Do nothing."""


@dataclass(frozen=True, kw_only=True)
class DockerFault:
    """One fault run."""

    name: str
    prepare: Act = nothing
    """Before the upgrade."""
    strike: Act = nothing
    """While it runs."""
    results: tuple[str, ...]
    """How the last command may end."""
    again: bool = False
    """Whether the upgrade is interrupted: one more command finishes it or brings it back."""


def run_fault(made: Ground, fault: DockerFault, seed: int) -> Verdict:
    """Run one fault on a machine of its own."""
    verdict = Verdict(name=fault.name)
    began = time.monotonic()
    try:
        with trial(made, random.Random(f"{seed} {fault.name}")) as here:  # noqa: S311 - repeatable, not secret
            _run(here, fault, verdict)
    except (AssertionError, OSError, ValueError, LookupError, subprocess.SubprocessError) as error:
        verdict.problems.append(f"{type(error).__name__}: {error}"[:1500])
    verdict.seconds = time.monotonic() - began
    return verdict


def _run(here: Trial, fault: DockerFault, verdict: Verdict) -> None:
    fault.prepare(here)
    before = docker_judge.seen(here.engine)
    here.begin()
    try:
        fault.strike(here)
    finally:
        verdict.struck = here.struck
    answer = here.finish()
    verdict.results.append(_short(answer.code, answer.out))
    if fault.again:
        answer = here.again()
        verdict.results.append(_short(answer.code, answer.out))
    verdict.ending = docker_judge.judge(here.engine, before, answer)
    verdict.problems += verdict.ending.problems
    if verdict.ending.result not in fault.results:
        verdict.problems.append(f"{verdict.ending.result or 'no result'}, expected {' or '.join(fault.results)}")
    if verdict.problems:
        verdict.problems.append(f"message: {verdict.ending.message}; stderr: {answer.err[-300:]}")


def _short(code: int, out: str) -> str:
    document = docker_judge.document(out)
    return f"{document['result'] if document else '-'} ({code})"


def _package(kind: Fault, here: Trial) -> None:
    offer_faulty(here.machine, here.signer, kind)


def _live(then: Act, here: Trial) -> None:
    here.keep_live()
    then(here)


def _hangs(here: Trial) -> None:
    here.machine.write("/etc/maestro-agent/config.d/20-stall.toml", '[apt]\nstall_timeout = "1m"\n')
    _package(Fault.POSTINST_HANGS, here)


def _removed_option(here: Trial) -> None:
    here.option('{"oom-score-adjust": -500}\n')


def _removed_option_live(here: Trial) -> None:
    here.option('{"oom-score-adjust": -500, "live-restore": true}\n')


def _drop_in(text: str, here: Trial) -> None:
    here.machine.write("/etc/systemd/system/docker.service.d/test.conf", text)
    here.machine.check("systemctl daemon-reload")


def _restarted_often(here: Trial) -> None:
    for _ in range(2):
        here.machine.check("systemctl restart docker", timeout=300)
    here.restart()


def _policy(here: Trial) -> None:
    here.machine.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)


def _slow(here: Trial) -> None:
    here.engine.run_container("slow", policy="always", handles_stop=False, stop_timeout=25)


def _slower_than_the_unit(here: Trial) -> None:
    _drop_in("[Service]\nTimeoutStopSec=5\n", here)
    here.engine.run_container("slow", policy="unless-stopped", handles_stop=False, stop_timeout=12)


def _slow_removed(here: Trial) -> None:
    here.engine.docker("rm -f once")
    here.engine.run_container("once", auto_remove=True, handles_stop=False, stop_timeout=10)
    here.engine.docker("pause always")


def _kill_early(here: Trial) -> None:
    """Kill the job before it changes anything. One that has not answered yet is requested again by its command."""
    here.reach("", BEGUN_S)
    here.machine.kill("KILL", WORKER)


def _kill_job(phase: str, within_s: float, here: Trial) -> None:
    here.reach(phase, within_s)
    here.machine.kill("KILL", WORKER)
    assert here.asking.wait(240), "the job was not killed"


def _kill_engine(phase: str, within_s: float, here: Trial) -> None:
    here.reach(phase, within_s)
    here.machine.check(f"kill -9 {here.engine.engine_pid() or '$(pidof dockerd)'} || true")


def _kill_dpkg(here: Trial) -> None:
    here.machine.wait_for("/usr/bin/dpkg", seconds=120)
    here.reach("packages", 2.0)
    here.machine.run("pkill -9 -x dpkg")


def _reboot(phase: str, within_s: float, orderly: bool, here: Trial) -> None:  # noqa: FBT001
    here.reach(phase, within_s)
    here.machine.reboot(orderly=orderly)
    here.engine.wait("the engine", "systemctl is-active docker")


def _full(phase: str, within_s: float, left_kib: int, here: Trial) -> None:
    if phase:
        here.reach(phase, within_s)
    with here.machine.almost_full(left_kib):
        here.asking.wait(240)


_BACK = ("rolled-back",)
_EITHER = ("upgraded", "restarted", "unchanged", "rolled-back")
_UP = ("upgraded",)


def faults() -> tuple[DockerFault, ...]:
    """Return the 40 fault runs."""
    return (*_of_packages(), *_of_the_engine(), *_kills(), *_of_the_machine())


def _of_packages() -> tuple[DockerFault, ...]:
    fails, dead = partial(_package, Fault.POSTINST_FAILS), partial(_package, Fault.ENGINE_DEAD)
    flaps = partial(_package, Fault.ENGINE_FLAPS)
    return (
        DockerFault(name="postinst-fails", prepare=fails, results=_BACK),
        DockerFault(name="postinst-fails-live", prepare=partial(_live, fails), results=_BACK),
        DockerFault(name="postinst-hangs", prepare=_hangs, results=_BACK),
        DockerFault(name="engine-dead", prepare=dead, results=_BACK),
        DockerFault(name="engine-dead-live", prepare=partial(_live, dead), results=_BACK),
        DockerFault(name="engine-flaps", prepare=flaps, results=_BACK),
        DockerFault(name="engine-flaps-live", prepare=partial(_live, flaps), results=_BACK),
        DockerFault(name="dpkg-killed", strike=_kill_dpkg, results=_EITHER),
    )


def _of_the_engine() -> tuple[DockerFault, ...]:
    one_start = partial(_drop_in, "[Unit]\nStartLimitBurst=1\nStartLimitIntervalSec=600\n")
    return (
        DockerFault(name="option-removed", prepare=_removed_option, results=_BACK),
        DockerFault(name="option-removed-live", prepare=_removed_option_live, results=_BACK),
        DockerFault(name="start-limit-near", prepare=_restarted_often, results=_UP),
        DockerFault(name="start-limit-one", prepare=one_start, results=_UP),
        DockerFault(name="policy-rc.d", prepare=_policy, results=_UP),
        DockerFault(name="policy-rc.d-live", prepare=partial(_live, _policy), results=_UP),
        DockerFault(name="slow-container", prepare=_slow, results=_UP),
        DockerFault(name="slower-than-the-unit", prepare=_slower_than_the_unit, results=_UP),
        DockerFault(name="slow-removed-and-paused", prepare=_slow_removed, results=_UP),
    )


def _kills() -> tuple[DockerFault, ...]:
    job = [("packages", PACKAGES_S)] * 3 + [("restarting", RESTARTING_S)] * 2
    job += [("restoring", RESTORING_S)] * 3
    engine = [("packages", PACKAGES_S)] * 2 + [("restarting", RESTARTING_S)] * 2 + [("restoring", RESTORING_S)] * 2
    return (
        DockerFault(name="job-killed-1", strike=_kill_early, results=_EITHER, again=True),
        *(
            DockerFault(name=f"job-killed-{number}", strike=partial(_kill_job, *moment), results=_EITHER, again=True)
            for number, moment in enumerate(job, 2)
        ),
        *(
            DockerFault(name=f"engine-killed-{number}", strike=partial(_kill_engine, *moment), results=_EITHER)
            for number, moment in enumerate(engine, 1)
        ),
    )


def _of_the_machine() -> tuple[DockerFault, ...]:
    reboots = [("packages", PACKAGES_S, True), ("restoring", RESTORING_S, True)]
    resets = [("packages", PACKAGES_S, False), ("restarting", RESTARTING_S, False)]
    disks = [("", 0.0, 20_000), ("packages", 0.0, 30_000), ("packages", 3.0, 0), ("restarting", RESTARTING_S, 0)]
    return (
        *(
            DockerFault(name=f"rebooted-{number}", strike=partial(_reboot, *moment), results=_EITHER, again=True)
            for number, moment in enumerate((*reboots, *resets), 1)
        ),
        *(
            DockerFault(name=f"disk-full-{number}", strike=partial(_full, *moment), results=_EITHER, again=True)
            for number, moment in enumerate(disks, 1)
        ),
    )
