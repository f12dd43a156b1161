"""Where the agent acts on an engine: where the engine listens, which it need not do at the usual place."""

from collections.abc import Sequence

import pytest

from agent.host.docker.engine_socket import engine_socket
from agent.host.process.run import ProgramResult

_SHOWN = """Id=docker.service
LoadState=loaded
ActiveState=active
ExecStart={{ path=/usr/sbin/dockerd ; argv[]=/usr/sbin/dockerd {} --config-file /none ; ignore_errors=no ; pid=0 }}

Id=docker.socket
ActiveState=active
Listen=/run/of-the-unit.sock (Stream)
"""


@pytest.mark.parametrize(
    ("options", "code", "expected"),
    [
        pytest.param("", 0, "/run/docker.sock", id="no option"),
        pytest.param("-H fd://", 0, "/run/of-the-unit.sock", id="the socket of systemd"),
        pytest.param("-H unix:///run/other.sock", 0, "/run/other.sock", id="another"),
        pytest.param("-H tcp://127.0.0.1:2375", 0, "/run/docker.sock", id="none, so that the engine is never seen"),
        pytest.param("", 1, "/run/docker.sock", id="unknown"),
    ],
)
def test_the_socket_of_the_engine(options: str, code: int, expected: str) -> None:
    def systemctl(arguments: Sequence[str]) -> ProgramResult:
        assert arguments[0] == "show"
        return ProgramResult(code=code, output=_SHOWN.format(options))

    assert engine_socket(systemctl) == expected
