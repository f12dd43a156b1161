"""The token of enrolment on the disk: bound to a host and an endpoint, and read only from a file of its owner."""

import json
import os
import stat
from pathlib import Path

import pytest

from agent.errors import ConfigError, HostError
from agent.host.bearer_token import read_endpoint_token
from agent.host.enrolled_token import OUTBOX, EnrolledToken, enrolled_token, store_enrolled_token
from agent.host.machine.identity import host_id
from agent.report.outbox.file import OUTBOX_DIRECTORY

URL = "https://endpoint.example.org"
SECRET = "maestro_0123_secret"  # noqa: S105 - of no endpoint
NOBODY = 65534


@pytest.fixture
def state(tmp_path: Path) -> str:
    (tmp_path / OUTBOX).mkdir(mode=0o700)
    return str(tmp_path)


def place(state: str) -> Path:
    return Path(state, OUTBOX, "endpoint-token.json")


def store(state: str, *, url: str = URL, host: str = "", token: str = SECRET) -> None:
    store_enrolled_token(state, EnrolledToken(url=url, host_id=host or host_id(), token=token))


def test_it_is_in_the_directory_of_the_exporters_user() -> None:
    assert OUTBOX == OUTBOX_DIRECTORY


def test_what_is_stored_is_read_by_its_owner_only(state: str) -> None:
    store(state, token="earlier")  # noqa: S106
    store(state)

    assert enrolled_token(state, URL) == SECRET
    assert stat.S_IMODE(place(state).stat().st_mode) == 0o600
    assert [entry.name for entry in place(state).parent.iterdir()] == [place(state).name]


@pytest.mark.parametrize("of", [{"url": "https://other.example.org"}, {"host": "00000000-0000-4000-8000-000000000000"}])
def test_the_token_of_another_endpoint_or_host_is_none(of: dict[str, str], state: str) -> None:
    store(state, **of)

    assert enrolled_token(state, URL) == ""


DAMAGED = ["", "{", "[]", "null", '{"schema": "maestro.endpoint-token/1"}', "\x00" * 99, "[" * 9999, "ü"]


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_file_has_no_token(text: str, state: str) -> None:
    place(state).write_text(text)

    assert enrolled_token(state, URL) == ""


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX-Header: 1", "ü", 7, None, "x" * 5000], ids=range(7))
def test_what_cannot_be_a_token_is_none(token: object, state: str) -> None:
    document = {"schema": "maestro.endpoint-token/1", "url": URL, "host_id": host_id(), "token": token}
    place(state).write_text(json.dumps(document))

    assert enrolled_token(state, URL) == ""


def test_without_a_directory_there_is_none(tmp_path: Path) -> None:
    assert enrolled_token(str(tmp_path), URL) == ""
    with pytest.raises(HostError, match="cannot be stored"):
        store(str(tmp_path))


def test_a_link_is_not_followed_to_what_only_root_may_read(state: str, tmp_path: Path) -> None:
    store(state)
    place(state).rename(tmp_path / "elsewhere")
    place(state).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ConfigError):
        enrolled_token(state, URL)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files away")
def test_a_file_of_another_owner_than_its_directory_is_not_read(state: str) -> None:
    store(state)
    os.chown(place(state).parent, NOBODY, NOBODY)

    with pytest.raises(ConfigError, match="owner"):
        enrolled_token(state, URL)


def test_a_pipe_in_its_place_does_not_hang(state: str) -> None:
    os.mkfifo(place(state))

    with pytest.raises(ConfigError):
        enrolled_token(state, URL)


def test_what_is_planted_for_the_new_file_is_not_written_through(state: str, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("kept")
    Path(f"{place(state)}.new").symlink_to(tmp_path / "target")

    store(state)

    assert (tmp_path / "target").read_text() == "kept"
    assert enrolled_token(state, URL) == SECRET


def test_a_token_file_and_a_credential_go_before_it(
    state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(state)
    (tmp_path / "token").write_text("of-a-file\n")
    (tmp_path / "endpoint-token").write_text("of-a-credential\n")

    found = [read_endpoint_token("", url=URL), read_endpoint_token("", url=URL, enrolled_in=state)]
    found.append(read_endpoint_token(str(tmp_path / "token"), url=URL, enrolled_in=state))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    found.append(read_endpoint_token("", url=URL, enrolled_in=state))

    assert found == ["", SECRET, "of-a-file", "of-a-credential"]
