"""An answer of the resolver is used again only for the same question, and while all that it touches may be touched."""

from agent.core.model.kernels import NO_KERNEL_FACTS
from agent.core.model.package import PackageId
from agent.core.model.plan import Refusal, Resolution, Why
from agent.core.model.reasons import text_reason
from agent.core.model.scope import Scope
from agent.core.packages.remembered import PackageFacts, RememberedPackages, ResolverAnswer
from tests.core import given

FACTS = PackageFacts(
    updates=(given.update(),), repair=(), kernels=NO_KERNEL_FACTS, journal=False, esm_only=(), excluded=(), foreign=()
)
A, NEEDED = PackageId(name="a", architecture="amd64"), PackageId(name="needed", architecture="amd64")
ANSWER = ResolverAnswer(
    scope=Scope.SECURITY,
    admitted=(given.update(),),
    permitted=(A, NEEDED),
    resolution=Resolution(steps=(given.step(),), refused=()),
)
MEMORY = RememberedPackages(basis="basis", facts=FACTS, answers=(ANSWER,))


def permits(_package: PackageId) -> Refusal | None:
    return None


def test_the_same_question_has_the_same_answer_whatever_the_record_adds_to_the_update() -> None:
    asked = given.update(cves=("CVE-2026-1",), cves_complete=True, age=given.age())

    assert MEMORY.answer((asked,), Scope.SECURITY, permits) == ANSWER.resolution


def test_another_question_has_none() -> None:
    assert MEMORY.answer((), Scope.SECURITY, permits) is None
    assert MEMORY.answer((given.update(),), Scope.ALL, permits) is None
    assert MEMORY.answer((given.update(candidate="3"),), Scope.SECURITY, permits) is None
    assert MEMORY.answer((given.update(), given.update("b")), Scope.SECURITY, permits) is None


def test_an_answer_that_would_touch_what_is_vetoed_now_is_none() -> None:
    def vetoes(package: PackageId) -> Refusal | None:
        return Refusal(why=Why.BLOCKLISTED, reason=text_reason("no")) if package == NEEDED else None

    assert MEMORY.answer((given.update(),), Scope.SECURITY, vetoes) is None


def test_the_newest_answers_are_kept_one_for_each_question() -> None:
    memory = MEMORY.with_answer(ANSWER)
    for number in range(20):
        other = (given.update(f"b{number}"),)
        memory = memory.with_answer(
            ResolverAnswer(scope=Scope.ALL, admitted=other, permitted=(), resolution=ANSWER.resolution)
        )

    assert len(MEMORY.with_answer(ANSWER).answers) == 1
    assert memory.answer((given.update("b19"),), Scope.ALL, permits) is not None
    assert memory.answer((given.update(),), Scope.SECURITY, permits) is None


def test_nothing_is_remembered_without_a_basis_or_while_dpkg_has_left_anything_unfinished() -> None:
    unfinished = PackageFacts(
        updates=(), repair=(given.REPAIR,), kernels=NO_KERNEL_FACTS, journal=False, esm_only=(), excluded=(), foreign=()
    )

    assert MEMORY.usable
    assert not RememberedPackages(basis="", facts=FACTS).usable
    assert not RememberedPackages(basis="basis", facts=unfinished).usable
