"""Properties of a step."""

from tests.core import given


def test_a_step_is_new_if_no_version_is_installed() -> None:
    assert given.step(installed=None).new
    assert not given.step(installed="1").new
