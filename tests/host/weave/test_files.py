"""The script is replaced only by the pinned one of the wanted version, and put back as it was; W7, W9, W14."""

import hashlib
import stat
from pathlib import Path

import pytest

from agent.core.policy.policy import ScriptDigests, WeavePolicy
from agent.core.weave.snapshot import SavedScript
from agent.errors import HostError
from agent.host.weave.files import LocalWeaveFiles

PASSWORD = "s3cr\udcff t"  # noqa: S105 - of no machine


def text(version: str, first: str = "#!/bin/sh") -> str:
    return f'{first}\nSCRIPT_VERSION="{version}"\n'


def digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


class Machine:
    """A script, a directory of scripts and the files that are kept."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "bin/weave"
        self.path.parent.mkdir()
        self.path.write_text(text("2.8.10"))
        self.path.chmod(0o750)
        (root / "scripts").mkdir()
        self.pinned = digest(text("2.9.0"))

    @property
    def files(self) -> LocalWeaveFiles:
        pins = ScriptDigests(by_version=(("2.9.0", self.pinned),))
        policy = WeavePolicy(vendor="", source=str(self.root / "scripts"), sha256=pins, window="")
        return LocalWeaveFiles(str(self.root / "kept"), policy)

    @property
    def script(self) -> SavedScript:
        return SavedScript(path=str(self.path), version="2.8.10", sha256=digest(text("2.8.10")))

    def offer(self, content: str) -> None:
        (self.root / "scripts/weave-2.9.0").write_text(content)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_script_is_fetched_beside_the_installed_one_and_replaces_it(machine: Machine) -> None:
    machine.offer(text("2.9.0"))

    found = machine.files.fetch("2.9.0", machine.script)

    assert machine.path.read_text() == text("2.8.10")
    machine.files.install(machine.script, found)
    assert machine.path.read_text() == text("2.9.0")
    assert stat.S_IMODE(machine.path.stat().st_mode) == 0o755
    assert [one.name for one in machine.path.parent.iterdir()] == ["weave"]


@pytest.mark.parametrize(
    ("content", "pin", "message"),
    [
        (text("2.9.0") + "x", False, "SHA-256"),
        (text("2.8.11"), True, "SCRIPT_VERSION is 2.8.11"),
        ("#!/bin/sh\n", True, "SCRIPT_VERSION is missing"),
        (text("2.9.0", "#!/bin/bash"), True, "#!/bin/sh"),
        ("<html>", True, "#!/bin/sh"),
        ("#!/bin/sh" + "x" * (4 << 20), True, "larger than"),
    ],
    ids=["w7-checksum", "w9-version", "w9-no-version", "bash", "page", "too-large"],
)
def test_w7_w9_another_script_is_refused_and_nothing_is_changed(
    machine: Machine, content: str, pin: object, message: str
) -> None:
    machine.offer(content)
    machine.pinned = digest(content) if pin else machine.pinned

    with pytest.raises(HostError, match=message):
        machine.files.fetch("2.9.0", machine.script)

    assert machine.path.read_text() == text("2.8.10")
    assert [one.name for one in machine.path.parent.iterdir()] == ["weave"]


def test_m1_the_forks_unstamped_script_is_known_by_its_checksum(machine: Machine) -> None:
    machine.offer(text("unreleased"))
    machine.pinned = digest(text("unreleased"))

    assert machine.files.fetch("2.9.0", machine.script) == machine.pinned


@pytest.mark.parametrize("kind", ["missing", "directory"])
def test_a_source_without_the_script_is_an_error(machine: Machine, kind: str) -> None:
    if kind == "directory":
        (machine.root / "scripts/weave-2.9.0").mkdir()

    with pytest.raises(HostError):
        machine.files.fetch("2.9.0", machine.script)


def test_a_fetched_script_that_changed_since_is_not_installed(machine: Machine) -> None:
    machine.offer(text("2.9.0"))
    found = machine.files.fetch("2.9.0", machine.script)
    (machine.path.parent / "weave.maestro-new").write_text("other")

    with pytest.raises(HostError):
        machine.files.install(machine.script, found)

    assert machine.path.read_text() == text("2.8.10")


def test_w14_script_and_password_are_kept_for_root_alone_and_removed_at_the_end(machine: Machine) -> None:
    kept = machine.files.keep(machine.script, PASSWORD)

    assert (kept.mode, kept.owner) == (0o750, (0, 0))
    assert machine.files.password() == PASSWORD
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in (machine.root / "kept").iterdir()}
    assert modes == {"password": 0o600, "script": 0o600}
    assert stat.S_IMODE((machine.root / "kept").stat().st_mode) == 0o700
    machine.files.forget(machine.script)
    assert not (machine.root / "kept").exists()
    assert machine.files.password() == ""


def test_w7_the_script_of_before_is_put_back_byte_for_byte_with_its_mode(machine: Machine) -> None:
    kept = machine.files.keep(machine.script, "")
    machine.offer(text("2.9.0"))
    machine.files.install(kept, machine.files.fetch("2.9.0", kept))

    machine.files.restore(kept)

    assert machine.path.read_text() == text("2.8.10")
    assert stat.S_IMODE(machine.path.stat().st_mode) == 0o750
    assert [one.name for one in machine.path.parent.iterdir()] == ["weave"]


def test_where_there_was_no_script_the_new_one_is_removed(machine: Machine) -> None:
    machine.path.unlink()
    none = SavedScript(path=str(machine.path), version="", sha256="")
    machine.offer(text("2.9.0"))
    assert machine.files.keep(none, "") == none
    machine.files.install(none, machine.files.fetch("2.9.0", none))

    machine.files.restore(none)
    machine.files.restore(none)

    assert not machine.path.exists()


def test_a_script_behind_a_link_is_replaced_and_not_the_link(machine: Machine) -> None:
    link = machine.path.with_name("link")
    link.symlink_to(machine.path)
    kept = machine.files.keep(SavedScript(path=str(link), version="", sha256=machine.script.sha256), "")

    assert kept.path == str(machine.path)


def test_a_script_that_changed_since_it_was_seen_is_not_kept(machine: Machine) -> None:
    machine.path.write_text(text("2.8.9"))

    with pytest.raises(HostError):
        machine.files.keep(machine.script, "")
