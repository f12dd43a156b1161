"""The command line: `try` until the first report, tokens, and configuration errors."""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from endpoint.cli import try_out
from endpoint.config.model import Config
from endpoint.config.read import read_config
from endpoint.errors import ConfigError
from endpoint.store.database import Database
from tests.support.authority import Authority
from tests.support.endpoint_server import CHECKOUT, free_port
from tests.support.local_endpoint import run_command

CONFIG = CHECKOUT / "docs/endpoint/config.example.toml"


HEAVY = {"flask", "werkzeug", "sqlalchemy", "alembic", "gunicorn", "jsonschema", "fastjsonschema", "structlog"}


def test_try_receives_a_report_within_a_minute(tmp_path: Path) -> None:
    started, directory = time.monotonic(), tmp_path / "try"
    etc, out = tmp_path / "etc", tmp_path / "out"
    (etc / "config.d").mkdir(parents=True)
    agent = f"exec {sys.executable} -m agent --config {etc}/config.d/try.toml --state-dir {tmp_path}/state"
    for name, script in (("systemctl", "exit 0"), ("maestro-agent", f'{agent} "$@"')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    with running_try(out, directory) as process:
        pasted = wait_for_instructions(out).split("\n\n")[1]
        here = pasted.replace("/etc/maestro-agent", str(etc)).replace("-g maestro-agent", "-g root")
        done = subprocess.run(
            ["sh", "-euc", f"umask 077\n{here}"], cwd=CHECKOUT, capture_output=True, text=True, check=False,
            env={"PATH": f"{tmp_path}:/usr/bin:/bin:/usr/sbin"},
        )  # fmt: skip
        shown = run_command("fleet", "--config", str(directory / "endpoint.toml")).stdout

    assert (done.returncode, done.stderr) == (0, "")
    assert "delivered" in done.stdout
    assert "1 host:" in shown
    assert "batch.stored" in out.read_text()
    assert time.monotonic() - started < 60
    assert process.returncode == 0
    assert (etc / "try/token").stat().st_mode & 0o777 == 0o640
    assert (etc / "config.d/try.toml").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in directory.iterdir() if path.stat().st_mode & 0o077] == ["ca.pem"]
    assert not list(directory.rglob("ca.key"))
    strict = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "ca.pem", "server.pem"]
    verified = subprocess.run(strict, cwd=directory, capture_output=True, text=True, check=False)
    assert verified.stdout == "server.pem: OK\n", verified.stderr


@contextmanager
def running_try(out: Path, directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "endpoint", "try", "--dir", str(directory), "--port", str(free_port())]
    with out.open("wb") as stream:
        process = subprocess.Popen(command, cwd=CHECKOUT, stdout=stream, stderr=stream, start_new_session=True)
    try:
        wait_for_instructions(out)
        port = int(command[-1])
        deadline = time.monotonic() + 60
        while not is_listening(port) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(60)


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for_instructions(out: Path) -> str:
    deadline = time.monotonic() + 60
    while "Ctrl-C" not in out.read_text():
        assert time.monotonic() < deadline, out.read_text()
        time.sleep(0.1)
    return out.read_text()


def test_a_token_that_the_agent_can_read_is_not_copied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(try_out, "_READER", "nogroup")
    for hidden in (tmp_path, Path("/run")):
        with tempfile.TemporaryDirectory(dir=hidden) as name:
            place = Path(name)
            place.chmod(0o711)
            token = place / "token"
            token.touch(0o600)

            seen = try_out._make_readable(token)  # noqa: SLF001 - who runs it must be root, and the agent installed

            assert seen is (hidden == Path("/run"))
            assert token.stat().st_mode & 0o777 == (0o640 if seen else 0o600)
            place.chmod(0o700)
            assert try_out._make_readable(token) is False  # noqa: SLF001


def test_expired_certificates_are_replaced(tmp_path: Path) -> None:
    directory = tmp_path / "try"
    with running_try(tmp_path / "first", directory):
        first = (directory / "ca.pem").read_text()
    with running_try(tmp_path / "second", directory):
        kept = (directory / "ca.pem").read_text()
    expired = Authority.make(tmp_path / "authority").sign("localhost", expired=True)
    shutil.copy(expired.file, directory / "server.pem")

    with running_try(tmp_path / "third", directory):
        new = (directory / "ca.pem").read_text()

    assert first == kept != new


