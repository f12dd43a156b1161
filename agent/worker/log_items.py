"""How log entries name packages: with versions, and with the reason where there is one. Pure."""

from collections.abc import Iterable, Sequence

from agent.core.model.engine_outcome import EngineOutcome
from agent.core.model.facts import SourceError
from agent.core.model.outcome import Failure, Outcome
from agent.core.model.package import OfPackage
from agent.core.model.plan import Held, Step
from agent.core.package_label import package_labels
from agent.core.reboot.model import RebootOutcome
from agent.core.restart.model import RestartOutcome, UnitResult


def changes(steps: Sequence[Step]) -> list[str]:
    """Return "nginx 1 -> 2" for each step, and "libfoo 1" for a new package."""
    names = _names(steps)
    return [
        f"{name} {f'{step.installed} -> ' if step.installed else ''}{step.candidate}"
        for name, step in zip(names, steps, strict=True)
    ]


def held_items(held: Sequence[Held]) -> list[str]:
    """Return "nginx (held-by-admin)" for each held update."""
    return [f"{name} ({item.why.value})" for name, item in zip(_names(held), held, strict=True)]


def failures(failed: Iterable[Failure]) -> list[str]:
    """Return "nginx (unpack): unable to create …" for each failure."""
    return [f"{one.package.label} ({one.stage.value}): {one.error}" for one in failed]


def source_errors(errors: Iterable[SourceError]) -> list[str]:
    """Return "http://… (unreachable): Connection refused" for each source that could not be refreshed."""
    return [f"{one.source} ({one.fault.value}){f': {one.detail}' if one.detail else ''}" for one in errors]


def outcome_items(outcome: Outcome) -> dict[str, object]:
    """Return the fields of an upgrade run's entry."""
    return {
        "scope": outcome.scope.value,
        "result": outcome.result.value,
        "installed": changes(outcome.upgraded),
        "removed": [*(one.label for one in outcome.removed), *(one.label for one in outcome.removed_kernels)],
        "repaired": [f"{item.label} ({item.state})" for item in outcome.repaired],
        "held": held_items(outcome.held),
        "failed": failures(outcome.failed),
        "message": outcome.message,
        "lock_waited_s": outcome.lock.waited_s,
        "lock_held_s": outcome.lock.held_s,
    }


def engine_outcome_items(outcome: EngineOutcome) -> dict[str, object]:
    """Return the fields of the entry of an upgrade of Docker or Weave."""
    return {
        "component": outcome.component.value,
        "result": outcome.result.value,
        "before": outcome.before,
        "target": outcome.target,
        "running": outcome.running,
        "packages": [f"{one.package} {one.before} -> {one.after}" for one in outcome.packages],
        "blocked": [" ".join((one.why.value, *one.values)) for one in outcome.blocked],
        "lost": list(outcome.containers_lost),
        "engine_down_s": outcome.engine_down_s,
        "message": outcome.message,
    }


def restart_items(outcome: RestartOutcome) -> dict[str, object]:
    """Return the fields of the entry of a restart of services."""
    of = {result: [one for one in outcome.units if one.result is result] for result in UnitResult}
    return {
        "result": outcome.result.value,
        "restarted": [one.unit for one in of[UnitResult.RESTARTED]],
        "failed": [f"{one.unit}: {one.detail}" for one in of[UnitResult.FAILED]],
        "left": [f"{one.unit} ({one.why.value})" for one in of[UnitResult.LEFT] if one.why],
    }


def reboot_outcome_items(outcome: RebootOutcome) -> dict[str, object]:
    """Return the fields of a reboot's entry."""
    blocked = outcome.blocked
    return {
        "result": outcome.result.value,
        "origin": outcome.origin.value,
        "packages": list(outcome.reason.packages) if outcome.reason else [],
        "blocked": f"{blocked.detail} ({blocked.why.value if blocked.why else blocked.gate.value})" if blocked else "",
        "problems": [f"{one.detail} ({one.code.value})" for one in outcome.problems],
        "downtime_s": outcome.downtime_s,
        "lock": outcome.lock.value,
        "message": outcome.message,
    }


def _names(items: Sequence[OfPackage]) -> list[str]:
    """Return each package's name, with its architecture where a name appears more than once."""
    return package_labels([(item.id.name, item.id.architecture) for item in items])
