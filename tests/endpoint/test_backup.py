"""A backup taken while reports come in is complete, verified, and can be restored, from SQLite and PostgreSQL."""

import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from endpoint.core.people import local_person
from endpoint.store.audit import Audit
from endpoint.store.backup import back_up
from tests.conftest import CHECKOUT
from tests.endpoint.conftest import MakeEndpoint, MakeServer
from tests.support.local_endpoint import LocalEndpoint
from tests.support.messages import Outbox
from tests.support.postgres import Cluster


@pytest.fixture(scope="session")
def kind() -> str:
    """Return SQLite for all tests here; PostgreSQL has its own."""
    return "sqlite"


def test_a_backup_taken_while_messages_are_stored_is_restored_with_all_that_was_acknowledged_before_it(
    make_server: MakeServer, tmp_path: Path
) -> None:
    server, boxes, ended = make_server(), [Outbox() for _ in range(3)], threading.Event()
    server.start()
    before, during = server.client(server.token()), server.client(server.token())
    for box in boxes:
        assert before.post(box.batch(box.state(), box.event())).statuses == ["accepted", "accepted"]
    kept, busy = [box.batch(box.event(sequence=1)) for box in boxes], Outbox()

    def store() -> None:
        while not ended.is_set():
            assert during.post(busy.batch(busy.event())).status == 200

    writer = threading.Thread(target=store)
    writer.start()
    copies = [server.run("backup", str(tmp_path / f"copy{number}")) for number in range(3)]
    ended.set()
    writer.join()
    server.stop()
    *_, command = copies[-1].stdout.splitlines()
    restore(command)
    server.start()
    again = server.client(server.token())

    assert [copy.returncode for copy in copies] == [0, 0, 0], copies
    assert [again.post(batch).json["results"][0]["status"] for batch in kept] == ["refused"] * 3  # known sequences
    assert server.run("fleet").stdout.count("web1") == 3
    assert sorted(path.name for path in tmp_path.iterdir() if "copy" in path.name) == ["copy0", "copy1", "copy2"]
    assert {(tmp_path / f"copy{number}").stat().st_mode & 0o777 for number in range(3)} == {0o600}


def restore(command: str) -> None:
    """Run the command that `backup` printed; this machine may lack the service's user."""
    _, _, shell = command.partition(": ")
    owner = pwd.getpwuid(os.getuid()).pw_name
    subprocess.run(["sh", "-ec", shell.replace("-o maestro-endpoint -g maestro-endpoint", f"-o {owner}")], check=True)


def test_the_command_restores_from_any_directory_what_was_named_by_a_relative_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_database(tmp_path / "live" / "endpoint.db", 3)
    monkeypatch.chdir(tmp_path)
    made = back_up("sqlite:///live/endpoint.db", Path("today.db"))
    make_database(tmp_path / "live" / "endpoint.db", 2)

    monkeypatch.chdir("/")
    restore(f"run: {made.restore_with}")

    assert rows(tmp_path / "live" / "endpoint.db") == 3
    assert [path.name for path in (tmp_path / "live").iterdir()] == ["endpoint.db"]


def test_a_restore_that_fails_leaves_the_database_with_its_log_and_no_copy(tmp_path: Path) -> None:
    live = tmp_path / "live" / "endpoint.db"
    make_database(live, 50)
    made = back_up(f"sqlite:///{live}", tmp_path / "today.db")
    (tmp_path / "today.db").unlink()
    log = live.with_name("endpoint.db-wal").stat().st_size

    with pytest.raises(subprocess.CalledProcessError):
        restore(f"run: {made.restore_with}")

    assert log > 0
    assert not live.with_name("endpoint.db.new").exists()
    assert rows(live) == 50


