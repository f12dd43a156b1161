"""What a run does after a download: install, plan again without some packages, or refresh the package lists. Pure."""

from collections.abc import Mapping

from agent.core.frozen import frozen
from agent.core.model.package import PackageId
from agent.core.model.plan import Plan, Refusal, Step, Why
from agent.core.model.reasons import text_reason
from agent.core.packages.dropped import VersionOf
from agent.errors import HostError, NoSpaceError


@frozen
class Install:
    """All packages are downloaded and none is held: install these steps."""

    steps: tuple[Step, ...]


@frozen
class Replan:
    """Plan again without these versions."""

    excluded: Mapping[VersionOf, Refusal]


@frozen
class Refresh:
    """Refresh the package lists and plan again: a missing package was most likely superseded by a newer version."""


def after_download(
    plan: Plan, failed: Mapping[PackageId, str], prompts: Mapping[PackageId, str], *, may_refresh: bool
) -> Install | Replan | Refresh:
    """Return what follows a download.

    Args:
        plan: the plan whose packages were downloaded.
        failed: errors by package.
        prompts: packages to hold back because dpkg would prompt about a conffile, each with a description.
        may_refresh: whether the run may still refresh the lists; it does so once.

    Raises:
        HostError: a download failed that belongs to no package of the plan.
    """
    if not failed:
        excluded = _excluded(plan, Why.CONFFILE, prompts)
        return Replan(excluded=excluded) if excluded else Install(steps=plan.install)
    if may_refresh:
        return Refresh()
    missing = _excluded(plan, Why.DOWNLOAD_FAILED, failed)
    if not missing:
        errors = "; ".join(f"{package.label}: {error}" for package, error in failed.items())
        raise HostError(f"a download failed that is no part of the plan: {errors}")
    return Replan(excluded=missing)


def without_oversized(plan: Plan, error: NoSpaceError) -> Replan:
    """Return a replan without the packages that the file system has no space for."""
    oversized = {step.id: str(error) for step in plan.install if step.package in error.packages}
    return Replan(excluded=_excluded(plan, Why.NO_SPACE, oversized))


def _excluded(plan: Plan, why: Why, texts: Mapping[PackageId, str]) -> dict[VersionOf, Refusal]:
    """Return the versions of these packages that a plan installs, each with a refusal of its text."""
    return {
        (step.id, step.candidate): Refusal(why=why, reason=text_reason(texts[step.id]))
        for step in plan.install
        if step.id in texts
    }
