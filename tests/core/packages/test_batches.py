"""How a plan's steps are packed into transactions."""

import itertools

import pytest

from agent.core.model.plan import Step
from agent.core.packages.batches import BATCH_SIZE, pack, split
from tests.core import given


def steps(**groups: int) -> list[Step]:
    return [given.step(name, group=group) for name, group in groups.items()]


def names(batches: tuple[tuple[Step, ...], ...]) -> list[str]:
    return ["".join(step.package for step in batch) for batch in batches]


def test_no_steps_are_no_transactions() -> None:
    assert pack([]) == ()


def test_groups_are_packed_together_up_to_the_size() -> None:
    assert names(pack(steps(a=1, b=2, c=3, d=4, e=5), size=2)) == ["ab", "cd", "e"]


def test_a_group_is_never_split() -> None:
    assert names(pack(steps(a=1, b=2, c=2, d=2, e=3), size=2)) == ["a", "bcd", "e"]


def test_a_group_that_does_not_fit_starts_the_next_transaction() -> None:
    assert names(pack(steps(a=1, b=1, c=2, d=2, e=3), size=3)) == ["ab", "cde"]


def test_groups_are_ordered_by_their_first_package() -> None:
    assert names(split(steps(z=1, a=1, m=2))) == ["az", "m"]


def test_the_order_does_not_depend_on_the_order_of_the_steps() -> None:
    given_in_order = steps(a=3, b=1, c=2, d=1)

    cuts = {tuple(names(pack(order, size=2))) for order in itertools.permutations(given_in_order)}

    assert cuts == {("a", "bd", "c")}


def test_architectures_of_a_package_are_ordered() -> None:
    both = [given.step("a", architecture="i386"), given.step("a", architecture="amd64")]

    assert [step.architecture for step in split(both)[0]] == ["amd64", "i386"]


@pytest.mark.parametrize("count", [1, 24, 25, 26, 60])
def test_every_step_is_in_one_transaction_of_at_most_the_usual_size(count: int) -> None:
    many = [given.step(f"p{number:02}", group=number) for number in range(count)]

    batches = pack(many)

    assert [step for batch in batches for step in batch] == many
    assert max(len(batch) for batch in batches) <= BATCH_SIZE
    assert len(batches) == -(-count // BATCH_SIZE)
