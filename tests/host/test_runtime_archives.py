"""Kept archives are whole and the expected ones, by real libapt on signed repositories."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from agent.core.model.facts import PackageState
from agent.core.model.package import PackageId
from agent.core.model.transaction import TransactionReport
from agent.errors import NoSpaceError
from agent.host.apt.runtime_archives import AptRuntimeArchives, Dpkg
from agent.host.dpkg import database as dpkg_database
from tests.support.private_apt import PrivateApt
from tests.support.repository import Signer, package

_KEEP = """
import json, os, sys
from pathlib import Path
from agent.errors import HostError
from agent.host.apt.configuration import configure
from agent.host.apt import runtime_archives
from agent.host.apt.runtime_archives import AptRuntimeArchives
configure()
# Programs that the agent runs get the system's environment, without this APT_CONFIG.
runtime_archives._DOWNLOAD = f"export APT_CONFIG={os.environ['APT_CONFIG']}; {runtime_archives._DOWNLOAD}"
directory, versions = json.loads(sys.argv[1])
try:
    print(json.dumps(AptRuntimeArchives(Path(directory), None).keep(versions)))
except HostError as error:
    print(json.dumps(str(error)))
"""
ENGINE = package("docker.io", "26.1.5")
FILE = "docker.io_26.1.5_all.deb"


class KeptApt(PrivateApt):
    """apt, and a directory for archives."""

    @property
    def kept(self) -> Path:
        return self.root / "kept"

    def keep(self, version: str = "26.1.5") -> Any:
        """Keep an archive; return its file name by package, or the error."""
        return self.run(_KEEP, [str(self.kept), {"docker.io": version}])

    def names(self) -> list[str]:
        return [path.name for path in self.kept.iterdir()]


@pytest.fixture
def apt(tmp_path: Path, signer: Signer) -> KeptApt:
    found = KeptApt(tmp_path, signer)
    found.install(ENGINE)
    return found


def test_an_archive_is_kept_under_its_name_and_nothing_else_is_left(apt: KeptApt) -> None:
    apt.repository("Debian", ENGINE)

    assert apt.keep() == {"docker.io": FILE}
    assert apt.names() == [FILE]
    assert (apt.kept / FILE).read_bytes() == ENGINE.build()
    assert apt.kept.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "data", [ENGINE.build()[:-100], b"", ENGINE.build()[:-1] + b"!"], ids=["cut off", "empty", "one byte"]
)
def test_a_damaged_archive_is_fetched_again(apt: KeptApt, data: bytes) -> None:
    apt.repository("Debian", ENGINE)
    apt.keep()
    (apt.kept / FILE).write_bytes(data)

    assert apt.keep() == {"docker.io": FILE}
    assert (apt.kept / FILE).read_bytes() == ENGINE.build()


def test_one_that_nobody_offers_any_more_comes_from_apts_own_archives(apt: KeptApt) -> None:
    (apt.root / "cache/archives" / FILE).write_bytes(ENGINE.build())

    assert apt.keep() == {"docker.io": FILE}


@pytest.mark.parametrize(
    "data",
    [ENGINE.build()[:-200], package("docker.io", "20.10.24").build(), b"no archive"],
    ids=["cut off", "another version", "anything else"],
)
def test_a_wrong_one_there_is_refused(apt: KeptApt, data: bytes) -> None:
    (apt.root / "cache/archives" / FILE).write_bytes(data)

    assert "cannot be kept" in apt.keep()
    assert apt.names() == []


def test_a_damaged_one_that_cannot_be_fetched_again_is_not_used(apt: KeptApt) -> None:
    apt.kept.mkdir()
    (apt.kept / FILE).write_bytes(ENGINE.build()[:-200])

    assert "cannot be kept" in apt.keep()
    assert apt.names() == []


def test_an_archive_of_an_unauthenticated_source_is_not_kept(apt: KeptApt) -> None:
    apt.repository("Unsigned", ENGINE, signed=False)

    assert "cannot be kept" in apt.keep()


def test_a_version_that_does_not_exist_is_an_error(apt: KeptApt) -> None:
    apt.repository("Debian", ENGINE)

    assert "docker.io 99" in apt.keep("99")


@pytest.mark.parametrize(("kib", "fits"), [(1, True), (1 << 40, False)])
def test_room_is_needed_for_the_files_of_the_largest_archive(tmp_path: Path, kib: int, fits: bool) -> None:  # noqa: FBT001
    for number, size in enumerate((1, kib)):
        made = package("docker.io", str(number), installed_size=str(size))
        (tmp_path / f"docker.io_{number}_all.deb").write_bytes(made.build())
    archives = AptRuntimeArchives(tmp_path, cast("Dpkg", None))

    with nullcontext() if fits else pytest.raises(NoSpaceError, match="/usr"):
        archives.require_room()


@pytest.mark.parametrize(
    ("place", "leads_to", "runs"),
    [
        pytest.param("/usr/bin/dockerd", "/bin/true", True, id="usr-bin"),
        pytest.param("/usr/sbin/dockerd", "/bin/true", True, id="usr-sbin"),
        pytest.param("/usr/bin/dockerd", "/bin/false", False, id="does not run here"),
        pytest.param("/usr/bin/docker", "/bin/true", False, id="not in the archive"),
    ],
)
def test_a_program_is_run_from_its_archive(tmp_path: Path, place: str, leads_to: str, runs: bool) -> None:  # noqa: FBT001
    (tmp_path / FILE).write_bytes(replace(ENGINE, links=((place, leads_to),)).build())
    archives = AptRuntimeArchives(tmp_path, cast("Dpkg", None))

    with archives.program(FILE, "dockerd") as path:
        assert (bool(path), path.endswith(place)) == (runs, runs)
    assert [one.name for one in tmp_path.iterdir()] == [FILE]


def test_without_the_archive_no_program_is_run(tmp_path: Path) -> None:
    with AptRuntimeArchives(tmp_path, cast("Dpkg", None)).program(FILE, "dockerd") as path:
        assert path == ""


def test_where_no_directory_can_be_made_no_program_is_run(tmp_path: Path) -> None:
    with AptRuntimeArchives(tmp_path / "none", cast("Dpkg", None)).program(FILE, "dockerd") as path:
        assert path == ""


class HalfWayDpkg:
    """dpkg that leaves packages unpacked, and notes which it configures."""

    def __init__(self) -> None:
        self.configured: list[str] = []

    def install_files(self, files: Sequence[Path], remove: Sequence[str], *, unpack: bool = False) -> TransactionReport:
        assert (len(files), remove, unpack) == (1, (), True)
        return TransactionReport()

    def repair(self, packages: Sequence[PackageId] | None) -> TransactionReport:
        self.configured += [one.name for one in packages or ()]
        return TransactionReport()

    def hold(self, packages: Sequence[str]) -> TransactionReport:
        raise AssertionError(packages)


def test_only_what_was_unpacked_is_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dpkg = HalfWayDpkg()
    archives = AptRuntimeArchives(tmp_path, dpkg)
    steps = iter((["other"], ["other", "docker-ce"]))
    monkeypatch.setattr(
        dpkg_database,
        "states",
        lambda: {
            PackageId(name=name, architecture="amd64"): PackageState(version="1", state="unpacked")
            for name in next(steps)
        },
    )

    assert (archives.unpack([FILE], ()), archives.configure()) == ("", "")
    assert dpkg.configured == ["docker-ce"]
