"""`maestro-agent metrics-files`: every file that the agent may have written, also with a wrong configuration."""

import os
from pathlib import Path

import pytest

from agent.cli.main import main
from agent.config import fragments
from agent.config.accepted import accept
from agent.host.machine.os_release import read_distro

AT = "2026-11-29T00:00:00Z"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the configuration file, in place of that of the machine; a configuration is accepted."""
    file = tmp_path / "config.toml"
    monkeypatch.setattr(fragments, "DEFAULT_PATH", file)
    file.write_text("[metrics]\ntextfile = '/srv/métriques/ma\\estro.prom'\n")
    accept(str(tmp_path / "state"), read_distro(), AT, os.getgid())
    return file


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("[agent]\nno_such_key = 1\n", ["/srv/métriques/ma\\estro.prom"]),
        ("textfile = [\n", ["/srv/métriques/ma\\estro.prom"]),
        ("[metrics]\ntextfile = '/srv/a.prom'\n", ["/srv/a.prom", "/srv/métriques/ma\\estro.prom"]),
        ("", ["/srv/métriques/ma\\estro.prom"]),
    ],
    ids=["unknown-key", "no-toml", "not-accepted-yet", "switched-off"],
)
def test_the_accepted_file_and_that_of_the_files_are_printed_as_they_are(
    written: str, printed: list[str], files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files.write_text(written)

    code = main(["--state-dir", str(files.parent / "state"), "metrics-files"])

    assert (code, capsys.readouterr().out.splitlines()) == (0, printed)


@pytest.mark.parametrize("written", ["", "textfile = [\n"], ids=["no-file", "no-toml"])
def test_without_any_nothing_is_printed(written: str, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files.write_text(written)

    code = main(["--state-dir", str(files.parent / "other"), "metrics-files"])

    assert (code, capsys.readouterr().out) == (0, "")
