"""The little that the nouns know of themselves."""

from tests.core import given


def test_a_step_is_new_where_nothing_was_installed() -> None:
    assert given.step(installed=None).new
    assert not given.step(installed="1").new
