"""What a person types: options on either side of the command, help, and a hint where there is no such command."""

from pathlib import Path

import pytest

from agent.cli.command_line import COMMANDS, parse
from agent.cli.main import main
from agent.cli.suggestions import suggestion
from agent.errors import CommandLineError

PEOPLE_TYPE = {
    "stat": "status",
    "statsu": "status",
    "upgarde": "upgrade",
    "Upgrade": "upgrade",
    "histroy": "history",
    "explan": "explain",
    "chek": "check",
    "reports": "report",
    "confg": "config",
    "folow": "follow",
    "update": "check",
    "list": "status",
    "info": "explain",
    "show": "explain",
    "install": "upgrade",
    "dist-upgrade": "upgrade",
    "log": "history",
    "watch": "follow",
    "rebot": "reboot",
    "needrestart": "restart-services",
    "unlock": "lock",
    "CVE-2026-1234": "explain CVE-2026-1234",
    "libssl3": "explain libssl3",
}


@pytest.mark.parametrize(
    "argv",
    [
        ["--json", "--state-dir", "/s", "status"],
        ["--json", "status", "--state-dir", "/s"],
        ["--state-dir=/s", "status", "--json"],
        ["status", "--state-dir", "/s", "--json"],
    ],
)
def test_options_stand_before_or_behind_the_command(argv: list[str]) -> None:
    found = parse(argv)

    assert (found.verb, found.state_dir, found.json, found.config) == ("status", "/s", True, None)


@pytest.mark.parametrize("verb", sorted(set(COMMANDS) - {"run", "help"}))
def test_every_command_takes_json_before_it(verb: str) -> None:
    subjects = ["nginx"] if verb == "explain" else []

    assert parse(["--json", verb, *subjects]).json is True


@pytest.mark.parametrize(
    "argv", [["--state-dir", "history", "status"], ["--plan", "check", "upgrade"], ["-n", "3", "history"]]
)
def test_the_value_of_an_option_is_not_taken_for_the_command(argv: list[str]) -> None:
    assert parse(argv).verb == argv[-1]


@pytest.mark.parametrize(("typed", "meant"), PEOPLE_TYPE.items())
def test_a_command_that_does_not_exist_names_the_one_that_was_meant(typed: str, meant: str) -> None:
    with pytest.raises(CommandLineError) as caught:
        parse([typed])

    assert f"`maestro-agent {meant}`" in str(caught.value)


def test_a_word_like_no_command_refers_to_the_list_of_commands() -> None:
    assert "`maestro-agent help`" in suggestion("qqqq", COMMANDS)


@pytest.mark.parametrize("argv", [["help"], ["--help"], ["-h"], ["--state-dir", "/s", "--help"]])
def test_help_lists_every_command_in_one_line(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 0

    shown = capsys.readouterr()
    listed = [line.split()[0] for line in shown.out.splitlines() if line.startswith("    ")]
    assert listed == list(COMMANDS)
    assert max(map(len, shown.out.splitlines())) < 95
    assert shown.err == ""


@pytest.mark.parametrize("argv", [[], ["--json"], ["--state-dir", "/s"], ["--nonsense"]])
def test_a_bare_command_line_lists_the_commands_and_is_a_usage_error(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2

    shown = capsys.readouterr()
    assert all(f"    {command} " in shown.err for command in COMMANDS)
    assert shown.err.endswith("maestro-agent: no command given\n")


@pytest.mark.parametrize("verb", sorted(set(COMMANDS) - {"help"}))
@pytest.mark.parametrize("argv", [["help", "{}"], ["{}", "--help"], ["--help", "{}"], ["{}", "-h"]])
def test_the_help_of_a_command_has_an_example(argv: list[str], verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word.format(verb) for word in argv]) == 0

    assert "example: " in capsys.readouterr().out


def test_help_of_no_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "stat"]) == 2
    assert "`maestro-agent status`" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["--version"], ["--version", "status"]])
def test_the_version_is_printed(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 0
    assert capsys.readouterr().out.startswith("maestro-agent ")


def test_a_number_of_runs_is_positive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in ("0", "-1", "x", "²", "9" * 5000):
        code = main(["history", "--state-dir", str(tmp_path), "-n", number])
        said = capsys.readouterr().err
        assert (code, "Traceback" in said, "_count" in said) == (0 if number[0] == "9" else 2, False, False)
