"""The architecture's rules that no linter knows, one test a rule; each failure lists every offender.

Both programs are held: `agent` and `endpoint`. docs/architecture.md says what each room is for.
"""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from statistics import quantiles

import pytest

from agent.version import VERSION as AGENT_VERSION
from endpoint.version import VERSION as ENDPOINT_VERSION

CHECKOUT = Path(__file__).resolve().parent.parent
PROGRAMS = ("agent", "endpoint")
RANKS: Mapping[str, tuple[set[str], ...]] = {
    "agent": (
        {"errors", "version"},
        {"core"},
        {"config", "state"},
        {"host"},
        {"report"},
        {"worker"},
        {"daemon"},
        {"cli"},
        {"__main__"},
    ),
    "endpoint": (
        {"errors", "log", "version"},
        {"core"},
        {"config"},
        {"store"},
        {"notify"},
        {"http"},
        {"cli"},
        {"__main__"},
    ),
}
"""Rooms from the ground up: a module imports modules of lower rank, or of its own room."""
PURE = {
    *("collections", "collections.abc", "contextlib", "dataclasses", "datetime", "difflib", "enum", "fnmatch"),
    *("hashlib", "hmac", "itertools", "json", "math", "operator", "re", "typing", "zlib"),
    *("base64", "urllib.parse"),
}
"""What a core may import besides itself; `datetime` for its values, not for its clock."""
CLOCKS = {"now", "utcnow", "today"}
CATCHES_ALL = {
    "agent/cli/main.py",  # the command line's boundary
    "agent/daemon/service.py",  # the daemon's loop
    "agent/daemon/job_dispatcher.py",  # the same, in its other thread
    "agent/daemon/in_daemon.py",  # the same, in the threads of exporters
    "agent/worker/server.py",  # the privileged half's own process
    "agent/worker/runner.py",  # the job's own process
    "agent/host/dpkg/child.py",  # dpkg's own process
    "endpoint/http/retention_thread.py",  # the endpoint's thread that deletes old data
    "endpoint/notify/sender.py",  # and the one that sends notifications
    "endpoint/store/group_commit.py",  # raises it again in the thread that it concerns
}
RUNS_PROGRAMS = {
    "agent/host/apt/direct_dpkg.py",  # dpkg --configure -a, whose output goes to the run's log and not through a pipe
    "agent/host/process/hooks.py",  # an administrator's hooks
    "agent/host/process/run.py",  # a program with a deadline: systemctl, dockerd --validate
}
STARTS_ITSELF = "agent/host/process/spawn.py"
"""An exporter: this very program, in a process of its own."""
IMPORTS_BY_NAME = {
    "agent/core/packages/gates/registry.py",  # one file a gate: one line registers it
    "agent/cli/main.py",  # argparse, which `status` does without
    "agent/core/frozen.py",  # dataclasses, which it is in place of, only for who asks for their fields
    "agent/cli/command_line.py",  # one file a command: `status` must not pay for the others
    "agent/cli/lock.py",  # the same of `lock status`
    "agent/cli/engine.py",  # `docker status` must not pay for what runs jobs
    "agent/worker/runner.py",  # one file a job: a process loads only the job that it runs
    "agent/host/docker/observer.py",  # a machine without Docker does not load what reads it
    "agent/host/process/quiet_psutil.py",  # psutil where a process is looked at through it
    "agent/host/log_target.py",  # python3-systemd only where journald runs
    "agent/daemon/export_supervisor.py",  # an exporter that is off costs the daemon no memory
    "agent/cli/export.py",  # one module an exporter: none loads the libraries of another
    "agent/report/endpoint/client.py",  # requests only where the endpoint is not reached over HTTPS
    "agent/config/fragments.py",  # the parser of TOML, which the accepted copy of the files does without
    "agent/config/manifest.py",  # PyYAML only where there is a manifest
    "endpoint/cli/main.py",  # one file a command: `token --help` must not pay for Flask
    "endpoint/store/migrate.py",  # a current database does not load Alembic
    "endpoint/store/database.py",  # one kind of database does not load the other's
    "agent/worker/job_context.py",  # few jobs change an engine
    "agent/config/windows.py",  # few machines have a window with a time zone
    "agent/worker/steps/engine_documents.py",  # a machine without Docker and Weave does not load what plans them
    "agent/worker/steps/finish_engines.py",  # almost no job finishes an upgrade of Docker or Weave
    "agent/host/fleet_lock.py",  # almost no job calls a lock server
    "agent/state/lazy_module.py",  # views and texts of what most records do not have
    "agent/host/apt/engine.py",  # a check that finds nothing new neither opens libapt's cache nor runs dpkg
    "agent/worker/steps/finish_reboot.py",  # almost no job finishes a reboot
}
LONGEST_FILE = 300
LONGEST_FUNCTION = 40
LONGEST_FUNCTION_P90 = 20
MOST_ENTRIES = 12
HEAVY = {
    *("apt", "apt_pkg", "structlog", "psutil", "tomllib", "tomli", "logging", "subprocess", "dataclasses", "inspect"),
    *("typing", "pathlib", "email", "urllib", "http", "ssl", "socket", "asyncio", "multiprocessing"),
    *("agent.core.model", "agent.core.packages", "agent.core.policy", "agent.core.schedule", "agent.core.reboot"),
    *("agent.core.ports", "agent.config", "agent.worker", "agent.daemon", "agent.host.log", "agent.state.record"),
    *("agent.state.documents",),
}
"""What `status` never pays for."""
RARE = {
    *("agent.core.job_kinds", "agent.state.run_views", "agent.state.engine_view", "agent.state.engine_outcome_view"),
    *("agent.state.reboot_view", "agent.state.reboot_outcome_view", "agent.state.fleet_lock_view"),
    *("agent.state.provision_view", "agent.state.requests_view", "agent.state.snooze_view", "agent.state.job_progress"),
    *("agent.report.outcome_text", "agent.report.reboot_outcome_text", "agent.report.snooze_text"),
    *("agent.report.status.fleet_lock", "agent.report.status.provisioning", "agent.report.status.requests"),
    "agent.host.machine.identity",
}
"""What it pays for only where the record has it."""
BANNED_WORDS = {
    *("herald", "courier", "tidings", "errand", "aftermath", "telling", "scribe", "centre", "centres", "listener"),
    *("listeners", "hushed"),
}
BANNED_PHRASES = {
    *("is told", "are told", "was told", "were told", "of its own accord", "for good", "in vain", "come by", "came by"),
    *("owes nobody", "believes nobody", "without any power", "nothing is half done", "says that it lives", "by lot"),
    *("a lot", "made up for", "so many and so many", "anew", "without a word", "take back its word", "at first hand"),
}
"""The dialect that this project once had; what the field says instead is in docs/glossary.md."""
KEEPS_OLD_WORDS = {
    "agent/report/outbox/version_1.py",  # the outbox file of agents before 0.1.0, which is migrated
    "schemas/maestro.event-1.json",  # events that were queued by them are still delivered
    "docs/endpoint/README.md",  # the same
    "tests/report/outbox/outbox-1.sql",  # such a file
    "tests/report/outbox/test_outbox.py",  # what it holds
}
"""Files on a disk keep the names that were written into them."""


