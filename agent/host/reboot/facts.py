"""Whether a reboot is required, as a fact."""

from agent.core.model.facts import Reboot, Unseen
from agent.core.model.kernels import RunningKernel
from agent.host.reboot.need import read_reboot_need


def read_reboot() -> Reboot | Unseen:
    """Read whether a reboot is required, and why."""
    try:
        need = read_reboot_need()
    except OSError as error:
        return Unseen(reason=f"{error.filename}: {error.strerror}")
    view, kernel = need.view, need.kernel
    return Reboot(
        required=view.required,
        packages=tuple(view.packages),
        since=view.since,
        flagged=need.flagged,
        flag_packages=need.flag_packages,
        removed=need.gone,
        kernel=RunningKernel(
            running=kernel.running,
            newest=kernel.newest,
            outdated=kernel.outdated,
            without_image=kernel.without_image,
        ),
        host_kernel=need.in_container,
    )
