"""Headers from a file: the content is never shown; a malformed line is an error before anything is sent."""

import os
from pathlib import Path

import pytest

from agent.errors import ConfigError
from agent.report.otlp.headers import read_headers


def test_headers_keep_their_order_and_comments_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "headers"
    path.write_text("# for the collector\nAuthorization: Bearer s3cr3t \n\nX-Scope-OrgID:  team 7\r\n")

    assert read_headers(str(path)) == (("Authorization", "Bearer s3cr3t"), ("X-Scope-OrgID", "team 7"))


def test_no_file_means_no_headers() -> None:
    assert read_headers("") == ()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("s3cr3t", "line 2 is not a header"),
        ("Author ization: s3cr3t", "line 2 is not a header"),
        ("Authorization:", "line 2 is not a header"),
        ("Authorization: s3cr3t\x00", "line 2 is not a header"),
        ("Authorization: s3cr3t\rX: y", "line 2 is not a header"),
        ("Authorization: s3cr3té", "line 2 is not a header"),
        ("Content-Type: s3cr3t", "line 2: the header Content-Type is set by the agent itself"),
        ("host: s3cr3t", "line 2: the header host is set by the agent itself"),
        ("Accept-Encoding: s3cr3t", "line 2: the header Accept-Encoding is set by the agent itself"),
        ("A: 1\na: s3cr3t", "line 3: the header a is there twice"),
        ("A: s3cr3t" * 10_000, "is longer than 65536 bytes"),
    ],
)
def test_malformed_line_is_named_by_number_and_not_shown(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "headers"
    path.write_bytes(b"\n" + line.encode())

    with pytest.raises(ConfigError) as caught:
        read_headers(str(path))

    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_missing_file_and_pipe_are_errors(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(ConfigError, match="cannot be read: No such file or directory"):
        read_headers(str(tmp_path / "missing"))
    with pytest.raises(ConfigError, match="pipe: cannot be read"):
        read_headers(str(tmp_path / "pipe"))
