"""The section [requests]: closed list of verbs, and a signers file that only root can change."""

import os
from pathlib import Path

import pytest

from agent.config import parsers
from agent.config.signers import check_signers
from agent.core.policy.policy import RequestsPolicy
from agent.core.requests.model import Verb
from agent.errors import ConfigError


def test_the_verbs_of_the_configuration_are_those_of_requests() -> None:
    every = [verb.value for verb in Verb]

    assert parsers.parse_verbs(every) == tuple(every)
    assert parsers.parse_verbs([]) == ()


@pytest.mark.parametrize("raw", ["check", ["run"], ["check", "check"], [1], None, ["*"]], ids=str)
def test_all_else_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match="accepted: a list of check"):
        parsers.parse_verbs(raw)


@pytest.fixture
def signers(tmp_path: Path) -> Path:
    file = tmp_path / "signers"
    file.write_text("jörg@example.org ssh-ed25519 AAAA\n")
    return file


def test_a_file_of_root_is_accepted_and_none_is_needed(signers: Path) -> None:
    check_signers(RequestsPolicy(signers=str(signers)))
    check_signers(RequestsPolicy())


@pytest.mark.parametrize("fault", ["owner", "group", "others", "link", "missing", "empty", "directory", "parent"])
def test_one_that_somebody_else_can_change_is_not(signers: Path, fault: str) -> None:
    path = signers
    if fault == "owner":
        os.chown(signers, 65534, 0)
    elif fault in {"group", "others"}:
        signers.chmod(0o664 if fault == "group" else 0o646)
    elif fault == "link":
        path = signers.with_name("link")
        path.symlink_to(signers)
    elif fault == "missing":
        signers.unlink()
    elif fault == "empty":
        signers.write_text("")
    elif fault == "directory":
        path = signers.parent
    else:
        os.chown(signers.parent, 65534, 0)

    with pytest.raises(ConfigError, match="signers"):
        check_signers(RequestsPolicy(signers=str(path)))
