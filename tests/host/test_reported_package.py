"""Which package an error line of dpkg or libapt is about."""

import pytest

from agent.core.model.package import PackageId
from agent.host.dpkg.names import reported_package

ARCHIVES = {
    "/srv/pool/1.deb": PackageId(name="foo", architecture="i386"),
    "/srv/my: pool/bar_2_all.deb": PackageId(name="foo", architecture="amd64"),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("foo", "foo"),
        ("foo:all", "foo"),
        ("foo:i386", PackageId(name="foo", architecture="i386")),
        ("g++-12", "g++-12"),
        ("/srv/pool/1.deb", PackageId(name="foo", architecture="i386")),
        ("/srv/my: pool/bar_2_all.deb", PackageId(name="foo", architecture="amd64")),
        ("/var/cache/apt/archives/foo_2-1_amd64.deb", None),
        ("/srv/apt-dpkg-install-x/1-foo.deb", None),
    ],
)
def test_a_path_is_the_package_whose_archive_it_is_and_nothing_else(
    text: str, expected: PackageId | str | None
) -> None:
    assert reported_package(text, ARCHIVES) == expected
