"""The bash completion offers exactly the commands and options that exist."""

import re
import subprocess

import pytest

from endpoint.core.request_arguments import Verb
from tests.support.endpoint_server import CHECKOUT
from tests.support.local_endpoint import run_command

COMMANDS = (
    *("", "serve", "try", "fleet", "gaps", "locks", "locks list", "locks release"),
    *("token", "token add", "token list", "token revoke", "tag", "request", "requests", "requests list"),
    *("requests show", "requests sign", "requests cancel", "requests resume"),
)
VERBS = {verb.value for verb in Verb}
COMPLETE = """
. completion/maestro-endpoint.bash
COMP_WORDS=(maestro-endpoint "$@"); COMP_CWORD=$#
compopt() { echo "compopt $*"; }
_maestro_endpoint
printf '%s\\n' "${COMPREPLY[@]}"
"""


def offered(*words: str) -> set[str]:
    command = ["bash", "-c", COMPLETE, "bash", *words]
    return set(subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.split())


def usage(*words: str) -> str:
    return run_command(*words, "--help").stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_and_every_command_is_offered(command: str) -> None:
    words = command.split()
    printed = usage(*words)

    assert offered(*words, "--") == set(re.findall(r"(?m)^ +(?:-h, )?(--[a-z-]+)", printed))
    verbs = VERBS if command == "request" else set()
    assert offered(*words, "") == set(re.findall(r"(?m)^    ([a-z]+)  ", printed)) | verbs


def test_an_options_value_is_not_taken_for_a_command() -> None:
    assert offered("fleet", "--config", "docs/endpoint/config.ex") == {"compopt", "-o", "filenames"} | {
        "docs/endpoint/config.example.toml"
    }
    assert offered("try", "--dir", "docs/end") == {"compopt", "-o", "filenames", "docs/endpoint"}
    assert offered("token", "add", "--name", "") == set()
    assert offered("locks", "release", "--why", "") == set()
    assert offered("request", "check", "--fix", "") == set()
    assert offered("request", "send-report", "--js") == {"--json"}
    assert offered("request", "check", "--when", "") == {"now", "window"}
    assert offered("request", "upgrade-security", "--reboot", "") == {"no", "if-required"}
    assert offered("token", "--config", "x", "") == {"add", "list", "revoke"}
    assert offered("fleet", "--config", "=", "docs/endpoint/op") >= {"docs/endpoint/openapi.yaml"}
