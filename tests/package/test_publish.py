"""tools/publish: apt installs and upgrades from the repository that it makes, and from nothing that is not signed."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from agent.version import VERSION
from tests.conftest import CHECKOUT
from tests.support import bases
from tests.support.machine import Machine, machine
from tests.support.repository import Package, Ready
from tests.support.server import Archive, serving

pytestmark = pytest.mark.xdist_group("package")
KEYS = f"keys-{'x' * 100}"
"""Longer than the path of a socket may be, and gpg's agent has sockets there."""
SOURCE = "/etc/apt/sources.list.d/maestro-agent.sources"


@pytest.fixture
def client(codename: str) -> Iterator[Machine]:
    """Return a machine without any package source."""
    with machine(bases.base(codename, bases.BOOTED)) as running:
        running.check("rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*")
        yield running


@pytest.fixture
def published(deb: Path, tmp_path: Path) -> Iterator[Archive]:
    """Return the server of a repository with both packages."""
    with serving(tmp_path / "www") as archive:
        endpoint = next(deb.parent.glob("maestro-endpoint_*_all.deb"))
        done = publish(tmp_path, archive.url, deb, endpoint)
        assert done.returncode == 0, done.stderr
        yield archive


def publish(place: Path, uri: str, *packages: Path, to: str = "www") -> "subprocess.CompletedProcess[str]":
    """Run it; nothing temporary is left, whether it succeeds or fails."""
    command = [CHECKOUT / "tools/publish", "--keys", place / KEYS, "--uri", uri, place / to, *packages]
    with TemporaryDirectory() as temporary:  # its path is short, unlike that of `place`
        environment = {**os.environ, "TMPDIR": temporary}
        done = subprocess.run(
            [str(word) for word in command], capture_output=True, text=True, check=False, env=environment
        )
        assert [*Path(temporary).iterdir(), *(place / to).glob(".new.*")] == []
    return done


@pytest.mark.every_release
def test_apt_installs_and_upgrades_the_agent_from_the_published_repository(
    published: Archive, client: Machine, deb: Path, tmp_path: Path
) -> None:
    client.write(SOURCE, (tmp_path / "www/maestro-agent.sources").read_text())
    newer = tmp_path / "newer.deb"
    newer.write_bytes(Ready(name="maestro-agent", version=f"{VERSION}+test", architecture="all", deb=deb).build())

    client.check("apt-get -q update && apt-get -q -y install maestro-agent")
    first = client.version("maestro-agent")
    policy = client.check("apt-cache policy maestro-agent maestro-endpoint")
    done = publish(tmp_path, published.url, newer)
    client.check("apt-get -q update && apt-get -q -y upgrade")

    assert (first, policy.count(published.url), done.returncode) == (VERSION, 2, 0), done.stderr
    assert client.version("maestro-agent") == f"{VERSION}+test"
    assert client.run("apt-get -q update 2>&1 | grep -E '^(W|E):'").stdout == ""


def test_apt_refuses_a_changed_release_and_another_key(published: Archive, client: Machine, tmp_path: Path) -> None:
    source = (tmp_path / "www/maestro-agent.sources").read_text()
    other = publish(tmp_path / "other", published.url, *tmp_path.glob("www/pool/main/m/*/maestro-agent_*.deb"))
    theirs = (tmp_path / "other/www/maestro-agent.sources").read_text()
    release = tmp_path / "www/dists/stable/InRelease"
    signed = release.read_text()

    client.write(SOURCE, theirs)
    wrong_key = client.run("apt-get -q update")
    client.write(SOURCE, source)
    release.write_text(signed.replace("Label: maestro-agent", "Label: somebody-else"))
    changed = client.run("apt-get -q update")
    release.write_text(signed)
    right = client.run("apt-get -q update")

    assert other.returncode == 0, other.stderr
    assert (wrong_key.returncode, changed.returncode, right.returncode) == (100, 100, 0), right.stderr


def test_publishing_again_changes_no_package_and_no_key(published: Archive, deb: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in (tmp_path / "www").rglob("*") if path.suffix in {".deb", ".asc"}}
    older = Ready(name="maestro-agent", version="0.0.1", architecture="all", deb=deb).build()
    changed = Ready(name="maestro-agent", version=VERSION, architecture="all", deb=deb).build()
    (tmp_path / "older.deb").write_bytes(older)
    (tmp_path / "changed.deb").write_bytes(changed)

    codes = [
        publish(tmp_path, published.url, file).returncode
        for file in (deb, tmp_path / "older.deb", tmp_path / "changed.deb", tmp_path / "missing.deb")
    ]

    assert codes == [0, 1, 1, 1]
    assert {path: path.read_bytes() for path in before} == before
    assert (tmp_path / KEYS).stat().st_mode & 0o077 == 0


def small(place: Path, name: str, version: str) -> Path:
    """Build a package that has nothing but its name."""
    file = place / f"{name}_{version}.deb"
    fields = (("Section", "admin"), ("Priority", "optional"))
    file.write_bytes(Package(name=name, version=version, fields=fields).build())
    return file


