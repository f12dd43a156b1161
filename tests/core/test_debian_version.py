"""Our order of versions against libapt's."""

import apt_pkg
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from agent.core.debian_version import version_key

VERSIONS = st.from_regex(r"(?:[0-9]{1,2}:)?[0-9][0-9ab.+~]{0,6}(?:-[0-9ab.+~]{1,5}){0,2}", fullmatch=True)
apt_pkg.init_system()


def order(one: str, other: str) -> int:
    """Return -1, 0 or 1, as our keys sort."""
    return (version_key(one) > version_key(other)) - (version_key(one) < version_key(other))


def libapt(one: str, other: str) -> int:
    found = apt_pkg.version_compare(one, other)
    return (found > 0) - (found < 0)


@drawn(VERSIONS, VERSIONS)
def test_versions_sort_as_in_libapt(one: str, other: str) -> None:
    assert order(one, other) == libapt(one, other)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("6.1.158-1", "6.12.57-1", -1),
        ("6.12.57-1~bpo12+1", "6.12.57-1", -1),
        ("6.1.9-1", "6.1.10-1", -1),
        ("1:6.6.62-1+rpt1", "6.12.9-1", 1),
        ("6.8.0-45.45", "6.8.0-45.45~22.04.1", 1),
        ("1", "1-0", 0),
        ("1.0", "1.", 0),
        ("01.2", "1.02", 0),
        ("1-", "1", 0),
        ("1~", "1", -1),
        ("1~~", "1~", -1),
        ("1a", "1+", -1),
        ("0~", "0", -1),
        ("0:0~-0~", "0", -1),
        ("0-0~", "0", -1),
        ("9" * 5000, "1" + "0" * 5000, -1),
    ],
)
def test_the_order_of_kernel_versions(one: str, other: str, expected: int) -> None:
    assert (order(one, other), order(other, one)) == (expected, -expected)
