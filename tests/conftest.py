"""Fixtures: the agent as the package installs it, a signing key, and machines of every supported release."""

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from agent.host import log
from agent.host.log_target import discard
from endpoint import log as endpoint_log
from tests.support import bases, once
from tests.support.machine import machine
from tests.support.repository import Signer
from tests.support.scenario import Scenario

# Nothing is left in the checkout, and no test fails because the machine was at something else for a moment.
settings.register_profile(
    "default", max_examples=60, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=1000)
settings.load_profile("thorough" if bases.thorough() else "default")
# Texts for people have local time.
os.environ["TZ"] = "UTC"
time.tzset()
CHECKOUT = Path(__file__).resolve().parent.parent


_LONG_GROUPS = (
    *("engines-4", "engines-6", "weave-1", "weave-2", "booted-2", "engines-1", "engines-2", "booted-7", "booted-1"),
    *("booted-5", "booted-restarts", "booted-reboots", "weave-3", "weave-4", "weave-5", "engines-3", "engines-5"),
    *("booted-4", "booted-6", "booted-3", "package", "endpoint-installed", "real-archive", "conffiles", "faults"),
    *("endpoint-server", "endpoint-postgresql", "browser", "booted-browser"),
)
"""Groups of tests that take minutes, the longest first (`--dist loadgroup`).

Those on booted machines compute for a sixth of their time and wait for engines, containers and clocks otherwise. Files
of one kind are in several groups, so that none is longer than a process's share of the run; what they need is made once
for all of them.
"""
_LONG_AT_FIRST = 5
"""Long groups that begin the run. Each further one begins after a share of the single tests on machines, which compute
all the time: the processors then have work while groups wait, and no group is left for the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long groups between the single tests on machines, and short tests at the end."""
    groups = {item: _group(item) for item in items}
    single = [item for item in items if not groups[item] and item.nodeid.startswith("tests/machines/")]
    share = len(single) / (len(_LONG_GROUPS) - _LONG_AT_FIRST)
    places: dict[pytest.Item, float] = {item: number for number, item in enumerate(single, 1)}
    for item, group in groups.items():
        if group in _LONG_GROUPS:
            places[item] = share * max(0, _LONG_GROUPS.index(group) - _LONG_AT_FIRST + 1)
    end = len(items)
    items.sort(key=lambda item: places.get(item, end if groups[item] else end + 1))


def _group(item: pytest.Item) -> str:
    mark = item.get_closest_marker("xdist_group")
    return mark.args[0] if mark is not None else ""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes a `codename` on Debian 12, one marked `every_release` and all of a thorough run on each."""
    marks = list(metafunc.definition.iter_markers())
    chosen = any(mark.name == "parametrize" and "codename" in mark.args[0] for mark in marks)
    if "codename" in metafunc.fixturenames and not chosen:
        every = any(mark.name == "every_release" for mark in marks)
        metafunc.parametrize("codename", bases.codenames() if every else bases.table_codenames())


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    """Undo log.set_up() of a program that ran in this process: its stream may end with the test (capsys)."""
    yield
    log.write_to(discard)
    log.set_context()
    structlog.reset_defaults()
    vars(endpoint_log._LOG).pop("bind", None)  # noqa: SLF001 - structlog keeps its cached logger there


@pytest.fixture(autouse=True)
def _restore_signal_handlers() -> Iterator[None]:
    """Undo the handlers of a program that ran in this process: children of later tests would inherit them."""
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def root_directory() -> Iterator[Path]:
    """Return a directory that root alone can change, up to `/`; pytest's own is below /tmp."""
    with tempfile.TemporaryDirectory(dir="/run") as directory:
        yield Path(directory)


@pytest.hookimpl(tryfirst=True)  # before pytest-timeout reads it
def pytest_configure(config: pytest.Config) -> None:
    """Make the directory of what all processes of this run share; let a thorough run's tests take hours."""
    once.begin()
    if bases.thorough():
        config.option.timeout = 0


@pytest.hookimpl(trylast=True, optionalhook=True)
def pytest_xdist_newgateway(gateway: Any) -> None:
    """Wait until a new process of pytest-xdist is idle.

    With `-v` xdist has just asked it for its version. While that runs, execnet 1.9 starts the tests in a second thread,
    in which no signal handler can be set: neither pytest-timeout's nor the agent's.
    """
    while gateway.remote_status().numexecuting:
        time.sleep(0.01)


def pytest_unconfigure() -> None:
    """Remove it."""
    once.end()


@pytest.fixture(scope="session")
def agent_layer() -> Path:
    """Return a file system layer that holds the agent where its package puts it."""
    bases.build_missing()
    return once.once("agent", _install_agent) / "layer"


def _install_agent(directory: Path) -> None:
    layer = directory / "layer"
    layer.mkdir()
    command = ["make", "--no-print-directory", "-C", str(CHECKOUT), "install", f"DESTDIR={layer}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for codename in bases.codenames():
        scratch = directory / codename
        scratch.mkdir()
        _compile_agent(layer, bases.base(codename), scratch)


def _compile_agent(layer: Path, base: Path, scratch: Path) -> None:
    """Add the byte code of a release's Python, as the package does when it is installed (py3compile(1))."""
    code = "usr/share/maestro-agent"
    with machine(layer, base) as running:
        running.check(f"python3 -m compileall -q /{code}")
        shutil.copytree(running.changes / code, scratch / code)
    shutil.copytree(scratch / code, layer / code, dirs_exist_ok=True)


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signer]:
    """Return the key that the tests' repositories are signed with: one for all processes, whose gpg-agents differ."""
    made = once.once("key", lambda directory: Signer(directory / "gnupg").close()) / "gnupg"
    home = tmp_path_factory.mktemp("key") / "gnupg"
    shutil.copytree(made, home, ignore=shutil.ignore_patterns("S.*"))
    one = Signer(home)
    yield one
    one.close()


@pytest.fixture
def host(codename: str, agent_layer: Path, signer: Signer) -> Iterator[Scenario]:
    """Return a throwaway machine without any package source."""
    with machine(agent_layer, bases.base(codename)) as running:
        yield Scenario.without_sources(running, signer, codename)


@pytest.fixture(scope="session")
def deb() -> Path:
    """Return the agent's package, with the endpoint's beside it."""
    return next(once.once("deb", _build_packages).glob("maestro-agent_*_all.deb"))


def _build_packages(directory: Path) -> None:
    with (Path(tempfile.gettempdir()) / "maestro-agent-build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another run may build in the same checkout
        done = subprocess.run([str(CHECKOUT / "tools/build-deb")], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        for built in (CHECKOUT / "build").glob("maestro-*_*"):
            shutil.copy(built, directory)
