"""daemon.json gets live-restore for one restart, and is the owner's file again afterwards, byte for byte."""

import json
from pathlib import Path

import pytest

from agent.host.docker.live_restore import SAVED, ConfigSwap

OWNERS = b'{\n\t"log-driver":  "journald",\n  "live-restore": false, "mtu": 1400 }'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "docker" / "daemon.json"


def given(path: Path, content: bytes, mode: int = 0o640) -> Path:
    """Write the owner's file."""
    path.parent.mkdir()
    path.write_bytes(content)
    path.chmod(mode)
    return path


def left(path: Path) -> list[str]:
    """Return the names in its directory."""
    return sorted(one.name for one in path.parent.iterdir())


@pytest.mark.parametrize("content", [OWNERS, b"", b"{}", b"\xef\xbb\xbf{}\n", b'{"a": [1, {"b": "\xc3\xa4"}]}'])
def test_the_owners_file_comes_back_as_it_was(path: Path, content: bytes) -> None:
    before = given(path, content).stat()
    swap = ConfigSwap(path)

    swap.swap()
    meanwhile = json.loads(path.read_bytes())
    mode = path.stat().st_mode & 0o777

    assert meanwhile["live-restore"] is True
    assert mode == 0o640
    assert swap.swapped
    assert swap.put_back() == ""
    assert path.read_bytes() == content
    after = path.stat()
    assert (after.st_ino, after.st_mode, after.st_mtime_ns) == (before.st_ino, before.st_mode, before.st_mtime_ns)
    assert left(path) == ["daemon.json"]
    assert not swap.swapped


def test_the_other_settings_stay_in_force(path: Path) -> None:
    ConfigSwap(given(path, OWNERS)).swap()

    assert json.loads(path.read_bytes()) == {"log-driver": "journald", "live-restore": True, "mtu": 1400}


def test_where_there_is_no_file_there_is_none_afterwards(path: Path) -> None:
    swap = ConfigSwap(path)

    swap.swap()

    assert json.loads(path.read_bytes()) == {"live-restore": True}
    assert swap.swapped
    assert swap.put_back() == ""
    assert left(path) == []


def test_a_symbolic_link_stays_one(path: Path, tmp_path: Path) -> None:
    real = tmp_path / "managed.json"
    real.write_bytes(OWNERS)
    path.parent.mkdir()
    path.symlink_to(real)
    swap = ConfigSwap(path)

    swap.swap()
    swap.put_back()

    assert path.is_symlink()
    assert real.read_bytes() == OWNERS


def test_a_crash_between_the_two_names_is_put_right(path: Path) -> None:
    given(path, OWNERS)
    path.with_name(path.name + SAVED).hardlink_to(path)
    swap = ConfigSwap(path)

    assert swap.swapped
    assert swap.put_back() == ""
    assert (path.read_bytes(), left(path)) == (OWNERS, ["daemon.json"])


def test_a_second_swap_after_a_crash_keeps_the_owners_file(path: Path) -> None:
    given(path, OWNERS)

    ConfigSwap(path).swap()
    ConfigSwap(path).swap()
    ConfigSwap(path).put_back()

    assert (path.read_bytes(), left(path)) == (OWNERS, ["daemon.json"])


def test_what_somebody_changed_meanwhile_stays_and_so_does_the_file_of_before(path: Path) -> None:
    given(path, OWNERS)
    swap = ConfigSwap(path)
    swap.swap()
    path.write_bytes(b'{"debug": true}')

    assert SAVED in swap.put_back()
    assert path.read_bytes() == b'{"debug": true}'
    assert path.with_name(path.name + SAVED).read_bytes() == OWNERS


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_a_file_that_cannot_be_read_is_not_touched(path: Path, content: bytes) -> None:
    given(path, content)

    with pytest.raises(ValueError):  # noqa: PT011 - of json, of UTF-8, or the agent's own
        ConfigSwap(path).swap()
    assert (path.read_bytes(), left(path)) == (content, ["daemon.json"])


@pytest.mark.parametrize("content", [OWNERS, b"{}", None], ids=["off", "not-set", "no-file"])
def test_it_is_switched_off_by_name_before_the_owners_file_comes_back(path: Path, content: bytes | None) -> None:
    """A reload of a file without the key leaves live-restore on."""
    if content is not None:
        given(path, content)
    swap = ConfigSwap(path)
    swap.swap()

    assert swap.say_off()
    assert json.loads(path.read_bytes())["live-restore"] is False
    assert swap.put_back() == ""
    assert left(path) == ([] if content is None else ["daemon.json"])
    assert content is None or path.read_bytes() == content


def test_what_somebody_changed_meanwhile_is_not_switched_off(path: Path) -> None:
    given(path, OWNERS)
    swap = ConfigSwap(path)
    swap.swap()
    path.write_bytes(b'{"debug": true}')

    assert not swap.say_off()
    assert path.read_bytes() == b'{"debug": true}'
