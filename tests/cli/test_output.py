"""Output can fail: no character, pipe, full device or closed stream ends a command or changes its exit code."""

import os
import pty
import subprocess
from pathlib import Path

import pytest

from agent.core.model.outcome import Result
from agent.state.record import Record
from agent.state.store import Store
from tests.conftest import CHECKOUT
from tests.core import given
from tests.support.no_lists import WITHOUT_LISTS

RUN = "20261123T051000Z"
FOREIGN = "日本 é \u202e \x1b[31m"
LOCALES = {
    "utf-8": {"LC_ALL": "C.UTF-8"},
    "C": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "POSIX": {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "LANG=C": {"LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "ascii:strict": {"PYTHONIOENCODING": "ascii:strict"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "cp1252": {"PYTHONIOENCODING": "cp1252:strict"},
}
REDIRECTIONS = {
    "full stdout": ">/dev/full 2>err",
    "both full": ">/dev/full 2>&1",
    "closed stdout": ">&- 2>err",
    "closed stderr": "2>&-",
    "both closed": ">&- 2>&-",
    "all closed": "<&- >&- 2>&-",
}
COMMANDS = (
    "status",
    "status --json",
    "history",
    f"history {RUN}",
    f"history {RUN} --json",
    "history nonsense --json",
    "explain reboot",
    "explain no-such-package-anywhere --json",
    "check --no-refresh",
    "config show",
    "report",
    "follow",
    "help",
    "--version",
    "nonsense",
    "",
)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a record with a run whose texts fit no one-byte locale."""
    directory = tmp_path_factory.mktemp("record")
    held = given.held("held-one", detail=f"needs {FOREIGN}")
    run = given.outcome(id=RUN, result=Result.FAILED, finished_at=given.NOW, held=(held,), message=FOREIGN)
    Record(Store(str(directory))).save_outcome(run, given.NOW)
    (directory / "config.toml").write_text("")
    return directory


@pytest.fixture(scope="module")
def codes(record: Path) -> dict[str, int]:
    """Return the exit code of each command with an ordinary output."""
    shell("check --no-refresh", record, ">/dev/null 2>&1")  # `status` shows the same from then on
    return {command: shell(command, record, ">/dev/null 2>&1")[0] for command in COMMANDS}


def shell(command: str, record: Path, redirection: str, **environment: str) -> tuple[int, bytes]:
    """Return exit code and output of a command in a shell."""
    options = f"--state-dir {record} --config {record}/config.toml" if command else ""
    line = f"cd {record}; PYTHONPATH={CHECKOUT} /usr/bin/python3 -m agent {options} {command} {redirection}"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    done = subprocess.run(
        [*WITHOUT_LISTS, "bash", "-c", line],
        env={**clean, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("command", ["history", f"history {RUN}", f"history {RUN} --json", "history é"])
def test_every_character_can_be_written_in_every_locale(
    command: str, locale: str, record: Path, codes: dict[str, int]
) -> None:
    code, output = shell(command, record, "", **LOCALES[locale])

    assert code == codes.get(command, 2)
    assert b"Traceback" not in output
    assert b"\x1b" not in output


@pytest.mark.parametrize("redirection", REDIRECTIONS)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_stream_that_cannot_be_written_changes_no_exit_code(
    command: str, redirection: str, record: Path, codes: dict[str, int]
) -> None:
    (record / "err").write_text("")

    code, output = shell(command, record, REDIRECTIONS[redirection])

    assert code == codes[command]
    assert b"Traceback" not in output
    assert "Traceback" not in (record / "err").read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_has_gone_changes_no_exit_code(command: str, record: Path, codes: dict[str, int]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [
                *WITHOUT_LISTS,
                "/usr/bin/python3",
                "-m",
                "agent",
                *(("--state-dir", str(record), "--config", f"{record}/config.toml") if command else ()),
                *command.split(),
            ],
            cwd=CHECKOUT,
            stdout=writing,
            stderr=writing,
            check=False,
        )
    finally:
        os.close(writing)

    assert done.returncode == codes[command]


@pytest.mark.parametrize("command", ["check --no-refresh", f"history {RUN}", "explain no-such-package-anywhere --json"])
@pytest.mark.parametrize("hung_up", [False, True])
def test_a_terminal_of_a_one_byte_locale_or_one_that_hung_up_changes_no_exit_code(
    command: str, record: Path, codes: dict[str, int], *, hung_up: bool
) -> None:
    own, terminal = pty.openpty()
    environment = {**os.environ, **LOCALES["POSIX"], "TERM": "xterm"}
    process = subprocess.Popen(
        [
            *WITHOUT_LISTS,
            "/usr/bin/python3",
            "-m",
            "agent",
            "--state-dir",
            str(record),
            "--config",
            f"{record}/config.toml",
            *command.split(),
        ],
        cwd=CHECKOUT,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment,
    )
    os.close(terminal)
    shown = b""
    if hung_up:
        os.close(own)
    else:
        shown = _read_to_the_end(own)
        os.close(own)

    assert process.wait(timeout=60) == codes[command]
    assert b"Traceback" not in shown


def _read_to_the_end(terminal: int) -> bytes:
    """Return what a program writes to a terminal; reading fails with EIO after its end (pty(7))."""
    found = b""
    try:
        while chunk := os.read(terminal, 65536):
            found += chunk
    except OSError:
        pass
    return found


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_no_file_takes_the_place_of_a_closed_stream(closed: str, tmp_path: Path) -> None:
    program = (
        f"import os, sys; sys.path.insert(0, {str(CHECKOUT)!r}); from agent.cli.output import prepare_output; "
        f"prepare_output(); opened = open({str(tmp_path / 'file')!r}, 'w'); "
        "print(min(opened.fileno(), 3), [os.path.samestat(os.fstat(n), os.fstat(opened.fileno())) for n in range(3)], "
        f"file=open({str(tmp_path / 'found')!r}, 'w'))"
    )

    subprocess.run(["bash", "-c", f'/usr/bin/python3 -c "$1" {closed}', "bash", program], check=True, timeout=60)

    assert (tmp_path / "found").read_text() == "3 [False, False, False]\n"