@cache
def modules(program: str) -> tuple[str, ...]:
    return tuple(sorted(path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / program).rglob("*.py")))


ALL_MODULES = tuple(module for program in PROGRAMS for module in modules(program))


@cache
def tree(module: str) -> ast.Module:
    return ast.parse((CHECKOUT / module).read_text(), module)


@cache
def nodes(module: str) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree(module)))


@cache
def imported(module: str) -> frozenset[str]:
    """Return the dotted names of all modules that this one imports, wherever it does."""
    found: set[str] = set()
    for node in nodes(module):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: line {node.lineno}: a relative import"
            base = str(node.module)
            inner = {alias.name for alias in node.names if is_module(f"{base}.{alias.name}")}
            found.update(f"{base}.{name}" for name in inner)
            if len(inner) < len(node.names):
                found.add(base)
    return frozenset(found)


@cache
def is_module(name: str) -> bool:
    place = CHECKOUT / name.replace(".", "/")
    return place.with_suffix(".py").exists() or (place / "__init__.py").exists()


def dotted(module: str) -> str:
    return module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def room(name: str) -> str:
    return name.split(".")[1]


def rank(name: str) -> int:
    rooms_by_rank = RANKS[name.split(".")[0]]
    return next(number for number, rooms in enumerate(rooms_by_rank) if room(name) in rooms)


