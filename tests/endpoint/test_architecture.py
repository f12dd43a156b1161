"""The house's rules hold for the endpoint: ranks, a pure core, nothing of the agent, short files and functions."""

import ast
from pathlib import Path

import pytest

from agent.version import VERSION as AGENTS
from endpoint.version import VERSION

CHECKOUT = Path(__file__).resolve().parent.parent.parent
MODULES = sorted(path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "endpoint").rglob("*.py"))
RANKS: tuple[set[str], ...] = (
    {"errors", "log", "version"},
    {"core"},
    {"config", "schemas"},
    {"store"},
    {"identity", "upkeep"},
    {"web"},
    {"server"},
    {"cli"},
    {"__main__"},
)
OURS = {
    "collections",
    "dataclasses",
    "datetime",
    "enum",
    "hashlib",
    "itertools",
    "json",
    "math",
    "re",
    "typing",
    "zlib",
}
CATCHES_ALL = "endpoint/http/api.py"


def imported(module: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse((CHECKOUT / module).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def rank(name: str) -> int:
    return next(number for number, rooms in enumerate(RANKS) if name.split(".")[1] in rooms)


@pytest.mark.parametrize("module", [module for module in MODULES if not module.endswith("__init__.py")])
def test_a_module_imports_only_lower_rooms_and_its_own_and_nothing_of_the_agent(module: str) -> None:
    own = module.removesuffix(".py").replace("/", ".")
    names = imported(module)

    higher = [name for name in names if name.startswith("endpoint.") and rank(name) >= rank(own)]

    assert [name for name in higher if name.split(".")[1] != own.split(".")[1]] == []
    assert [name for name in names if name.split(".")[0] in {"agent", "tests"}] == []


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith("endpoint/core/")])
def test_the_core_touches_nothing_outside(module: str) -> None:
    outside = {name.split(".")[0] for name in imported(module)} - OURS - {"endpoint"}
    text = (CHECKOUT / module).read_text()

    assert outside == set()
    assert not {"now(", "utcnow(", "open(", "print("} & set(text.split())


@pytest.mark.parametrize("module", MODULES)
def test_files_and_functions_stay_short(module: str) -> None:
    text = (CHECKOUT / module).read_text()
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]

    assert len(text.splitlines()) <= 300
    assert [node.name for node in nodes if (node.end_lineno or 0) - node.lineno >= 40] == []
    assert "except Exception" not in text
    assert ("(Exception, _bug)" in text) == (module == CATCHES_ALL)


def test_agent_and_endpoint_are_of_one_version() -> None:
    assert VERSION == AGENTS


@pytest.mark.parametrize(
    "module", [path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "agent").rglob("*.py")]
)
def test_the_agent_needs_nothing_of_the_endpoint(module: str) -> None:
    assert [name for name in imported(module) if name.startswith("endpoint.")] == []