def make_database(file: Path, count: int) -> None:
    """Add rows in a process that is killed afterwards: they are only in the log."""
    file.parent.mkdir(exist_ok=True)
    script = """
import os, sqlite3, sys
opened = sqlite3.connect(sys.argv[1], isolation_level=None)
opened.execute("PRAGMA journal_mode=WAL")
opened.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num TEXT)")
for number in range(int(sys.argv[2])):
    opened.execute("INSERT INTO alembic_version VALUES ('1')")
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", script, str(file), str(count)], check=True)


def rows(file: Path) -> int:
    with closing(sqlite3.connect(file)) as opened:
        return int(opened.execute("SELECT count(*) FROM alembic_version").fetchone()[0])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_backup_that_is_ended_leaves_no_incomplete_copy(number: signal.Signals, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "pg_dump"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\nfor word; do case $word in --file=*) echo secret >"${word#--file=}" ;; esac; done\nexec sleep 60\n'
    )
    program.chmod(0o755)
    script = f"""
import argparse, pathlib
from endpoint.cli import backup
from endpoint.store import backup as store
store._POSTGRES_ENV["PATH"] = {f"{program.parent}:/usr/bin:/bin"!r}
backup.run(argparse.Namespace(config=pathlib.Path({str(tmp_path / "config.toml")!r}),
    file=pathlib.Path({str(tmp_path / "nightly")!r}), replace=False))