def functions(module: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in nodes(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or 0) - function.lineno + 1


def circles(graph: Mapping[str, set[str]]) -> set[str]:
    """Return what is left of a graph once everything without needs has been taken away, again and again."""
    left = dict(graph)
    while leaves := {name for name, needs in left.items() if not needs & left.keys()}:
        left = {name: needs for name, needs in left.items() if name not in leaves}
    return set(left)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_room_has_exactly_one_rank(program: str) -> None:
    rooms = {room(dotted(module)) for module in modules(program) if module != f"{program}/__init__.py"}

    assert sorted(name for names in RANKS[program] for name in names) == sorted(rooms)


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_table_of_contents_is_short(program: str) -> None:
    entries = {module.split("/")[1] for module in modules(program)}

    assert len(entries) <= MOST_ENTRIES


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_module_imports_only_lower_rooms_and_its_own(program: str) -> None:
    higher = [
        f"{module} -> {name}"
        for module in modules(program)
        if not module.endswith("__init__.py")
        for name in imported(module)
        if name.startswith(f"{program}.") and room(name) != room(dotted(module)) and rank(name) >= rank(dotted(module))
    ]

    assert higher == []


def test_no_module_is_imported_by_what_it_imports() -> None:
    names = {dotted(module): module for module in ALL_MODULES}

    assert circles({name: {one for one in imported(module) if one in names} for name, module in names.items()}) == set()


def test_inside_each_folder_no_child_is_imported_by_what_it_imports() -> None:
    """A folder is a room only where its files and folders have an order, too."""
    graphs: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for module in ALL_MODULES:
        own = dotted(module).split(".")
        for name in imported(module):
            other = name.split(".")
            shared = next((at for at, pair in enumerate(zip(own, other, strict=False)) if pair[0] != pair[1]), None)
            if shared:
                graphs[".".join(own[:shared])][own[shared]].add(other[shared])
    found = {folder: circles(graph) for folder, graph in graphs.items()}

    assert {folder: left for folder, left in found.items() if left} == {}


def test_neither_program_imports_the_other() -> None:
    other = {"agent": "endpoint", "endpoint": "agent"}
    found = [
        f"{module} -> {name}"
        for program in PROGRAMS
        for module in modules(program)
        for name in imported(module)
        if name.split(".")[0] in {other[program], "tests"}
    ]

    assert found == []
    assert AGENT_VERSION == ENDPOINT_VERSION


def test_every_import_stands_at_the_top() -> None:
    """Commands and jobs are imported by name, through `importlib`.

    Only what `lazy_module` stands for is also imported for type checkers, so that it has an order as any other import.
    """
    inside = [
        f"{module}: {function.name}: line {node.lineno}"
        for module in ALL_MODULES
        for function in functions(module)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    hidden = [module for module in ALL_MODULES if hides_imports(module)]
    by_name = {module for module in ALL_MODULES if "importlib" in imported(module)}

    assert inside == hidden == []
    assert by_name == IMPORTS_BY_NAME


def hides_imports(module: str) -> bool:
    """Return whether a module imports for type checkers what it does not name with `lazy_module` as well."""
    checked = [node for node in nodes(module) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    shown = [
        f"{one.module}.{alias.name}"
        for node in checked
        for one in node.body
        if isinstance(one, ast.ImportFrom)
        for alias in one.names
    ]
    late = [ast.unparse(one) for node in checked for one in node.orelse]
    named = [f"{name.rpartition('.')[2]} = lazy_module('{name}')" for name in shown]
    words = (CHECKOUT / module).read_text().count("TYPE_CHECKING")
    return words != 2 * len(checked) or sorted(late) != sorted(named)


def test_packages_are_empty() -> None:
    inits = [module for module in ALL_MODULES if module.endswith("__init__.py")]

    assert [module for module in inits if (CHECKOUT / module).read_text()] == []


def test_a_core_touches_nothing_outside() -> None:
    found: list[str] = []
    for program in PROGRAMS:
        for module in (one for one in modules(program) if one.startswith(f"{program}/core/")):
            allowed = (f"{program}.core.", f"{program}.errors")
            outside = [
                name
                for name in imported(module)
                if name not in PURE | ({"importlib"} if module in IMPORTS_BY_NAME else set())
                and not name.startswith(allowed)
            ]
            calls = [node.func for node in nodes(module) if isinstance(node, ast.Call)]
            effects = [
                call.id
                for call in calls
                if isinstance(call, ast.Name) and call.id in {"open", "print", "input", "exec"}
            ]
            clocks = [call.attr for call in calls if isinstance(call, ast.Attribute) and call.attr in CLOCKS]
            found += [f"{module}: {name}" for name in (*outside, *effects, *clocks)]

    assert found == []


def test_other_programs_are_run_through_the_one_door() -> None:
    doors = {"subprocess", "pty", "multiprocessing", "asyncio"}
    found = [module for module in modules("agent") if doors & imported(module)]
    spawns = [
        module
        for module in modules("agent")
        for node in nodes(module)
        if isinstance(node, ast.Attribute) and node.attr in {"system", "popen", "posix_spawn", "posix_spawnp"}
    ]

    assert set(found) == RUNS_PROGRAMS
    assert set(spawns) == {STARTS_ITSELF}


def test_everything_is_caught_only_at_a_boundary() -> None:
    broad = {
        module
        for module in ALL_MODULES
        for node in nodes(module)
        if isinstance(node, ast.ExceptHandler)
        and (
            node.type is None
            or any(getattr(part, "id", "") in {"Exception", "BaseException"} for part in ast.walk(node.type))
        )
    }
    suppressed = [
        module
        for module in ALL_MODULES
        for node in nodes(module)
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "suppress"
        and any(getattr(argument, "id", "") in {"Exception", "BaseException"} for argument in node.args)
    ]

    assert broad == CATCHES_ALL
    assert suppressed == []


def test_files_and_functions_stay_short() -> None:
    lengths = {module: len((CHECKOUT / module).read_text().splitlines()) for module in ALL_MODULES}
    long = [
        f"{module}: {function.name}"
        for module in ALL_MODULES
        for function in functions(module)
        if length(function) > LONGEST_FUNCTION
    ]

    assert {module: lines for module, lines in lengths.items() if lines > LONGEST_FILE} == {}
    assert long == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_nine_functions_of_ten_are_shorter_still(program: str) -> None:
    lengths = [length(function) for module in modules(program) for function in functions(module)]

    assert quantiles(lengths, n=10)[8] <= LONGEST_FUNCTION_P90


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_class_has_the_name_of_another(program: str) -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for module in modules(program):
        for node in nodes(module):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(module)

    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def prose_files() -> list[Path]:
    """Return all that a person reads: code, tests, documents, units, the configuration's example."""
    listed = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=False).stdout
    names = listed.split() or [path.relative_to(CHECKOUT).as_posix() for path in CHECKOUT.rglob("*")]
    left_out = ("tests/test_architecture.py", "docs/glossary.md", "CHANGELOG.md", *KEEPS_OLD_WORDS)
    return [CHECKOUT / name for name in names if name not in left_out and (CHECKOUT / name).is_file()]


def test_no_banned_word_stands_anywhere() -> None:
    words = re.compile(rf"(?<![a-z])({'|'.join(sorted(BANNED_WORDS))})(?![a-z])", re.IGNORECASE)
    phrases = re.compile(rf"\b({'|'.join(sorted(BANNED_PHRASES))})\b", re.IGNORECASE)
    found = [
        f"{path.relative_to(CHECKOUT)}:{number}: {match[0]}"
        for path in prose_files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        for match in (words.search(line) or phrases.search(line),)
        if match
    ]

    assert found == []


@pytest.mark.parametrize(
    "arguments", [["status"], ["status", "--json"], ["status", "--check"], ["history"], ["docker"], ["weave"]]
)
def test_reading_the_record_imports_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); from agent.cli.main import main; "
        f"main({[*arguments, '--state-dir', str(tmp_path)]!r}); print(*sorted(sys.modules), file=sys.stderr)"
    )

    # without `site` nothing is there but the standard library, so that also no third party package is needed
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)

    loaded = done.stderr.split()
    assert "agent.state.store" in loaded
    assert of_these(loaded, HEAVY) == []


