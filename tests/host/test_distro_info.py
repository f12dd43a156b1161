"""The row of a release in distro-info-data: the real files of this machine, and those of other versions."""

from pathlib import Path

import pytest

from agent.core.policy.distro import Distro
from agent.core.release_support import UnknownEnd
from agent.host.machine.distro_info import release_of

UBUNTU = """\
version,codename,series,created,release,eol,eol-server,eol-esm,eol-legacy
22.04 LTS,Jammy Jellyfish,jammy,2021-10-14,2022-04-21,2027-06-01,2027-06-01,2032-04-21,2034-04-25
26.10,Stonking,stonking,2026-04-23,2026-10-15,2027-07-15
"""
OTHER_COLUMNS = """\
series,eol-esm,version,surplus,eol
jammy,2032-04-21,22.04 LTS,x,2027-06-01,one field too many
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "ubuntu.csv").write_text(UBUNTU)
    return tmp_path


def test_the_installed_data_have_the_releases_of_debian_and_ubuntu() -> None:
    bookworm = release_of(Distro(id="debian", codename="bookworm", version="12"))
    jammy = release_of(Distro(id="ubuntu", codename="jammy", version="22.04"))

    assert (bookworm.row["eol"], bookworm.row["eol-lts"]) == ("2026-07-11", "2028-06-30")
    assert (jammy.row["eol-server"], jammy.row["eol-esm"]) == ("2027-06-01", "2032-04-21")
    assert bookworm.unknown is jammy.unknown is None


def test_fields_are_found_by_the_names_of_their_columns(data: Path) -> None:
    (data / "ubuntu.csv").write_text(OTHER_COLUMNS)

    row = release_of(Distro(id="ubuntu", codename="jammy"), data).row

    assert row == {
        "series": "jammy", "eol-esm": "2032-04-21", "version": "22.04 LTS", "surplus": "x", "eol": "2027-06-01"
    }  # fmt: skip


def test_a_row_without_its_last_fields_has_no_such_members(data: Path) -> None:
    row = release_of(Distro(id="ubuntu", codename="stonking"), data).row

    assert row["eol"] == "2027-07-15"
    assert not row.keys() & {"eol-server", "eol-esm", "eol-legacy"}


def test_a_release_without_a_codename_is_found_by_its_number(data: Path) -> None:
    assert release_of(Distro(id="ubuntu", codename="", version="22.04"), data).row["series"] == "jammy"


@pytest.mark.parametrize(
    ("distro", "unknown"),
    [
        pytest.param(Distro(id="ubuntu", codename="warty"), UnknownEnd.NOT_LISTED, id="a-release-it-does-not-have"),
        pytest.param(Distro(id="ubuntu", codename="", version=""), UnknownEnd.NOT_LISTED, id="no-release"),
        pytest.param(Distro(id="debian", codename="bookworm"), UnknownEnd.NO_DATA, id="no-file"),
        pytest.param(Distro(id="../ubuntu", codename="jammy"), UnknownEnd.NO_DATA, id="an-id-that-is-a-path"),
    ],
)
def test_why_there_is_no_row(data: Path, distro: Distro, unknown: UnknownEnd) -> None:
    found = release_of(distro, data)

    assert (found.row, found.unknown) == ({}, unknown)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe\x00,\n\x00,,,\n", id="not-text"),
        pytest.param(b'series,eol\n"jammy\n', id="an-open-quote"),
        pytest.param(b"series,eol\n" + b"x" * 200_000, id="a-field-too-long"),
    ],
)
def test_a_damaged_file_gives_no_row(data: Path, content: bytes) -> None:
    (data / "ubuntu.csv").write_bytes(content)

    found = release_of(Distro(id="ubuntu", codename="jammy"), data)

    assert not found.row.keys() & {"eol", "eol-server"}
