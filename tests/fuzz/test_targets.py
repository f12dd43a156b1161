"""Each target of the fuzzer, once: with no byte at all, and with its own seeds."""

import warnings
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_a_target_takes_no_byte_and_its_own_seeds(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    parse = target.prepare(tmp_path)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for data in (b"", *target.seeds):
            target.run(parse, data)