def test_status_alone_imports_nothing_that_parses_arguments() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); from agent.cli.main import main; "
        "main(['status']); print(*sorted(sys.modules), file=sys.stderr)"
    )

    done = subprocess.run([sys.executable, "-ISc", program], capture_output=True, text=True, check=True)

    loaded = done.stderr.splitlines()[-1].split()
    assert "agent.cli.show_status" in loaded
    assert of_these(loaded, {*HEAVY, *RARE, "argparse", "gettext", "locale", "agent.cli.command_line"}) == []


def test_a_check_imports_no_more_than_it_uses() -> None:
    """What other jobs, exporters and the daemon need; `psutil` alone takes as long as libapt."""
    unused = {
        *("psutil", "ssl", "http", "asyncio", "sqlite3", "requests", "urllib3", "apscheduler", "logging"),
        *("multiprocessing", "unittest", "yaml", "agent.daemon", "agent.report.outbox", "agent.report.endpoint"),
    }
    modules = "agent.cli.main", "agent.cli.check", "agent.worker.job_context", "agent.worker.jobs.check"
    program = f"import sys, {', '.join(modules)}; print(*sorted(sys.modules))"

    done = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)

    loaded = done.stdout.split()
    assert "agent.host.apt.engine" in loaded
    assert of_these(loaded, unused) == []


