"""Renders `maestro.plan/1` for people. Pure."""

from agent.report.text import (
    counted,
    cve_suffix,
    esm_only_lines,
    held_lines,
    lists_lines,
    names,
    origin_of,
    others_text,
    overridden_lines,
    reboot_line,
    requested_lines,
    update_lines,
)
from agent.state.views import PlanView


def plan_lines(plan: PlanView, *, verbose: bool = False, working: bool = False, command: bool = True) -> list[str]:
    """Render a plan: by source package, or with `verbose` every package.

    `working`: while a job is running, so that unfinished packages are those it is at work on.
    `command`: with the command that executes this plan.
    """
    lines = [
        *lists_lines(plan.lists),
        *requested_lines(plan.requested),
        *_install_lines(plan, verbose=verbose),
        *overridden_lines(plan.overridden),
        *_removal_lines(plan),
    ]
    lines += held_lines(plan.held, verbose=verbose)
    lines += _unfinished_lines(plan, working=working)
    if plan.other_updates:
        count = counted(plan.other_updates, "other update")
        lines.append(f"{count} available; {others_text(plan.other_updates, plan.other_held)}.")
    if plan.hidden_security:
        lines.append(f"{counted(len(plan.hidden_security), 'other update')} with a security fix:")
        lines += update_lines(plan.hidden_security, verbose=verbose)
    lines += esm_only_lines(plan.esm_only, verbose=verbose)
    lines.append(reboot_line(plan.reboot))
    if command and not working and (plan.install or plan.remove or plan.repair):
        scope = " --all" if plan.scope == "all" else ""
        only = "".join(f" {name}" for name in plan.requested)
        lines.append(f"Install exactly this: `maestro-agent upgrade{only}{scope} --plan {plan.id}`")
    return lines


def _unfinished_lines(plan: PlanView, *, working: bool) -> list[str]:
    unfinished = ", ".join(f"{part.label} ({part.state})" for part in plan.repair)
    if not unfinished:
        return []
    if working:
        return [f"In progress: {unfinished}"]
    return [f"Unfinished or broken (`maestro-agent upgrade` repairs them as far as dpkg can): {unfinished}"]


def nothing_pending(scope: str, held: int) -> str:
    """Return the sentence for a plan or a run that has nothing to install."""
    what = "security update" if scope == "security" else "update"
    if held:
        return f"Nothing to install: {counted(held, what)} {'is' if held == 1 else 'are'} held back."
    return f"Nothing to install: no {what} is pending."


def _install_lines(plan: PlanView, *, verbose: bool) -> list[str]:
    if plan.install:
        what = "security update" if plan.scope == "security" else "update"
        origins = {origin_of(step) for step in plan.install}
        source = f" from {origins.pop()}" if len(origins) == 1 and not verbose else ""
        count = counted(len(plan.install), what)
        return [
            f"{count} to install{source}{cve_suffix(plan.install)}:",
            *update_lines(plan.install, verbose=verbose),
        ]
    if plan.lists.state == "never":
        return []
    if plan.lists.state == "stale":
        return ["Nothing to install according to these lists."]
    return [nothing_pending(plan.scope, len(plan.held))]


def _removal_lines(plan: PlanView) -> list[str]:
    """List packages to remove: obsolete kernels, what the plan makes unneeded; and kernels kept, with the reason."""
    lines: list[str] = []
    if plan.remove:
        lines.append(f"{counted(len(plan.remove), 'obsolete kernel package')} to remove:")
        lines += [f"  {name} {part.installed}" for name, part in zip(names(plan.remove), plan.remove, strict=True)]
    if plan.unused:
        lines.append(f"{counted(len(plan.unused), 'package')} to remove afterwards, because nothing needs them then:")
        lines += [f"  {name} {part.installed}" for name, part in zip(names(plan.unused), plan.unused, strict=True)]
    if plan.kept:
        lines.append("Obsolete kernel packages that are kept:")
        lines += [f"  {name}: {part.reason}" for name, part in zip(names(plan.kept), plan.kept, strict=True)]
    return lines