"""
    (tmp_path / "config.toml").write_text('[database]\nurl = "postgresql+psycopg2://maestro@db.example/fleet"\n')
    running = subprocess.Popen([sys.executable, "-c", script], cwd=CHECKOUT)
    deadline = time.monotonic() + 30
    while not any(path.stat().st_size for path in tmp_path.glob(".nightly.*")):
        assert time.monotonic() < deadline
        time.sleep(0.02)

    running.send_signal(number)
    running.wait(timeout=30)

    assert running.returncode == 128 + number
    assert list(tmp_path.glob("*nightly*")) == []


def test_what_a_run_left_that_was_killed_long_ago_is_removed_and_nothing_else(tmp_path: Path) -> None:
    make_database(tmp_path / "live" / "endpoint.db", 1)
    names = (".nightly.7.partial", ".nightly.7.partial-journal", ".nightly.8.partial", ".weekly.7.partial")
    for name in names:
        (tmp_path / name).touch()
        if ".8." not in name:
            os.utime(tmp_path / name, (time.time() - 86400,) * 2)

    back_up(f"sqlite:///{tmp_path}/live/endpoint.db", tmp_path / "nightly")

    assert {path.name for path in tmp_path.iterdir()} == {
        "live", "nightly", ".nightly.8.partial", ".weekly.7.partial",
    }  # fmt: skip


def test_an_existing_file_is_overwritten_only_if_asked_for(make_endpoint: MakeEndpoint, tmp_path: Path) -> None:
    endpoint, file = make_endpoint(), tmp_path / "copy"
    file.write_text("precious")

    refused = endpoint.run("backup", str(file))
    kept = file.read_text()
    done = endpoint.run("backup", str(file), "--replace")

    assert (refused.returncode, kept) == (2, "precious")
    assert done.returncode == 0, done.stderr
    assert file.read_bytes() != b"precious"


@pytest.mark.parametrize(
    "content", [None, b"", b"SQLite format 3\0 but nothing else"], ids=["none", "empty", "damaged"]
)
def test_what_is_no_database_is_no_backup(content: bytes | None, tmp_path: Path) -> None:
    endpoint = LocalEndpoint(directory=tmp_path, database=f"sqlite:///{tmp_path}/endpoint.db")
    endpoint.configure()
    if content is not None:
        (tmp_path / "endpoint.db").write_bytes(content)

    done = endpoint.run("backup", str(tmp_path / "copy"))

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir() if "copy" in path.name] == []


def test_a_damaged_page_is_found(tmp_path: Path) -> None:
    endpoint = LocalEndpoint(directory=tmp_path, database=f"sqlite:///{tmp_path}/endpoint.db")
    endpoint.configure()
    endpoint.start()
    endpoint.end()
    file = tmp_path / "endpoint.db"
    data = bytearray(file.read_bytes())
    data[5 * 4096 : 5 * 4096 + 200] = b"\xff" * 200
    file.write_bytes(data)

    done = endpoint.run("backup", str(tmp_path / "copy"))

    assert done.returncode == 1
    assert not (tmp_path / "copy").exists()


def test_a_file_that_cannot_be_written_is_a_message(make_endpoint: MakeEndpoint, tmp_path: Path) -> None:
    done = make_endpoint().run("backup", str(tmp_path / "missing" / "copy"))

    assert done.returncode == 1
    assert "Traceback" not in done.stderr


@pytest.mark.xdist_group("endpoint-postgresql")
def test_a_dump_of_postgresql_is_restored(postgres: Cluster, tmp_path: Path) -> None:
    box = Outbox()
    endpoint = LocalEndpoint(directory=tmp_path, database=postgres.create("backedup"))
    endpoint.configure()
    endpoint.start()
    client = endpoint.client(endpoint.any_host_token)
    assert client.post(box.batch(box.state(), box.event())).status == 200

    done = endpoint.run("backup", str(tmp_path / "dump"))
    assert client.post(box.batch(box.event())).status == 200
    endpoint.end()
    restored = postgres.create("restored")
    command = done.stdout.splitlines()[-1].partition(": ")[2].replace("--dbname=backedup", "--dbname=restored")
    subprocess.run([*command.split(), "-h", str(postgres.directory), "-U", "postgres"], check=True)
    other = LocalEndpoint(directory=tmp_path, database=restored)
    other.configure()
    other.start()
    again = other.client(other.token()).post(box.batch(box.event(sequence=2)))
    other.end()

    assert done.returncode == 0, done.stderr
    assert again.statuses == ["accepted"]  # the second event came after the backup
    assert "web1" in other.run("fleet").stdout


def test_a_password_is_not_among_a_programs_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "pg_dump").write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/arguments\necho "$PGPASSWORD" >{tmp_path}/password\n'
    )
    (programs / "pg_restore").write_text('#!/bin/sh\necho "1; 0 16385 TABLE DATA public alembic_version maestro"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    monkeypatch.setattr("endpoint.store.backup._POSTGRES_ENV", {"PATH": f"{programs}:/usr/bin:/bin"})

    back_up("postgresql+psycopg2://maestro:it's%20secret@db.example:5433/fleet?sslmode=verify-full", tmp_path / "copy")

    arguments = (tmp_path / "arguments").read_text()
    assert "secret" not in arguments
    for setting in ("host='db.example'", "port='5433'", "dbname='fleet'", "sslmode='verify-full'"):
        assert setting in arguments
    assert (tmp_path / "password").read_text() == "it's secret\n"


@pytest.mark.skipif(not shutil.which("sqlite3"), reason="only where SQLite's own program is installed")
def test_the_copy_is_one_file_that_other_programs_open_read_only(make_endpoint: MakeEndpoint, tmp_path: Path) -> None:
    assert make_endpoint().run("backup", str(tmp_path / "copy")).returncode == 0
    shown = subprocess.run(
        ["sqlite3", "-readonly", str(tmp_path / "copy"), "PRAGMA journal_mode"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert shown.stdout.strip() == "delete"


def test_a_backup_is_recorded_and_an_earlier_database_is_not_changed_for_that(
    make_endpoint: MakeEndpoint, tmp_path: Path
) -> None:
    endpoint, copy = make_endpoint(), tmp_path / "copy.db"

    done = endpoint.run("backup", str(copy))
    entries = [(entry.action, entry.subject) for entry in Audit(endpoint.opened).page(local_person("root"))]
    endpoint.opened.write(lambda connection: connection.exec_driver_sql("ALTER TABLE audit RENAME TO later"))
    earlier = endpoint.run("backup", str(tmp_path / "earlier.db"))

    assert (done.returncode, done.stderr) == (0, "")
    assert entries == [("backup-made", str(copy))]
    assert (earlier.returncode, "not recorded" in earlier.stderr) == (0, True)
    assert (tmp_path / "earlier.db").exists()
