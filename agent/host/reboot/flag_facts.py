"""The reboot-required flag as a fact."""

from datetime import datetime, timezone

from agent.core.model.facts import Reboot, Unseen
from agent.host.reboot.flag import read_flag


def read_reboot() -> Reboot | Unseen:
    """Read the reboot-required flag and the packages that set it."""
    try:
        flag = read_flag()
    except OSError as error:
        return Unseen(reason=f"{error.filename}: {error.strerror}")
    if flag is None:
        return Reboot(required=False)
    packages, since = flag
    return Reboot(required=True, packages=packages, since=datetime.fromtimestamp(since, timezone.utc))
