"""The house's rules that no linter knows: ranks, purity of the core, sizes, and a light read path."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
MODULES = sorted(path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "agent").rglob("*.py"))
RANKS: tuple[set[str], ...] = (
    {"errors", "health", "log", "processmark", "recordlock", "regularfile", "times", "version"},
    {"reading", "core"},
    {"config", "outbox", "protocol", "report", "reporting", "runfile", "store", "text", "watched"},
    {"client", "jobrecord", "listening", "liveness", "memory", "outboxfile", "status", "telling", "tellingfile"},
    {"host"},
    {"observe", "act", "aftermath", "delivery", "remove"},
    {"cycle", "standing"},
    {"ahead", "run", "tidings"},
    {"jobs"},
    {"worker"},
    {"courier", "errand", "herald", "messenger", "scribe"},
    {"daemon", "serve"},
    {"cli"},
    {"__main__"},
)
"""Rooms from the ground up: a module imports modules of lower rank, or of its own room."""
PURE = {
    "collections",
    "collections.abc",
    "contextlib",
    "dataclasses",
    "datetime",
    "difflib",
    "enum",
    "fnmatch",
    "hashlib",
    "re",
    "typing",
}
"""What the core may import besides itself; `datetime` for its values, not for its clock."""
CLOCKS = {"now", "utcnow", "today"}
CATCHES_ALL = {
    "agent/cli/main.py",  # the command line's boundary
    "agent/daemon/service.py",  # the daemon's loop
    "agent/daemon/job_dispatcher.py",  # the same, in its other thread
    "agent/worker/server.py",  # the root half's own process
    "agent/worker/runner.py",  # the job's own process
    "agent/host/dpkg/child.py",  # dpkg's own process
}
RUNS_PROGRAMS = {
    "agent/host/apt/transaction.py",  # dpkg --configure -a, whose output goes to the run's log and not through a pipe
}
STARTS_ITSELF = "agent/host/process/spawn.py"
"""The daemon's sender: this very program, in a process of its own."""
LONGEST_FILE = 300
LONGEST_FUNCTION = 40
HEAVY = {
    *("apt", "apt_pkg", "structlog", "psutil", "tomllib", "tomli", "logging", "subprocess", "dataclasses", "inspect"),
    *(
        "typing",
        "pathlib",
        "email",
        "urllib",
        "http",
        "ssl",
        "asyncio",
        "multiprocessing",
        "agent.core",
        "agent.worker.jobs.jobs",
    ),
    *("agent.config", "agent.worker.runner", "agent.state.record", "agent.state.documents", "agent.log"),
}
"""What `status` never pays for."""


@cache
def tree(module: str) -> ast.Module:
    return ast.parse((CHECKOUT / module).read_text(), module)


