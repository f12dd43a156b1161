"""The default security origins of each distribution."""

import pytest

from agent.core.policy.distro import Distro, default_origins
from agent.core.policy.origins import ReleaseFields, parse_pattern

DEBIAN = Distro(id="debian", codename="bookworm", version="12")
UBUNTU = Distro(id="ubuntu", codename="noble", version="24.04")


def counts_as_security(distro: Distro, release: ReleaseFields) -> bool:
    return any(parse_pattern(text, distro.variables).matches(release) for text in default_origins(distro))


@pytest.mark.parametrize(
    ("release", "security"),
    [
        (ReleaseFields(origin="Debian", label="Debian-Security", codename="bookworm-security"), True),
        (ReleaseFields(origin="Debian", label="Debian-Security", codename="trixie-security"), False),
        (ReleaseFields(origin="Debian", label="Debian", codename="bookworm"), False),
        (ReleaseFields(origin="Debian", label="Debian", codename="bookworm-updates"), False),
        (ReleaseFields(origin="Debian Backports", label="Debian Backports", codename="bookworm-backports"), False),
        (ReleaseFields(origin="Somebody", label="Debian-Security", codename="bookworm-security"), False),
    ],
)
def test_debian_defaults_to_the_security_archive(release: ReleaseFields, *, security: bool) -> None:
    assert counts_as_security(DEBIAN, release) is security


@pytest.mark.parametrize(
    ("release", "security"),
    [
        (ReleaseFields(origin="Ubuntu", archive="noble-security"), True),
        (ReleaseFields(origin="UbuntuESMApps", archive="noble-apps-security"), True),
        (ReleaseFields(origin="UbuntuESM", archive="noble-infra-security"), True),
        (ReleaseFields(origin="Ubuntu", archive="noble-updates"), False),
        (ReleaseFields(origin="UbuntuESMApps", archive="noble-apps-legacy-security"), True),
        (ReleaseFields(origin="UbuntuESM", archive="noble-infra-legacy-security"), True),
        (ReleaseFields(origin="UbuntuESM", archive="noble-infra-updates"), False),
        (ReleaseFields(origin="Ubuntu", archive="jammy-security"), False),
        (ReleaseFields(origin="LP-PPA-somebody", archive="noble-security"), False),
    ],
)
def test_ubuntu_defaults_to_the_security_pocket_and_esm(release: ReleaseFields, *, security: bool) -> None:
    assert counts_as_security(UBUNTU, release) is security


def test_an_unknown_distribution_has_no_default() -> None:
    assert default_origins(Distro(id="plan9", codename="fourth")) == ()


def test_variables_come_from_os_release() -> None:
    assert UBUNTU.variables == {"distro_id": "Ubuntu", "distro_codename": "noble", "distro_release": "24.04"}


def test_a_field_missing_in_os_release_is_no_variable() -> None:
    assert Distro(id="debian", codename="").variables == {"distro_id": "Debian"}
