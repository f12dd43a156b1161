"""Which package an error line of dpkg or libapt is about."""

import pytest

from agent.core.model.package import PackageId
from agent.host.dpkg.names import reported_package


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("foo", "foo"),
        ("foo:all", "foo"),
        ("foo:i386", PackageId(name="foo", architecture="i386")),
        ("/var/cache/apt/archives/foo_1%3a2-1_i386.deb", PackageId(name="foo", architecture="i386")),
        ("/var/cache/apt/archives/foo_2-1_all.deb", "foo"),
        ("foo.deb", "foo"),
        ("/srv/repository/foo_2-1.deb", "foo"),
    ],
)
def test_a_package_is_parsed_with_its_architecture_if_reported(text: str, expected: PackageId | str) -> None:
    assert reported_package(text) == expected