@pytest.mark.parametrize("arguments", [("--dir", 'x"y'), ("--dir", "x\ny"), ("--port", "0"), ("--port", "65536")])
def test_invalid_arguments_of_try_are_usage_errors(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = run_command("try", "--dir", str(tmp_path / "try"), *arguments)

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[server]\nlisten = 5", "server.listen: must be text"),
        ("[server]\nlisten = '0.0.0.0:8443'", "an address beyond loopback needs tls.certificate"),
        ("[server]\nlisten = 'nowhere'", "must be ADDRESS:PORT"),
        ("[server]\nlisten = '127.0.0.1:65536'", "must be ADDRESS:PORT"),
        ("[server]\nthreds = 5", "server.threds: no such setting; did you mean threads?"),
        ("[server]\nthreads = true", "server.threads: must be a whole number"),
        ("[server]\nthreads = 0", "server.threads: must be between 1 and"),
        ("[server]\nconnections = 8", "must be more than server.threads"),
        ("server = 5", "server: must be a table"),
        ("[tls]\nclient_certificates = 'maybe'", "must be one of none, optional, required"),
        ("[tls]\ncertificate = '/x'", "must be set together"),
        ("[tls]\ncertificate = '/x'\nkey = '/y'", "tls.certificate: /x: does not exist"),
        ("[tls]\nclient_certificates = 'required'", "needs client_ca"),
        ("[server]\nlisten = 'unix:/run/x'\n[tls]\nclient_certificates = 'required'", "the proxy requires them"),
        ("[store]\nkeep_events = 400", "store.keep_events: must be text"),
        ("[store]\nkeep_events = '400'", 'store.keep_events: must be a duration, as "400d", or "forever"'),
        ("[store]\nkeep_events = '0d'", "store.keep_events: must be a duration"),
        ("[store]\nkeep_events = '1h'", "store.keep_events: must be between 1d and 36500d"),
        ("[store]\nkeep_events = '999999999d'", "store.keep_events: must be between 1d and 36500d"),
        ("[fleet]\nforget_after = 'never'", "fleet.forget_after: must be a duration"),
        ("[fleet]\nforget_after = '1d'\nsilent_after_s = 86400", "must be more than fleet.silent_after_s"),
        ("[locks]\ngroups = 5", "locks.groups: must be a table, as { default = 1 }"),
        ("[locks]\ngroups = { 'a b' = 1 }", "locks.groups: 'a b' is not a group"),
        ("[locks]\ngroups = { a = -1 }", "locks.groups.a: must be a whole number between 0 and 1000000"),
        ("[locks]\ngroups = { a = true }", "locks.groups.a: must be a whole number"),
        ("[locks]\nwithout_token = 1", "locks.without_token: must be true or false"),
        ("[locks]\nstale_after = 'forever'", 'locks.stale_after: must be a duration, as "1h"'),
        ("[", "is not valid TOML"),
    ],
)
def test_a_configuration_error_names_file_and_key(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)

    with pytest.raises(ConfigError, match=r"config\.toml") as raised:
        read_config(file)

    assert expected in str(raised.value)


@pytest.mark.parametrize("url", ["mysql://x", "nonsense", "sqlite+nothing://", "sqlite://", "sqlite:///:memory:"])
def test_an_invalid_database_url_is_a_configuration_error(tmp_path: Path, url: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"[database]\nurl = '{url}'")

    done = run_command("fleet", "--config", str(file))

    assert done.returncode == 78
    assert "database.url" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unreachable_database_is_reported_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"[database]\nurl = 'postgresql+psycopg2://x@/x?host={tmp_path}'")

    done = run_command("serve", "--config", str(file))

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_a_password_in_the_url_is_not_printed(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql+psycopg2://x:hush@127.0.0.1:1/x\n")
    file = tmp_path / "config.toml"
    file.write_text(f"[database]\nurl_file = '{tmp_path}/url'")

    done = run_command("fleet", "--config", str(file))

    assert done.returncode == 1
    assert "hush" not in done.stdout + done.stderr


def test_the_example_holds_every_setting_with_its_default(tmp_path: Path) -> None:
    text = CONFIG.read_text()
    file = tmp_path / "config.toml"
    file.write_text("\n".join(line.removeprefix("# ") if " = " in line else line for line in text.splitlines()))

    assert read_config(file) == Config()
    for table in ("server", "tls", "database", "store", "limits", "fleet", "locks"):
        for name in vars(type(getattr(Config(), table)))["__slots__"]:
            assert f"{name} = " in text, name


def test_usage_errors_end_with_2() -> None:
    for arguments in (
        ["add", "--name", "\udcff"],
        ["add", "--name", "x" * 257],
        ["add", "--host", "\udcff"],
        ["revoke", "\udcff"],
    ):
        done = run_command("token", *arguments)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert run_command("token", "add", "--host", "web1").returncode == 2
    assert run_command("nonsense").returncode == 2
    assert run_command("--version").stdout.startswith("maestro-endpoint ")


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["token", "--help"], ["serve", "--help"], ["token", "revoke"], ["nonsense"]],
)
def test_help_and_usage_errors_import_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys; from endpoint.cli.main import main\n"
        f"try: main({arguments!r})\nexcept SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)

    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert "endpoint" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize(
    "arguments", [["fleet"], ["gaps"], ["locks"], ["requests", "list"], ["token", "list"], ["user", "list"]]
)
def test_a_command_on_a_current_database_imports_only_what_reads_it(arguments: list[str], tmp_path: Path) -> None:
    config, url = tmp_path / "config.toml", f"sqlite:///{tmp_path}/endpoint.db"
    config.write_text(f'[database]\nurl = "{url}"\n')
    database = Database(url)
    database.create()
    database.close()
    program = (
        "import os, sys; from endpoint.cli.main import main_and_exit\n"
        "os._exit = lambda code: print(code, *(name for name in sys.modules if sys.modules[name]), file=sys.stderr)\n"
        f"main_and_exit({[*arguments, '--config', str(config)]!r})"
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)

    code, *names = done.stderr.split()
    loaded = {name.partition(".")[0] for name in names}
    assert (code, "sqlalchemy" in loaded) == ("0", True)
    assert loaded & ((HEAVY - {"sqlalchemy"}) | {"asyncio", "greenlet", "mako", "psycopg2", "requests"}) == set()
