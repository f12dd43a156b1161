"""The releases of both vendors: docker-weave.md 3.4, case W19."""

from datetime import date

import pytest

from agent.core.model.weave import Vendor
from agent.core.weave.releases import ARCHIVED, newest, release_of, vendors_of


@pytest.mark.parametrize(
    ("request_", "weaveworks", "rajchaudhuri"),
    [
        ("2.8.1", "2.8.1", None),
        ("2.8.2", None, "2.8.2"),
        ("2.8.10", None, "2.8.10"),
        ("2.8.11", None, None),
        ("v2.9.0", None, "2.9.0"),
        ("2.10", None, None),
        ("2.9.1", None, None),
        ("1.9.8", "1.9.8", None),
        ("2.8.x", "2.8.1", "2.8.10"),
        ("2.8", "2.8.1", "2.8.10"),
        ("2.6", "2.6.5", None),
        ("2.x", "2.8.1", "2.9.0"),
        ("latest", "2.8.1", "2.9.0"),
        ("2.08.1", None, None),
        ("2.8.1-rc1", None, None),
        ("2.8.1.0", None, None),
        ("x", None, None),
        ("", None, None),
    ],
)
def test_w19_a_version_stands_for_a_release_of_its_own_vendor_only(
    request_: str, weaveworks: str | None, rajchaudhuri: str | None
) -> None:
    assert release_of(request_, Vendor.WEAVEWORKS) == weaveworks
    assert release_of(request_, Vendor.RAJCHAUDHURI) == rajchaudhuri
    assert release_of(request_, Vendor.OTHER) is None


@pytest.mark.parametrize(
    ("request_", "vendors"),
    [("2.8.1", ("weaveworks",)), ("2.9.0", ("rajchaudhuri",)), ("latest", ("weaveworks", "rajchaudhuri")), ("3.0", ())],
)
def test_the_vendors_that_have_a_version_are_known(request_: str, vendors: tuple[str, ...]) -> None:
    assert tuple(vendor.value for vendor in vendors_of(request_)) == vendors


def test_weaveworks_is_archived_at_its_last_release() -> None:
    assert ARCHIVED[Vendor.WEAVEWORKS] == date(2024, 6, 20)
    assert newest(Vendor.WEAVEWORKS) == "2.8.1"
    assert newest(Vendor.OTHER) is None
