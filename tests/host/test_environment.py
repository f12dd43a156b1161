"""The environment that children get."""

import subprocess
import sys

from agent.host.process.environment import system_environment, without_languages
from tests.conftest import CHECKOUT


def test_languages_are_replaced_and_all_else_kept_for_the_agents_own_programs() -> None:
    inherited = {
        "LANG": "de_DE.UTF-8",
        "LANGUAGE": "de",
        "LC_TIME": "de_DE",
        "LC_ALL": "de_DE",
        "HOME": "/x",
        "LCX": "1",
    }

    assert without_languages(inherited) == {"LC_ALL": "C.UTF-8", "HOME": "/x", "LCX": "1"}


def test_programs_of_the_system_inherit_proxies_and_nothing_else() -> None:
    inherited = {"http_proxy": "http://proxy:3128", "HTTPS_PROXY": "http://proxy", "LD_PRELOAD": "x", "PATH": "/x"}

    made = system_environment(inherited)

    assert made.keys() <= {"http_proxy", "HTTPS_PROXY", "LC_ALL", "HOME", "USER", "LOGNAME", "SHELL", "PATH"}
    assert made["http_proxy"] == "http://proxy:3128"
    assert made["PATH"].startswith("/usr/local/sbin:")


_PROGRAM = """
import os, sys
sys.path.insert(0, "{checkout}")
if sys.argv[1:] == ["child"]:
    print({{name: value for name, value in os.environ.items() if name[:2] in ("LA", "LC")}})
else:
    from agent.host.process.spawn import AgentProcess
    AgentProcess(["child"], quiet=False).wait()
"""


def test_an_exporter_is_started_without_the_callers_language() -> None:
    environment = {"LANG": "de_DE.UTF-8", "LANGUAGE": "de", "LC_MESSAGES": "de_DE.UTF-8"}
    command = [sys.executable, "-c", _PROGRAM.format(checkout=CHECKOUT)]

    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)

    assert done.stdout == "{'LC_ALL': 'C.UTF-8'}\n"
