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
from tests.support.repository import Ready
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


def publish(place: Path, uri: str, *packages: Path) -> "subprocess.CompletedProcess[str]":
    """Run it; nothing temporary is left, whether it succeeds or fails."""
    command = [CHECKOUT / "tools/publish", "--keys", place / KEYS, "--uri", uri, place / "www", *packages]
    with TemporaryDirectory() as temporary:  # its path is short, unlike that of `place`
        environment = {**os.environ, "TMPDIR": temporary}
        done = subprocess.run(
            [str(word) for word in command], capture_output=True, text=True, check=False, env=environment
        )
        assert [*Path(temporary).iterdir(), *(place / "www").glob(".new.*")] == []
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
    (tmp_path / KEYS / "db/lockfile").touch()  # of a run that was killed

    codes = [
        publish(tmp_path, published.url, file).returncode
        for file in (deb, tmp_path / "older.deb", tmp_path / "changed.deb", tmp_path / "missing.deb")
    ]

    assert codes == [0, 1, 1, 1]
    assert {path: path.read_bytes() for path in before} == before
    assert (tmp_path / KEYS).stat().st_mode & 0o077 == 0


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
