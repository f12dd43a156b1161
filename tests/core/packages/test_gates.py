"""The gates: each holds an update for its own reason; the registry lists all in order."""

from pathlib import Path
from typing import Any

import pytest

from agent.core.model.plan import Why
from agent.core.packages.atomic_groups import CONTAINER_RUNTIME
from agent.core.packages.gates import registry
from agent.core.packages.gates.registry import GATES, first_refusal
from agent.core.packages.gates.veto import veto
from tests.core import given

_SHUT: list[tuple[str, Why, dict[str, Any], dict[str, Any]]] = [
    ("hold", Why.HELD_BY_ADMIN, {"on_hold": True}, {}),
    ("blocklist", Why.BLOCKLISTED, {}, {"blocklist": ("runc",)}),
    ("runtime", Why.RUNTIME_MANAGED, {"package": "runc"}, {}),
    ("allowlist", Why.NOT_ALLOWLISTED, {}, {"allowlist": ("z",)}),
    ("signature", Why.UNTRUSTED, {"trusted": False}, {}),
    ("snooze", Why.SNOOZED, {"snoozes": (given.snooze("a"), given.snooze("runc"))}, {}),
    ("soak", Why.SOAKING, {"age": given.age()}, {"soak": given.SOAK}),
    ("rollout", Why.PHASED, {"phased": 20}, {}),
    ("apt-preferences", Why.PINNED, {"pin": "kept out"}, {}),
]
"""Gates in order: the reason each gives, and what shuts it (in the update, in the policy)."""


def test_the_gates_are_evaluated_in_order() -> None:
    names = [name for name, *_ in _SHUT]

    assert [gate.name for gate in GATES if gate.name in names] == names


def test_every_gate_file_is_registered_under_its_name() -> None:
    files = Path(registry.__file__).parent.glob("*.py")
    gates = {path.stem.replace("_", "-") for path in files if "\nGATE = Gate(" in path.read_text()}

    assert sorted(gate.name for gate in GATES) == sorted(gates)


@pytest.mark.parametrize("first", range(len(_SHUT)), ids=[name for name, *_ in _SHUT])
def test_the_first_of_several_shut_gates_gives_the_reason(first: int) -> None:
    changes = {name: value for _, _, update, _ in _SHUT[first:] for name, value in update.items()}
    security = {name: value for _, _, _, rule in _SHUT[first:] for name, value in rule.items()}

    refusal = first_refusal(given.policy(**security), given.update(**changes))

    assert refusal is not None
    assert refusal.why is _SHUT[first][1]


@pytest.mark.parametrize("package", sorted(CONTAINER_RUNTIME.packages))
def test_the_container_runtime_is_vetoed_unless_included(package: str) -> None:
    refusal = veto(given.policy(), package)

    assert refusal is not None
    assert refusal.why is Why.RUNTIME_MANAGED
    assert veto(given.policy(include_runtime=True), package) is None


def test_the_blocklist_vetoes_the_runtime_even_if_included() -> None:
    refusal = veto(given.policy(include_runtime=True, blocklist=("docker*",)), "docker.io")

    assert refusal is not None
    assert refusal.why is Why.BLOCKLISTED
