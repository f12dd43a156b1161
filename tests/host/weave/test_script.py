"""The installed script, read and never run: cases W2, W5, W17."""

import os
from hashlib import sha256
from pathlib import Path

import pytest

from agent.core.model.facts import Unseen
from agent.host.weave.script import ScriptFile, read_script, weave_unit

SCRIPT = '#!/bin/sh\nSCRIPT_VERSION="{version}"\nDOCKERHUB_USER=${{DOCKERHUB_USER:-{user}}}\n'


def install(root: Path, text: str, place: str = "usr/local/bin/weave") -> Path:
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(("version", "user"), [("2.8.1", "weaveworks"), ("2.9.0", "rajchaudhuri")])
def test_w2_version_and_checksum_are_read(tmp_path: Path, version: str, user: str) -> None:
    path = install(tmp_path, SCRIPT.format(version=version, user=user))

    found = read_script(str(tmp_path))

    assert isinstance(found, ScriptFile)
    assert found.script.path == "/usr/local/bin/weave"
    assert found.script.version == version
    assert found.script.sha256 == sha256(path.read_bytes()).hexdigest()
    assert found.image_user == user


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('#!/bin/sh\nSCRIPT_VERSION="unreleased"\n', "unreleased"),
        ('#!/bin/sh\r\nSCRIPT_VERSION="2.9.0"\r\n', "2.9.0"),
        ("#!/bin/sh\nSCRIPT_VERSION=\n", ""),
        ('#!/bin/sh\nSCRIPT_VERSION="$(id)"\n', ""),
        ("#!/bin/sh\ndocker run weaveworks/weaveexec\n", ""),
    ],
    ids=["w5-unreleased", "w6-crlf", "empty", "no-version", "old"],
)
def test_w5_a_script_may_have_no_version(tmp_path: Path, text: str, version: str) -> None:
    install(tmp_path, text)

    found = read_script(str(tmp_path))

    assert isinstance(found, ScriptFile)
    assert found.script.version == version


def test_another_program_of_this_name_is_not_weaves_script(tmp_path: Path) -> None:
    install(tmp_path, "#!/usr/bin/perl\nprint 'cloth';\n", "usr/bin/weave")

    assert read_script(str(tmp_path)) is None


def test_what_is_no_regular_file_is_unseen_and_nothing_waits_for_it(tmp_path: Path) -> None:
    path = install(tmp_path, "")
    path.unlink()
    os.mkfifo(path)

    assert isinstance(read_script(str(tmp_path)), Unseen)


def test_a_directory_and_a_huge_file_are_unseen(tmp_path: Path) -> None:
    path = install(tmp_path / "large", "")
    os.truncate(path, 1 << 40)
    (tmp_path / "directory/usr/local/bin/weave").mkdir(parents=True)

    assert isinstance(read_script(str(tmp_path / "large")), Unseen)
    assert isinstance(read_script(str(tmp_path / "directory")), Unseen)


def test_without_a_file_there_is_no_script(tmp_path: Path) -> None:
    assert read_script(str(tmp_path)) is None


@pytest.mark.parametrize(
    ("target", "name"), [(None, ""), ("", "weave.service"), ("/dev/null", "")], ids=["none", "unit", "masked"]
)
def test_w17_the_unit_that_launches_weave_is_known(tmp_path: Path, target: str | None, name: str) -> None:
    path = tmp_path / "etc/systemd/system/weave.service"
    path.parent.mkdir(parents=True)
    if target:
        path.symlink_to(target)
    elif target is not None:
        path.touch()

    assert weave_unit(str(tmp_path)) == name