def test_a_check_that_opens_libapt_and_an_upgrade_that_installs_import_no_dataclasses() -> None:
    """All their values are frozen ones (ADR 24)."""
    jobs = "agent.cli.upgrade", "agent.worker.job_context", "agent.worker.jobs.check", "agent.worker.jobs.upgrade"
    modules = *jobs, "agent.host.apt.snapshot", "agent.host.apt.transaction"
    program = f"import sys, {', '.join(modules)}; print(*sorted(sys.modules))"

    done = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)

    assert of_these(done.stdout.split(), {"dataclasses", "inspect"}) == []


def test_a_report_over_https_imports_no_http_library() -> None:
    """It is sent six times a day by each machine, and took a third of its time."""
    unused = {
        *("requests", "urllib3", "chardet", "charset_normalizer", "idna", "http", "email", "gzip"),
        *("dataclasses", "inspect", "zoneinfo", "uuid", "platform", "tomllib", "tomli"),
        *("logging", "systemd", "subprocess", "structlog"),
        *("agent.host.http", "agent.host.requests_transport", "agent.report.otlp", "agent.daemon"),
    }
    program = (
        "import sys, agent.cli.main, agent.cli.export, agent.report.endpoint.exporter; print(*sorted(sys.modules))"
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)

    loaded = done.stdout.split()
    assert "agent.host.https_transport" in loaded
    assert of_these(loaded, unused) == []


def of_these(loaded: list[str], names: set[str]) -> list[str]:
    return [name for name in loaded if any(name == one or name.startswith(f"{one}.") for one in names)]