def imported(module: str) -> Iterator[str]:
    """Return the dotted names of all modules that this one imports, wherever it does."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: line {node.lineno}: a relative import"
            base = str(node.module)
            inner = {alias.name for alias in node.names if is_module(f"{base}.{alias.name}")}
            yield from (f"{base}.{name}" for name in inner)
            if len(inner) < len(node.names):
                yield base


def is_module(name: str) -> bool:
    place = CHECKOUT / name.replace(".", "/")
    return place.with_suffix(".py").exists() or (place / "__init__.py").exists()


def dotted(module: str) -> str:
    return module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def room(name: str) -> str:
    return name.split(".")[1]


def rank(name: str) -> int:
    return next(number for number, rooms in enumerate(RANKS) if room(name) in rooms)


def functions(module: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_every_room_has_exactly_one_rank() -> None:
    rooms = {room(dotted(module)) for module in MODULES if module != "agent/__init__.py"}

    assert sorted(name for names in RANKS for name in names) == sorted(rooms)


@pytest.mark.parametrize("module", [module for module in MODULES if not module.endswith("__init__.py")])
def test_a_module_imports_only_lower_rooms_and_its_own(module: str) -> None:
    own = dotted(module)

    higher = [
        name
        for name in imported(module)
        if name.startswith("agent.") and room(name) != room(own) and rank(name) >= rank(own)
    ]

    assert higher == []


def test_no_module_is_imported_by_what_it_imports() -> None:
    names = {dotted(module): module for module in MODULES}
    graph = {name: {other for other in imported(module) if other in names} for name, module in names.items()}

    left = dict(graph)
    while leaves := {name for name, needs in left.items() if not needs & left.keys()}:
        left = {name: needs for name, needs in left.items() if name not in leaves}

    assert left == {}


@pytest.mark.parametrize("module", MODULES)
def test_every_import_stands_at_the_top(module: str) -> None:
    """But for the verb that the command line imports by name, which `importlib` does."""
    inside = [
        f"{function.name}: line {node.lineno}"
        for function in functions(module)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]

    assert inside == []
    assert "TYPE_CHECKING" not in (CHECKOUT / module).read_text()
    assert "importlib" not in imported(module) or module == "agent/cli/main.py"


@pytest.mark.parametrize("module", [module for module in MODULES if module.endswith("__init__.py")])
def test_packages_are_empty(module: str) -> None:
    assert (CHECKOUT / module).read_text() == ""


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith("agent/core/")])
def test_the_core_touches_nothing_outside(module: str) -> None:
    outside = [name for name in imported(module) if name not in PURE and not name.startswith("agent.core.")]
    builtins = {"open", "print", "input", "exec", "eval", "__import__"}
    calls = [node.func for node in ast.walk(tree(module)) if isinstance(node, ast.Call)]
    effects = [call.id for call in calls if isinstance(call, ast.Name) and call.id in builtins]
    clocks = [call.attr for call in calls if isinstance(call, ast.Attribute) and call.attr in CLOCKS]

    assert outside == effects == clocks == []


@pytest.mark.parametrize("module", MODULES)
def test_other_programs_are_run_through_the_one_door(module: str) -> None:
    doors = {"subprocess", "pty", "multiprocessing", "asyncio"} & set(imported(module))
    spawns = [
        node.attr
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Attribute) and node.attr in {"system", "popen", "posix_spawn", "posix_spawnp"}
    ]

    assert not doors or module in RUNS_PROGRAMS
    assert spawns == [] or module == STARTS_ITSELF


@pytest.mark.parametrize("module", MODULES)
def test_everything_is_caught_only_at_a_boundary(module: str) -> None:
    handlers = [node for node in ast.walk(tree(module)) if isinstance(node, ast.ExceptHandler)]
    broad = [
        handler.lineno
        for handler in handlers
        if handler.type is None
        or any(getattr(node, "id", "") in {"Exception", "BaseException"} for node in ast.walk(handler.type))
    ]
    suppressed = [
        node.lineno
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "suppress"
        and any(getattr(argument, "id", "") in {"Exception", "BaseException"} for argument in node.args)
    ]

    assert not broad or module in CATCHES_ALL
    assert suppressed == []


@pytest.mark.parametrize("module", sorted(CATCHES_ALL | RUNS_PROGRAMS))
def test_every_exception_to_a_rule_is_still_one(module: str) -> None:
    text = (CHECKOUT / module).read_text()

    assert ("except BaseException" in text or "except Exception" in text) == (module in CATCHES_ALL)
    assert ("subprocess.run(" in text) == (module in RUNS_PROGRAMS)


@pytest.mark.parametrize("module", MODULES)
def test_files_and_functions_stay_short(module: str) -> None:
    lines = len((CHECKOUT / module).read_text().splitlines())
    long = [node.name for node in functions(module) if (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION]

    assert lines <= LONGEST_FILE
    assert long == []


@pytest.mark.parametrize("arguments", [["status"], ["status", "--json"], ["history"]])
def test_reading_the_record_imports_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); from agent.cli.main import main; "
        f"main({[*arguments, '--state-dir', str(tmp_path)]!r}); print(*sorted(sys.modules), file=sys.stderr)"
    )

    # without `site` nothing is there but the standard library, so that also no third party package is needed
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)

    loaded = done.stderr.split()
    assert "agent.state.store" in loaded
    assert [name for name in loaded if any(name == heavy or name.startswith(f"{heavy}.") for heavy in HEAVY)] == []
