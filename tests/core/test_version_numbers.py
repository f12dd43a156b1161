"""The numbers of a version of Docker or Weave, in every spelling that packages, engines and scripts have."""

import pytest

from agent.core.version_numbers import version_numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5:27.3.1-1~debian.12~bookworm", (27, 3, 1)),
        ("20.10.24+dfsg1", (20, 10, 24)),
        ("18.06.3~ce~3-0~ubuntu", (18, 6, 3)),
        ("v2.8.10", (2, 8, 10)),
        ("2.8.1\r", (2, 8, 1)),
        ("unreleased", ()),
        ("", ()),
    ],
)
def test_upstream_numbers_are_found(text: str, expected: tuple[int, ...]) -> None:
    assert version_numbers(text) == expected
