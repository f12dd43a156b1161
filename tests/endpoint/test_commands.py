"""The command line: `try` from nothing to a report, tokens, and configuration errors that say where."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from endpoint.config import Config, read_config
from endpoint.errors import ConfigError
from tests.support.authority import Authority
from tests.support.centre import CHECKOUT, Answer, Centre, free_port
from tests.support.messages import Outbox

CONFIG = CHECKOUT / "docs/endpoint/config.example.toml"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "endpoint", *arguments]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)


def test_a_newcomer_sees_a_report_within_a_minute(tmp_path: Path) -> None:
    started, port, directory = time.monotonic(), free_port(), tmp_path / "try"
    command = [sys.executable, "-m", "endpoint", "try", "--dir", str(directory), "--port", str(port)]

    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(command, cwd=CHECKOUT, stdout=out, stderr=out, start_new_session=True)
    try:
        settings = _settings(tmp_path / "out")
        authority = Authority(directory=Path(settings["ca_file"]).parent)
        centre = Centre(directory=directory, authority=authority, database="", port=port)
        client = centre.client(Path(settings["token_file"]).read_text().strip())
        box = Outbox()
        answer = _retried(client.post, box.batch(box.state(), box.event()))
        client.close()
        shown = run("fleet", "--config", str(directory / "endpoint.toml")).stdout
    finally:
        process.terminate()
        process.wait(20)

    assert answer.statuses == ["accepted", "accepted"]
    assert "web1" in shown
    assert settings["url"] == f"https://127.0.0.1:{port}"
    assert time.monotonic() - started < 60
    assert "batch.stored" in (tmp_path / "out").read_text()
    assert process.returncode == 0
    assert (directory / "token").stat().st_mode & 0o007 == 0
    assert (directory / "server.key").stat().st_mode & 0o077 == 0
    assert not list(directory.rglob("ca.key"))


def _settings(out: Path) -> dict[str, str]:
    deadline = time.monotonic() + 30
    while "Ctrl-C" not in out.read_text():
        assert time.monotonic() < deadline, out.read_text()
        time.sleep(0.1)
    lines = [line.split(" = ") for line in out.read_text().splitlines() if " = " in line]
    return {name: value.strip('"') for name, value in lines}


def _retried(post: Callable[[object], Answer], document: object) -> Answer:
    deadline = time.monotonic() + 20
    while True:
        try:
            return post(document)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server]\nlisten = 5", "server.listen: must be text"),
        ("[server]\nlisten = '0.0.0.0:8443'", "beyond loopback it needs tls.certificate"),
        ("[server]\nlisten = 'nowhere'", "must be ADDRESS:PORT"),
        ("[server]\nthreds = 5", "server.threds: no such setting; did you mean threads?"),
        ("[server]\nthreads = true", "server.threads: must be a whole number"),
        ("[server]\nthreads = 0", "server.threads: must be between 1 and"),
        ("[server]\nconnections = 8", "must be more than server.threads"),
        ("server = 5", "server: must be a table"),
        ("[tls]\nclient_certificates = 'maybe'", "must be one of none, optional, required"),
        ("[tls]\ncertificate = '/x'", "go together"),
        ("[tls]\ncertificate = '/x'\nkey = '/y'", "tls.certificate: /x: is not there"),
        ("[tls]\nclient_certificates = 'required'", "needs client_ca"),
        ("[store]\nkeep_events = 400", "store.keep_events: must be text"),
        ("[store]\nkeep_events = '400'", 'store.keep_events: must be a duration, as "400d", or "forever"'),
        ("[store]\nkeep_events = '0d'", "store.keep_events: must be a duration"),
        ("[store]\nkeep_events = '1h'", "store.keep_events: must be between 1d and 36500d"),
        ("[store]\nkeep_events = '999999999d'", "store.keep_events: must be between 1d and 36500d"),
        ("[fleet]\nforget_after = 'never'", "fleet.forget_after: must be a duration"),
        ("[fleet]\nforget_after = '1d'\nsilent_after_s = 86400", "must be more than fleet.silent_after_s"),
        ("[", "is not valid TOML"),
    ],
)
def test_a_wrong_configuration_is_told_with_file_and_key(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)

    with pytest.raises(ConfigError, match=r"config\.toml") as raised:
        read_config(file)

    assert words in str(raised.value)


@pytest.mark.parametrize("url", ["mysql://x", "nonsense", "sqlite+nothing://"])
def test_a_wrong_database_is_a_configuration_error(tmp_path: Path, url: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"[database]\nurl = '{url}'")

    done = run("fleet", "--config", str(file))

    assert done.returncode == 78
    assert "database.url" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"[database]\nurl = 'postgresql+psycopg2://x@/x?host={tmp_path}'")

    done = run("serve", "--config", str(file))

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_a_password_in_the_url_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql+psycopg2://x:hush@127.0.0.1:1/x\n")
    file = tmp_path / "config.toml"
    file.write_text(f"[database]\nurl_file = '{tmp_path}/url'")

    done = run("fleet", "--config", str(file))

    assert done.returncode == 1
    assert "hush" not in done.stdout + done.stderr


def test_the_example_holds_every_setting_with_its_default(tmp_path: Path) -> None:
    text = CONFIG.read_text()
    file = tmp_path / "config.toml"
    file.write_text("\n".join(line.removeprefix("# ") if " = " in line else line for line in text.splitlines()))

    assert read_config(file) == Config()
    for table in ("server", "tls", "database", "store", "limits", "fleet"):
        for name in vars(type(getattr(Config(), table)))["__slots__"]:
            assert f"{name} = " in text, name


def test_usage_errors_end_with_2() -> None:
    assert run("token", "add", "--host", "web1").returncode == 2
    assert run("nonsense").returncode == 2
    assert run("--version").stdout.startswith("maestro-endpoint ")
