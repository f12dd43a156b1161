"""Advisories are loaded from files, and a load that fails leaves what was loaded before."""

import json
import os
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

from endpoint.core.advisories.model import Notice
from endpoint.errors import SourceError, UsageError
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
    assert rows(database) == [1, 2, 2, 0]


def test_records_that_are_of_no_use_are_named_and_the_others_loaded(database: Database, files: Path) -> None:
    names = ["index.json", "bad.json", "deep.json"]
    (files / "osv" / "index.json").write_text('["USN-7777-1"]')
    with zipfile.ZipFile(files / "osv" / "more.zip", "w") as archive:
        archive.writestr("bad.json", '{"id": ')
        archive.writestr("deep.json", "[" * 100_000)
        archive.writestr("DSA-2-1.json", json.dumps({"id": "DSA-2-1", "related": [CVE]}))

    directory = load_osv(database, files)

    assert directory.refused == 3
    assert [next(one for one in names if one in fault) for fault in directory.faults] == names
    assert [one.id for one in Advisories(database).notices_of_cves([CVE])[CVE]] == ["DSA-1-1", "DSA-2-1", "USN-7777-1"]
    assert Advisories(database).sources()[0].refused == 3


def cut_short(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def garble(file: Path) -> None:
    """Overwrite what the archive has compressed."""
    data = bytearray(file.read_bytes())
    data[60:100] = bytes(255 - byte for byte in data[60:100])
    file.write_bytes(data)


def lead_nowhere(file: Path) -> None:
    file.rename(file.with_suffix(".gone"))
    file.symlink_to("nowhere")


DAMAGE = {
    "an archive that is cut short": ("all.zip", cut_short),
    "an archive that is damaged inside": ("all.zip", garble),
    "an empty archive": ("all.zip", lambda file: file.write_bytes(b"")),
    "an archive on a disk that is not mounted": ("all.zip", lead_nowhere),
    "a file that is cut short": ("usn/USN-7777-1.json", cut_short),
    "an empty file": ("usn/USN-7777-1.json", lambda file: file.write_bytes(b"")),
    "a file of brackets": ("usn/USN-7777-1.json", lambda file: file.write_text("[" * 100_000)),
    "no directory": ("", lambda directory: directory.rename(directory.with_suffix(".gone"))),
}


@pytest.mark.parametrize(("name", "damage"), DAMAGE.values(), ids=DAMAGE)
def test_a_file_that_is_damaged_ends_the_load_and_the_former_one_stays_with_no_rows_of_this_one(
    database: Database, files: Path, name: str, damage: Callable[[Path], object]
) -> None:
    load_osv(database, files)
    before = rows(database), Advisories(database).sources()
    damage(files / "osv" / name)

    with pytest.raises(SourceError, match=name):
        load_osv(database, files, NOW + timedelta(hours=1))

    assert (rows(database), Advisories(database).sources()) == before


def test_no_damage_of_an_archive_is_a_bug(tmp_path: Path) -> None:
    """Each byte in turn: an archive is read to its end, or the load ends with the one error."""
    file = tmp_path / "all.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(2):
            archive.writestr(f"DSA-{number}-1.json", json.dumps({"id": f"DSA-{number}-1", "details": "A flaw. " * 20}))
    whole = file.read_bytes()
    damaged = 0

    for place in range(len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            list(OsvDirectory(directory=tmp_path).records())
        except SourceError:
            damaged += 1

    assert damaged > len(whole) // 2


def rows(database: Database) -> list[int]:
    with database.reading() as connection:
        tables = (NOTICES, NOTICE_CVES, NOTICE_PACKAGES, CVE_TEXTS)
        return [len(connection.execute(sa.select(table)).all()) for table in tables]


def test_a_load_without_a_usable_record_keeps_the_former_one(database: Database, files: Path) -> None:
    load_osv(database, files)
    (files / "osv" / "all.zip").unlink()
    (files / "osv" / "usn" / "USN-7777-1.json").write_text("{}")

    with pytest.raises(SourceError):
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

    with pytest.raises(SourceError):
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


@pytest.mark.parametrize("name", ["kev.json", "osv/all.zip"])
def test_the_command_fails_if_a_file_is_cut_short(files: Path, name: str) -> None:
    config = files / "config.toml"
    own: dict[str, object] = {"kev_file": str(files / "kev.json"), "osv_directory": str(files / "osv")}
    write_config(config, f"sqlite:///{files}/endpoint.db", {"advisories": own})
    cut_short(files / name)

    failed = run_command("advisories", "load", "--config", str(config))

    assert (failed.returncode, name in failed.stderr) == (1, True)
