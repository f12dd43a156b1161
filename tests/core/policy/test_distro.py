"""Where security updates come from on each distribution when nobody says."""

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
def test_on_debian_it_is_the_security_archive(release: ReleaseFields, *, security: bool) -> None:
    assert counts_as_security(DEBIAN, release) is security


@pytest.mark.parametrize(
    ("release", "security"),
    [
        (ReleaseFields(origin="Ubuntu", archive="noble-security"), True),
        (ReleaseFields(origin="UbuntuESMApps", archive="noble-apps-security"), True),
        (ReleaseFields(origin="UbuntuESM", archive="noble-infra-security"), True),
        (ReleaseFields(origin="Ubuntu", archive="noble-updates"), False),
        (ReleaseFields(origin="UbuntuESM", archive="noble-infra-updates"), False),
        (ReleaseFields(origin="Ubuntu", archive="jammy-security"), False),
        (ReleaseFields(origin="LP-PPA-somebody", archive="noble-security"), False),
    ],
)
def test_on_ubuntu_it_is_the_security_pocket_and_esm(release: ReleaseFields, *, security: bool) -> None:
    assert counts_as_security(UBUNTU, release) is security


def test_for_an_unknown_distribution_there_is_no_default() -> None:
    assert default_origins(Distro(id="plan9", codename="fourth")) == ()


def test_variables_are_those_that_os_release_says() -> None:
    assert UBUNTU.variables == {"distro_id": "Ubuntu", "distro_codename": "noble", "distro_release": "24.04"}


def test_what_os_release_does_not_say_is_no_variable() -> None:
    assert Distro(id="debian", codename="").variables == {"distro_id": "Debian"}
