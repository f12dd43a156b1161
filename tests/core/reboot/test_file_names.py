"""Names of replaced files in dpkg's file lists."""

import pytest

from agent.core.reboot.file_names import recorded_names


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/usr/sbin/cron", ("/usr/sbin/cron", "/sbin/cron")),
        ("/lib/x86_64-linux-gnu/libc.so.6", ("/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/x86_64-linux-gnu/libc.so.6")),
        ("/opt/a/bin/x", ("/opt/a/bin/x",)),
        ("/usr/share/x.so", ("/usr/share/x.so",)),
        (
            "/opt/a/libz.so.1.2.13",
            ("/opt/a/libz.so.1.2.13", "/opt/a/libz.so.1.2", "/opt/a/libz.so.1"),
        ),
        (
            "/usr/lib/libz.so.1.2",
            ("/usr/lib/libz.so.1.2", "/lib/libz.so.1.2", "/usr/lib/libz.so.1", "/lib/libz.so.1"),
        ),
    ],
    ids=["program", "unmerged", "other-place", "no-alias", "library", "library-in-usr"],
)
def test_a_file_is_looked_up_under_each_of_its_names(path: str, expected: tuple[str, ...]) -> None:
    assert recorded_names(path) == expected


def test_the_link_of_the_development_package_is_not_a_name_of_the_library() -> None:
    assert "/usr/lib/libssl.so" not in recorded_names("/usr/lib/libssl.so.3")
