"""What a person has to do or to know, without what the agent will do by itself. Pure and light.

The `reasons` of a status also name updates that the next scheduled upgrade installs, and updates that the
administrator holds back on purpose. Neither needs anybody.
"""

from collections.abc import Iterable

from agent.report.daily_job_text import daily_job_reasons
from agent.report.status.document import Status
from agent.report.status.engines import pending_restart
from agent.report.status.exporters import exporter_reasons
from agent.report.status.reasons import daemon_reasons, job_reasons, problem_reasons, run_reasons
from agent.state.views import PlanView, RunView

_ON_PURPOSE = {
    *("held-by-admin", "blocklisted", "not-allowlisted", "pinned", "phased", "runtime-managed"),
    *("snoozed", "soaking", "not-in-cohort"),
}
"""Why an update is held that the configuration, or the rollout, holds back until it is changed or is due."""

_RETRIED = frozenset({"busy", "deferred"})
"""Results of runs that the daemon tries again; one that stays shows as a failing job."""


_AUTOMATIC = ("on", "stands-aside")
"""States in which pending updates are installed without a person."""


class Need:
    """One need; two with the same `key` are the same need, however their texts differ."""

    def __init__(self, code: str, text: str, details: Iterable[str] = ()) -> None:
        self.code = code
        self.text = text
        self.key = " ".join([code, *sorted(set(details))])


def needs(status: Status) -> list[Need]:
    """Return what needs a person; empty if nothing does."""
    found = [*_unknown(status), *_run(status.last_run, status), *_problem(status.last_run, status)]
    if status.state is not None:
        found += _plan(status.state.plan, automatic=status.automatic.state in _AUTOMATIC)
    if status.reboot is not None and status.reboot.required and not status.reboots.by_itself:
        names = ", ".join(status.reboot.packages)
        found.append(Need("reboot", f"a reboot is required{f' by {names}' if names else ''}"))
    found += [Need("release-support", text, [status.release.support.state.value]) for text in status.release.reasons]
    found += [Need("snoozes", text) for text in status.waiting.reasons]
    found += [Need("provision", text) for text in status.provisioning.reasons]
    found += [Need("service-failed", text, [unit]) for unit, text in status.runtime.failures.items()]
    for engine in (status.engines.docker, status.engines.weave):
        if engine is not None and engine.restart_pending:
            name = engine.component
            found.append(Need(f"{name}-restart", pending_restart(engine)))
    found += [Need(code, text, [run]) for code, run, text in status.engines.failures]
    found += [Need("reboot-failed", text, status.reboots.cause) for text in status.reboots.reasons]
    found += [Need("fleet-lock", text) for text in status.fleet_lock.reasons]
    found += [Need("requests", text) for text in status.requests.reasons]
    found += [Need("automatic", text) for text in status.automatic.reasons]
    found += [Need("patcher", text, [text.partition(":")[0]]) for text in daily_job_reasons(status.daily_job)]
    found += [Need("daemon", text, [text]) for text in (status.daemon.problems if status.daemon else [])]
    found += [Need("job", text, [text.split()[0]]) for text in job_reasons(status.jobs)]
    failing = exporter_reasons(status.exporters, status.now)
    found += [Need("exporter", text, [text.partition(" since ")[0]]) for text in failing]
    return found


def _unknown(status: Status) -> list[Need]:
    dead = set(daemon_reasons(status.daemon, status.now))
    return [Need("daemon-dead" if text in dead else "unknown", text) for text in status.unknown]


def _run(run: RunView | None, status: Status) -> list[Need]:
    reasons = run_reasons(run, status.running)
    if run is None or not reasons or run.result in _RETRIED:
        return []
    failed = [f"{part.package.partition(':')[0]} ({part.stage}): {part.error}" for part in run.failed]
    if failed:
        failed[0] = f"{len(failed)} package{'s' if len(failed) > 1 else ''} failed: {failed[0]}"
    return [Need(f"run-{run.result}", "; ".join([*failed, *reasons]), (part.package for part in run.failed))]


def _problem(run: RunView | None, status: Status) -> list[Need]:
    return [Need("run-problem", text, [run.problem]) for text in problem_reasons(run, status.running) if run]


def _plan(plan: PlanView, *, automatic: bool) -> list[Need]:
    found = []
    if plan.install and not automatic:
        names = {part.package for part in plan.install}
        found.append(Need("pending", f"updates are pending: {', '.join(sorted(names))}", names))
    held = [part for part in plan.held if part.why not in _ON_PURPOSE]
    if held:
        texts = [f"{part.package} ({part.detail or part.why})" for part in held]
        found.append(Need("held", f"updates are held back: {', '.join(texts)}", (part.package for part in held)))
    if plan.repair:
        names = {part.package for part in plan.repair}
        found.append(Need("unfinished", f"packages are unfinished or broken: {', '.join(sorted(names))}", names))
    return found
