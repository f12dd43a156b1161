"""The distribution, from os-release(5)."""

from agent.core.policy.distro import Distro
from agent.errors import HostError
from agent.host.machine.local import _OS_RELEASE, _field


def read_distro() -> Distro:
    """Read os-release(5).

    Raises:
        HostError: neither place holds a readable file.
    """
    for path in _OS_RELEASE:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        fields = dict(_field(line) for line in text.splitlines() if "=" in line and not line.startswith("#"))
        return Distro(
            id=fields.get("ID", ""), codename=fields.get("VERSION_CODENAME", ""), version=fields.get("VERSION_ID", "")
        )
    raise HostError("/etc/os-release cannot be read, so the distribution is not known")
