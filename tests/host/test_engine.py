"""The engine keeps one package cache open at most, and none while packages or lists change."""

from collections.abc import Callable
from pathlib import Path
from weakref import WeakSet

import pytest

from agent.core.job_control import JobControl
from agent.core.model.facts import SourceError
from agent.core.model.kernels import NO_KERNEL_FACTS
from agent.core.model.scope import Scope
from agent.core.model.transaction import TransactionReport
from agent.core.packages.remembered import PackageFacts, RememberedPackages
from agent.core.ports import RefreshResult
from agent.host.apt.agent_files import AgentFiles
from agent.host.apt.engine import AptEngine
from tests.core import given

NEVER = RefreshResult(verified_at=None)
NOTHING = PackageFacts(
    updates=(), repair=(), kernels=NO_KERNEL_FACTS, journal=False, esm_only=(), excluded=(), foreign=()
)
Opened = WeakSet[object]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Replace libapt's cache; return the open ones."""
    found: Opened = WeakSet()

    class Cache:
        pkg_cache: tuple[str, ...] = ()
        is_current = False

        def __init__(self) -> None:
            found.add(self)

    monkeypatch.setattr("agent.host.apt.snapshot.PackageCache", Cache)
    monkeypatch.setattr("agent.host.apt.snapshot._scan", lambda *_: NOTHING)
    monkeypatch.setattr("agent.host.dpkg.database.states", dict)
    return found


@pytest.fixture
def engine() -> AptEngine:
    files = AgentFiles(dpkg_log=Path("/dev/null"), download_log=Path("/dev/null"), scratch=Path("/dev/null"))
    return AptEngine(given.policy(), files=files, control=JobControl(progress=lambda _message: None))


def test_an_older_snapshot_is_released_and_opens_again_when_it_is_used(opened: Opened, engine: AptEngine) -> None:
    first = engine.open(given.NOW, NEVER)
    engine.open(given.NOW, NEVER)
    assert len(opened) == 1

    assert first.find("a") is None
    assert len(opened) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda engine: engine.install((given.step(),), Scope.SECURITY),
        lambda engine: engine.remove((given.REMOVAL,)),
        lambda engine: engine.repair(),
        lambda engine: engine.refresh(),
    ],
    ids=["install", "remove", "repair", "refresh"],
)
def test_no_cache_is_open_while_packages_or_lists_change(
    opened: Opened, engine: AptEngine, monkeypatch: pytest.MonkeyPatch, change: Callable[[AptEngine], object]
) -> None:
    """The child that runs dpkg opens its own."""
    while_changing: list[int] = []

    def transaction(*_: object, **__: object) -> TransactionReport:
        while_changing.append(len(opened))
        return TransactionReport()

    def refresh(*_: object) -> tuple[SourceError, ...]:
        while_changing.append(len(opened))
        return ()

    for name in ("install", "remove", "repair"):
        monkeypatch.setattr(f"agent.host.apt.transaction.Transactions.{name}", transaction)
    monkeypatch.setattr("agent.host.apt.refresh.refresh", refresh)
    snapshot = engine.open(given.NOW, NEVER)

    change(engine)

    assert snapshot is not None
    assert while_changing == [0]


def test_packages_that_are_as_remembered_are_not_opened_until_more_of_them_is_asked(
    opened: Opened, engine: AptEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.host.apt.engine.packages_basis", lambda *_: "basis")

    snapshot = engine.open(given.NOW, NEVER, RememberedPackages(basis="basis", facts=NOTHING))

    assert len(opened) == 0
    assert snapshot.remembered is None
    assert snapshot.find("a") is None
    assert len(opened) == 1


@pytest.mark.parametrize(("basis", "recorded"), [("basis", "another"), ("", "")], ids=["another", "unknown"])
def test_packages_whose_basis_is_another_or_unknown_are_opened(
    opened: Opened, engine: AptEngine, monkeypatch: pytest.MonkeyPatch, basis: str, recorded: str
) -> None:
    monkeypatch.setattr("agent.host.apt.engine.packages_basis", lambda *_: basis)

    snapshot = engine.open(given.NOW, NEVER, RememberedPackages(basis=recorded, facts=NOTHING))

    assert len(opened) == 1
    assert (snapshot.remembered is None) is (basis == "")


@pytest.mark.parametrize("withheld", [frozenset(), frozenset({7})])
def test_a_cache_is_given_away_only_if_libapt_may_choose_every_version(
    opened: Opened, engine: AptEngine, withheld: frozenset[int]
) -> None:
    """Docker's own upgrade takes it, and looks for the packages that a plan must leave alone."""
    engine.open(given.NOW, NEVER)
    (cache,) = opened
    vars(cache).update(is_current=True, withheld=withheld)

    assert engine.take_cache() is (None if withheld else cache)