def seen(place: Path, repository: str = "www") -> set[str]:
    """Return what clients find in the index, of all architectures, each with its file in the pool."""
    found = set()
    indexes = list((place / repository).glob("dists/stable/main/binary-*/Packages"))
    for index in indexes:
        for stanza in index.read_text().split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in stanza.strip().splitlines())
            assert (place / repository / fields["Filename"]).is_file()
            found.add(f"{fields['Package']} {fields['Version']}")
    assert len(indexes) == 7
    return found


def test_each_repository_of_one_key_gets_what_is_published_in_it(tmp_path: Path) -> None:
    agent, endpoint = (small(tmp_path, name, "1") for name in ("maestro-agent", "maestro-endpoint"))
    newer = small(tmp_path, "maestro-agent", "2")
    for repository in ("staging", "production"):
        assert publish(tmp_path, "file:/x", agent, endpoint, to=repository).returncode == 0

    first = publish(tmp_path, "file:/x", newer, to="staging")
    between = seen(tmp_path, "staging"), seen(tmp_path, "production")
    second = publish(tmp_path, "file:/x", newer, to="production")

    assert (first.returncode, second.returncode) == (0, 0)
    assert between == ({"maestro-agent 2", "maestro-endpoint 1"}, {"maestro-agent 1", "maestro-endpoint 1"})
    assert seen(tmp_path, "production") == {"maestro-agent 2", "maestro-endpoint 1"}
    assert {file.name for file in tmp_path.glob("production/pool/main/m/*/*")} == {
        "maestro-agent_2_all.deb",
        "maestro-endpoint_1_all.deb",
    }


def test_a_repository_that_was_moved_keeps_its_other_packages(tmp_path: Path) -> None:
    files = [small(tmp_path, name, "1") for name in ("maestro-agent", "maestro-endpoint")]
    assert publish(tmp_path, "file:/x", *files).returncode == 0
    (tmp_path / "www").rename(tmp_path / "moved")

    done = publish(tmp_path, "file:/x", small(tmp_path, "maestro-agent", "2"), to="moved")

    assert done.returncode == 0, done.stderr
    assert seen(tmp_path, "moved") == {"maestro-agent 2", "maestro-endpoint 1"}


def test_after_a_run_whose_index_could_not_be_written_the_next_one_publishes(tmp_path: Path) -> None:
    older, newer = small(tmp_path, "maestro-agent", "1"), small(tmp_path, "maestro-agent", "2")
    assert publish(tmp_path, "file:/x", older).returncode == 0
    in_the_way = tmp_path / "www/dists/stable/main/binary-arm64/Packages.new"
    in_the_way.mkdir()

    failed = publish(tmp_path, "file:/x", newer)
    between = seen(tmp_path)
    in_the_way.rmdir()
    again = publish(tmp_path, "file:/x", newer)

    assert (failed.returncode, between) == (1, {"maestro-agent 1"})
    assert "published: " not in failed.stdout
    assert again.returncode == 0, again.stderr
    assert seen(tmp_path) == {"maestro-agent 2"}


def test_what_the_key_has_not_signed_is_not_taken_from_the_repository(tmp_path: Path) -> None:
    files = [small(tmp_path, name, "1") for name in ("maestro-agent", "maestro-endpoint")]
    assert publish(tmp_path, "file:/x", *files).returncode == 0
    newer, codes = small(tmp_path, "maestro-agent", "2"), []

    for name in ("pool/main/m/maestro-endpoint/maestro-endpoint_1_all.deb", "dists/stable/main/binary-amd64/Packages"):
        file = tmp_path / "www" / name
        content = file.read_bytes()
        file.write_bytes(content + b"more")
        codes.append(publish(tmp_path, "file:/x", newer).returncode)
        file.write_bytes(content)
    release = tmp_path / "www/dists/stable/InRelease"
    release.write_text(release.read_text().replace("Label: maestro-agent", "Label: somebody-else"))
    codes.append(publish(tmp_path, "file:/x", newer).returncode)

    assert codes == [1, 1, 1]
    assert seen(tmp_path) == {"maestro-agent 1", "maestro-endpoint 1"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("--uri",), 2),
        (("--nonsense", "www"), 2),
        (("--uri", "a b", "www"), 2),
        (("--keys", "www/keys", "www"), 1),
    ],
    ids=["none", "no-value", "unknown", "white-space", "key-in-public"],
)
def test_what_cannot_be_published_is_refused(arguments: tuple[str, ...], code: int, deb: Path, tmp_path: Path) -> None:
    command = [str(CHECKOUT / "tools/publish"), *arguments, *([str(deb)] if "www" in arguments else [])]

    done = subprocess.run(command, cwd=tmp_path, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, check=False)

    assert done.returncode == code
    assert list(tmp_path.glob("www/dists")) == []
