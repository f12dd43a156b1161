"""Which distribution this is, and where its security updates come from by default. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

_DEFAULT_ORIGINS: Mapping[str, tuple[str, ...]] = {
    # The names are those of the archives' own Release files; ESM: Ubuntu Pro's esm.ubuntu.com.
    "ubuntu": (
        "origin=Ubuntu,archive=${distro_codename}-security",
        "origin=UbuntuESMApps,archive=${distro_codename}-apps-security",
        "origin=UbuntuESM,archive=${distro_codename}-infra-security",
    ),
    "debian": ("origin=Debian,codename=${distro_codename}-security,label=Debian-Security",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Distro:
    """The fields of os-release(5) that matter here; empty where the file does not say."""

    id: str
    codename: str
    version: str = ""

    @property
    def variables(self) -> dict[str, str]:
        """What origin patterns may refer to; unknown fields are left out so that using one is an error."""
        known = {"distro_id": self.id.capitalize(), "distro_codename": self.codename, "distro_release": self.version}
        return {name: value for name, value in known.items() if value}


def default_origins(distro: Distro) -> tuple[str, ...]:
    """Return the default of `security.origins`; empty where the distribution is not known."""
    return _DEFAULT_ORIGINS.get(distro.id, ())
