"""A lazy pattern matches as a compiled one does, and is compiled by nobody who does not use it."""

import re

import pytest

from agent.core.pattern import lazy_pattern


def test_it_matches_as_a_compiled_one() -> None:
    lazy, compiled = lazy_pattern("(a)(b?)", re.IGNORECASE), re.compile("(a)(b?)", re.IGNORECASE)

    assert [found.groups() for found in lazy.finditer("abA")] == [found.groups() for found in compiled.finditer("abA")]
    assert lazy.sub("-", "abA") == compiled.sub("-", "abA")
    assert (lazy.pattern, lazy.flags) == (compiled.pattern, compiled.flags)
    assert lazy.fullmatch("x") is None


def test_it_is_compiled_at_its_first_use() -> None:
    wrong = lazy_pattern("(")

    with pytest.raises(re.error):
        wrong.fullmatch("")
