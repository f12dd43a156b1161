"""The kernel reports changes in directories by SIGIO, which is received without a handler."""

import os
import signal
import traceback
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from agent.host.directory_watch import DirectoryWatch, Watched
from agent.host.process.next_signal import next_signal

LIMIT_S = 60
NOBODY = 65534
AT_ONCE_S = 0.2


def alone(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test in a process whose only thread blocks SIGIO, as in the daemon; pytest-xdist has threads of its own."""

    @wraps(test)
    def run(**fixtures: object) -> None:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGIO, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGIO})
            try:
                test(**fixtures)
            except BaseException:  # noqa: BLE001 - reported by the parent
                os.write(writing, traceback.format_exc().encode()[:4096])
            finally:
                os._exit(0)
        os.close(writing)
        os.waitpid(pid, 0)
        with open(reading, encoding="utf-8") as file:
            assert file.read() == ""

    return run


def reported(limit_s: float) -> bool:
    return next_signal({signal.SIGIO}, limit_s) is not None


def armed(*watched: Watched) -> DirectoryWatch:
    """Return a watch whose time stamps can be compared."""
    watch = DirectoryWatch(watched)
    watch.arm()
    reported(AT_ONCE_S)
    watch.arm()
    reported(AT_ONCE_S)
    return watch


@alone
def test_nothing_is_reported_where_nothing_changes(tmp_path: Path) -> None:
    watch = armed(Watched(directory=str(tmp_path)))
    os.listdir(tmp_path)

    assert not reported(AT_ONCE_S)
    assert not watch.changed()
    watch.close()


def create(directory: Path) -> None:
    (directory / "flag").touch()


def replace(directory: Path) -> None:
    (directory / "flag.new").write_text("new")
    os.replace(directory / "flag.new", directory / "flag")


def remove(directory: Path) -> None:
    (directory / "flag").unlink()


@pytest.mark.parametrize("change", [create, replace, remove])
@alone
def test_a_file_that_appears_is_replaced_or_goes_is_reported(tmp_path: Path, change: object) -> None:
    if change is not create:
        (tmp_path / "flag").write_text("old")
    watch = armed(Watched(directory=str(tmp_path), names=("flag",)))

    change(tmp_path)  # type: ignore[operator]

    assert reported(LIMIT_S)
    assert watch.changed()
    watch.close()


@alone
def test_a_file_changed_in_place_is_reported_where_contents_count(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("old")
    watch = armed(Watched(directory=str(tmp_path), contents=True))

    with (tmp_path / "a.toml").open("a") as file:
        file.write("more")

    assert reported(LIMIT_S)
    assert watch.changed()
    watch.close()


@alone
def test_what_does_not_count_is_not_a_change(tmp_path: Path) -> None:
    watch = armed(Watched(directory=str(tmp_path), names=("flag",)))

    (tmp_path / "motd.dynamic.new").touch()

    assert reported(LIMIT_S)
    assert not watch.changed()
    watch.close()


@alone
def test_a_directory_that_does_not_exist_yet_is_watched_from_above_and_then_itself(tmp_path: Path) -> None:
    inner = tmp_path / "config.d" / "more"
    watch = armed(Watched(directory=str(inner)))

    inner.mkdir(parents=True)
    assert reported(LIMIT_S)
    assert watch.changed()
    watch.arm()
    reported(AT_ONCE_S)
    (inner / "a.toml").touch()

    assert reported(LIMIT_S)
    assert watch.changed()
    watch.close()


@pytest.fixture
def public() -> Iterator[Path]:
    """Return a directory that every user may enter."""
    with TemporaryDirectory(dir="/tmp") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.mark.parametrize("mode", [0o000, 0o111, 0o444])
@alone
def test_a_directory_that_cannot_be_entered_or_listed_is_left_out(public: Path, mode: int) -> None:
    hidden, seen = public / "hidden", public / "seen"
    hidden.mkdir()
    hidden.chmod(mode)
    seen.mkdir()
    if os.geteuid() == 0:
        os.chown(seen, NOBODY, NOBODY)
        os.setuid(NOBODY)
    watch = armed(Watched(directory=str(hidden / "below"), names=("a",)), Watched(directory=str(seen)))
    (seen / "new").touch()

    assert reported(LIMIT_S)
    assert watch.changed()


@alone
def test_a_directory_that_a_security_module_denies_leaves_the_others_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    denied, seen = tmp_path / "denied", tmp_path / "seen"
    denied.mkdir()
    seen.mkdir()

    def deny(path: str, *flags: int) -> int:
        if path == str(denied):
            raise PermissionError
        return opened(path, *flags)

    opened = os.open
    monkeypatch.setattr(os, "open", deny)
    watch = armed(Watched(directory=str(denied)), Watched(directory=str(seen)))
    (seen / "new").touch()

    assert reported(LIMIT_S)
    assert watch.changed()


@alone
def test_a_directory_that_is_replaced_by_another_one_is_watched_at_the_next_look(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    watch = armed(Watched(directory=str(state)))

    state.rename(tmp_path / "before")
    state.mkdir()
    watch.arm()
    reported(AT_ONCE_S)
    (state / "jobs.json").touch()

    assert reported(LIMIT_S)
    watch.close()


@alone
def test_a_thousand_changes_are_one_report(tmp_path: Path) -> None:
    watch = armed(Watched(directory=str(tmp_path)))

    for number in range(1000):
        (tmp_path / str(number)).touch()

    assert reported(LIMIT_S)
    assert not reported(AT_ONCE_S)
    watch.close()


@alone
def test_repeating_it_opens_nothing_more_and_closing_it_leaves_nothing_open(tmp_path: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    watch = armed(Watched(directory=str(tmp_path)), Watched(directory=str(tmp_path), names=("a",), contents=True))
    once = set(os.listdir("/proc/self/fd"))

    watch.arm()

    assert len(once - before) == 1
    assert set(os.listdir("/proc/self/fd")) == once
    watch.close()
    assert set(os.listdir("/proc/self/fd")) == before


def test_what_cannot_be_watched_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    watch = DirectoryWatch([Watched(directory=str(tmp_path))])
    monkeypatch.setattr("fcntl.F_NOTIFY", -1)  # a kernel without it

    with pytest.raises(OSError, match="Invalid argument"):
        watch.arm()
