"""How packages are named for people."""

from collections.abc import Iterator

import pytest

from agent.core.package_label import label_of, package_label, package_labels, set_native


@pytest.fixture(autouse=True)
def _native() -> Iterator[None]:
    set_native("amd64")
    yield
    set_native("")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lib:amd64", "lib"),
        ("lib:i386", "lib:i386"),
        ("lib:all", "lib"),
        ("lib", "lib"),
        ("dpkg:", "dpkg"),
    ],
)
def test_the_architecture_is_named_wherever_it_is_not_the_machines_own(text: str, expected: str) -> None:
    assert label_of(text) == expected


def test_a_machine_that_never_had_another_architecture_has_only_its_own() -> None:
    set_native("")

    assert package_label("lib", "amd64") == "lib"


def test_the_architecture_is_also_named_where_a_name_occurs_more_than_once() -> None:
    assert package_labels([("a", "amd64"), ("lib", "amd64"), ("lib", "i386"), ("b", "i386")]) == [
        "a",
        "lib:amd64",
        "lib:i386",
        "b:i386",
    ]
