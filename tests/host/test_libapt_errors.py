"""libapt's messages become errors of the agent, whatever bytes they quote."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.errors import HostError
from agent.host.apt.errors import LIBAPT_ERRORS, libapt_errors, message_of
from tests.support.private_apt import PrivateApt
from tests.support.repository import Signer, package

UNREADABLE = b"E:Unknown field \xff\xfe of odd"
_SCAN_WITHOUT_LISTS = """
import json, sys
from pathlib import Path
from agent.core.job_control import JobControl
from agent.errors import HostError
from agent.host.apt.agent_files import AgentFiles
from agent.host.apt.configuration import configure
from agent.host.apt.snapshot import AptPackageSnapshot
from tests.core import given

configure()
control, nowhere = JobControl(progress=lambda _message: None), Path("/dev/null")
snapshot = AptPackageSnapshot(
    given.policy(), files=AgentFiles(dpkg_log=nowhere, download_log=nowhere, scratch=nowhere), control=control
)
known = snapshot.find("a")
for path in Path(json.loads(sys.argv[1])).glob("*_Packages*"):
    path.unlink()
try:
    snapshot.scan()
    answer = "answered"
except HostError as error:
    answer = type(error).__name__
print(json.dumps([known is not None, answer]))
"""


def fail() -> None:
    raise SystemError("E:broken, E:broken, W:odd")


@pytest.mark.parametrize(
    ("failing", "message"),
    [(fail, "opening: broken; odd"), (UNREADABLE.decode, "opening: Unknown field \ufffd\ufffd of odd")],
)
def test_an_error_has_libapts_own_words(failing: Callable[[], object], message: str) -> None:
    with pytest.raises(HostError) as raised, libapt_errors("opening"):
        failing()

    assert str(raised.value) == message


def test_a_message_that_python_apt_cannot_decode_is_kept() -> None:
    with pytest.raises(LIBAPT_ERRORS) as raised:
        UNREADABLE.decode()

    assert message_of(raised.value) == "E:Unknown field \ufffd\ufffd of odd"


def test_lists_that_another_program_replaces_meanwhile_are_the_machines_error(tmp_path: Path, signer: Signer) -> None:
    """libapt reads the stanzas of an open cache from the lists, as another program's update takes them away."""
    apt = PrivateApt(tmp_path, signer)
    apt.install(package("a", "1"))
    apt.repository("Debian", package("a", "2"))

    assert apt.run(_SCAN_WITHOUT_LISTS, f"{tmp_path}/lists") == [True, "HostError"]
