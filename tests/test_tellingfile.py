"""What a sender leaves word in, beside others who may write there."""

import os
from pathlib import Path

from agent.reporting import Listener
from agent.tellingfile import entry_of, read_telling, write_telling

DOCUMENT: dict[str, object] = {"pulse": {}, "listeners": {"centre": {"why": "no way"}}}


def said(directory: Path) -> object:
    return entry_of(read_telling(str(directory), Listener.CENTRE), Listener.CENTRE)


def test_a_link_that_lies_in_the_way_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "telling.json.new").symlink_to(victim)

    write_telling(str(tmp_path), Listener.CENTRE, DOCUMENT)

    assert victim.read_text() == "precious"
    assert said(tmp_path) == {"why": "no way"}


def test_what_a_killed_root_left_behind_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "telling.json.new").touch(0o600)
    os.chown(tmp_path, 65534, 65534)
    pid = os.fork()
    if pid == 0:
        os.chdir(tmp_path)  # what lies above is for root alone
        os.setuid(65534)
        write_telling(".", Listener.CENTRE, DOCUMENT)
        os._exit(0)
    os.waitpid(pid, 0)

    assert said(tmp_path) == {"why": "no way"}
