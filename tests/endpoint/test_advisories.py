"""Advisories are loaded from files, and a load that fails leaves what was loaded before."""

import json
import zipfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

from endpoint.core.advisories.model import Notice
from endpoint.errors import UsageError
from endpoint.store.advisories import Advisories
from endpoint.store.advisory_files import OsvDirectory, read_kev_file
from endpoint.store.advisory_load import AdvisoryLoader
from endpoint.store.advisory_tables import CVE_TEXTS, NOTICE_CVES, NOTICE_PACKAGES, NOTICES
from endpoint.store.database import Database
from tests.core.test_advisories import CVE, ENTRY, USN
from tests.support.endpoint_server import write_config
from tests.support.local_endpoint import run_command

NOW = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)
SSL = ("libssl3t64", "3.0.13-0ubuntu3.7")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a directory with a KEV file, and one OSV record as a file and two in an archive."""
    (tmp_path / "kev.json").write_text(json.dumps({"dateReleased": "2026-11-02", "vulnerabilities": [ENTRY]}))
    osv = tmp_path / "osv"
    (osv / "usn").mkdir(parents=True)
    (osv / "usn" / "USN-7777-1.json").write_text(json.dumps(USN))
    with zipfile.ZipFile(osv / "all.zip", "w") as archive:
        archive.writestr(f"UBUNTU-{CVE}.json", json.dumps({"id": f"UBUNTU-{CVE}", "details": "A flaw."}))
        archive.writestr("DSA-1-1.json", json.dumps({"id": "DSA-1-1", "summary": "postfix", "related": [CVE]}))
    return tmp_path


def load_osv(database: Database, files: Path, now: datetime = NOW) -> OsvDirectory:
    directory = OsvDirectory(directory=files / "osv")
    AdvisoryLoader(database).load_osv(directory, now)
    return directory


def test_what_is_loaded_is_found_by_cve_and_by_exact_version(database: Database, files: Path) -> None:
    found = Advisories(database)
    AdvisoryLoader(database).load_kev(read_kev_file(files / "kev.json"), files / "kev.json", NOW)
    load_osv(database, files)

    assert found.kev([CVE, "CVE-2026-9999"])[CVE].due == "2026-11-23"
    assert found.texts([CVE])[CVE].text == "A flaw."
    assert [one.id for one in found.notices_of_cves([CVE])[CVE]] == ["DSA-1-1", "USN-7777-1"]
    assert found.notices_of_versions([SSL, ("libssl3t64", "1")]) == {
        SSL: (Notice(id="USN-7777-1", title="openssl vulnerability", published="2026-11-01"),)
    }
    assert found.cves_of_notice("USN-7777-1") == ("CVE-2026-1111", CVE)
    assert [(one.name, one.entries) for one in found.sources()] == [("kev", 1), ("osv", 3)]


def test_many_keys_are_found_in_several_statements(database: Database, files: Path) -> None:
    load_osv(database, files)

    cves = [f"CVE-2020-{number:05}" for number in range(2_000)]
    assert set(Advisories(database).notices_of_cves([*cves, CVE])) == {CVE}


def test_a_later_load_replaces_the_former_one_and_leaves_no_rows_of_it(database: Database, files: Path) -> None:
    load_osv(database, files)
    (files / "osv" / "all.zip").unlink()
    load_osv(database, files, NOW + timedelta(hours=1))

    assert [one.id for one in Advisories(database).notices_of_cves([CVE])[CVE]] == ["USN-7777-1"]
    with database.reading() as connection:
        tables = (NOTICES, NOTICE_CVES, NOTICE_PACKAGES, CVE_TEXTS)
        counts = [len(connection.execute(sa.select(table)).all()) for table in tables]
    assert counts == [1, 2, 2, 0]


def test_files_that_cannot_be_read_are_named_and_the_others_loaded(database: Database, files: Path) -> None:
    (files / "osv" / "bad.json").write_text('{"id": ')
    (files / "osv" / "bad.zip").write_bytes(b"PK\x03\x04 no archive")
    (files / "osv" / "deep.json").write_text("[" * 100_000)

    directory = load_osv(database, files)

    assert directory.refused == 3
    assert {Path(fault.partition(": ")[0]).name for fault in directory.faults} == {"bad.json", "bad.zip", "deep.json"}
    assert Advisories(database).sources()[0].refused == 3


def test_a_load_without_a_usable_record_keeps_the_former_one(database: Database, files: Path) -> None:
    load_osv(database, files)
    (files / "osv" / "all.zip").unlink()
    (files / "osv" / "usn" / "USN-7777-1.json").write_text("no JSON")

    with pytest.raises(UsageError):
        load_osv(database, files)

    assert CVE in Advisories(database).notices_of_cves([CVE])


def test_of_two_loads_at_once_the_later_one_counts(database: Database, files: Path) -> None:
    class Overtaken(OsvDirectory):
        def records(self):  # type: ignore[no-untyped-def]  # noqa: ANN202 - as the method that it replaces
            load_osv(database, files)
            return super().records()

    with pytest.raises(UsageError):
        AdvisoryLoader(database).load_osv(Overtaken(directory=files / "osv"), NOW)

    assert len(Advisories(database).notices_of_cves([CVE])[CVE]) == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [("none", None), ("text", "no JSON"), ("list", "[]"), ("deep", "[" * 100_000)],
    ids=lambda value: str(value)[:8],
)
def test_another_file_is_no_catalogue(tmp_path: Path, name: str, text: str | None) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)

    with pytest.raises(UsageError):
        read_kev_file(tmp_path / name)


def test_the_command_loads_what_is_configured_and_shows_it(files: Path) -> None:
    config = files / "config.toml"
    write_config(config, f"sqlite:///{files}/endpoint.db")
    assert run_command("advisories", "load", "--config", str(config)).returncode == 78
    assert "no advisories are loaded" in run_command("advisories", "status", "--config", str(config)).stdout

    own: dict[str, object] = {"kev_file": str(files / "kev.json"), "osv_directory": str(files / "osv")}
    write_config(config, f"sqlite:///{files}/endpoint.db", {"advisories": own})
    loaded = run_command("advisories", "load", "--config", str(config))
    shown = run_command("advisories", "status", "--config", str(config))

    assert (loaded.returncode, shown.returncode) == (0, 0)
    assert ["3 loaded" in line for line in loaded.stdout.splitlines()] == [False, True]
    assert [line.partition(":")[0] for line in shown.stdout.splitlines()] == ["CISA KEV", "OSV"]
