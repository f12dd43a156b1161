"""The distribution, and the default origins of its security updates. Pure."""

from collections.abc import Mapping

from agent.core.frozen import frozen

_DEFAULT_ORIGINS: Mapping[str, tuple[str, ...]] = {
    # As in the archives' Release files; ESM: Ubuntu Pro's esm.ubuntu.com.
    "ubuntu": (
        "origin=Ubuntu,archive=${distro_codename}-security",
        "origin=UbuntuESMApps,archive=${distro_codename}-apps-security",
        "origin=UbuntuESM,archive=${distro_codename}-infra-security",
        # Pro's Legacy add-on, which follows ESM: as in Ubuntu's configuration of unattended-upgrades 2.13.
        "origin=UbuntuESMApps,archive=${distro_codename}-apps-legacy-security",
        "origin=UbuntuESM,archive=${distro_codename}-infra-legacy-security",
    ),
    "debian": ("origin=Debian,codename=${distro_codename}-security,label=Debian-Security",),
}


@frozen
class Distro:
    """The fields of os-release(5) that are used; empty if the file does not hold them."""

    id: str
    codename: str
    version: str = ""

    @property
    def variables(self) -> dict[str, str]:
        """Variables of origin patterns; empty fields are left out, so that using one is an error."""
        known = {"distro_id": self.id.capitalize(), "distro_codename": self.codename, "distro_release": self.version}
        return {name: value for name, value in known.items() if value}


def default_origins(distro: Distro) -> tuple[str, ...]:
    """Return the default of `security.origins`; empty for an unknown distribution."""
    return _DEFAULT_ORIGINS.get(distro.id, ())
