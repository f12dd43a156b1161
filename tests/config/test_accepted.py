"""The accepted configuration: the last valid one stays in use, whatever becomes of the files or of its copy."""

import json
import os
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from agent.config import fragments
from agent.config.accepted import (
    AcceptedConfig,
    FilesState,
    FilesWatch,
    accept,
    load_accepted,
    load_for_job,
    load_in_use,
)
from agent.core.manifest import NO_MANIFEST, Manifest
from agent.core.policy.distro import Distro
from agent.core.policy.policy import Policy
from agent.errors import ConfigError, HostError

DEBIAN = Distro(id="debian", codename="trixie")
AT = "2026-11-29T00:00:00Z"
MANIFEST = "docker:\n  configuration:\n    docker_version: 27.10\n    weave_version: 2.8.1\n"
GOOD = '[security]\nblocklist = ["a"]\n[agent]\ncheck_interval = "10m"\n'


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory of the configuration, in place of /etc/maestro-agent, with a valid file."""
    directory = tmp_path / "etc"
    (directory / "config.d").mkdir(parents=True)
    (directory / "config.toml").write_text(GOOD)
    monkeypatch.setattr(fragments, "DEFAULT_PATH", directory / "config.toml")
    return directory


@pytest.fixture
def state(tmp_path: Path) -> str:
    return str(tmp_path / "state")


def accepted(state: str) -> AcceptedConfig:
    accept(state, DEBIAN, AT, os.getgid())
    found = load_accepted(state, DEBIAN)
    assert found is not None
    return found


def copy(state: str) -> Path:
    return Path(state, "accepted-config.json")


def edit(state: str, **members: object) -> None:
    document = json.loads(copy(state).read_text())
    copy(state).write_text(json.dumps({**document, **members}))


@pytest.mark.usefixtures("files")
def test_an_accepted_configuration_is_read_back(state: str) -> None:
    found = accepted(state)

    assert found.policy.security.blocklist == ("a",)
    assert found.accepted_at == datetime(2026, 11, 29, tzinfo=timezone.utc)
    assert found.inputs["security.blocklist"].source.endswith("config.toml")
    assert copy(state).stat().st_mode & 0o777 == 0o640


def test_no_files_are_a_valid_configuration(files: Path, state: str) -> None:
    (files / "config.toml").unlink()

    assert accepted(state).policy.security.blocklist == ()


def test_an_invalid_configuration_is_refused_and_the_last_one_stays_in_use(files: Path, state: str) -> None:
    accepted(state)
    (files / "config.d" / "bad.toml").write_text("foo = 1\n")

    with pytest.raises(ConfigError):
        accept(state, DEBIAN, AT, os.getgid())

    in_use = load_in_use(state, DEBIAN)
    assert in_use.policy.security.blocklist == ("a",)
    assert in_use.accepted is not None
    assert FilesWatch().compare(in_use.accepted, DEBIAN)[0] is FilesState.INVALID


def test_without_a_copy_the_files_are_used(files: Path, state: str) -> None:
    assert load_in_use(state, DEBIAN).policy.security.blocklist == ("a",)
    (files / "config.d" / "bad.toml").write_text("foo = 1\n")
    with pytest.raises(ConfigError):
        load_in_use(state, DEBIAN)


def _truncate(state: str) -> None:
    copy(state).write_text(copy(state).read_text()[:-20])


def _link(state: str) -> None:
    copy(state).rename(Path(state, "elsewhere"))
    copy(state).symlink_to("elsewhere")


def _pipe(state: str) -> None:
    copy(state).unlink()
    os.mkfifo(copy(state))


def _directory(state: str) -> None:
    copy(state).unlink()
    copy(state).mkdir()


@pytest.mark.parametrize(
    "damage",
    [
        _truncate,
        _link,
        _pipe,
        _directory,
        lambda state: copy(state).write_text(""),
        lambda state: copy(state).write_text("[]"),
        lambda state: copy(state).write_text("null"),
        lambda state: copy(state).write_bytes(b"\xff\xfe"),
        lambda state: copy(state).write_text("[" * 100_000),
        lambda state: copy(state).chmod(0o666),
        lambda state: os.chown(copy(state), 65534, 65534),
        lambda state: edit(state, schema="maestro.accepted-config/2"),
        lambda state: edit(state, files=None),
        lambda state: edit(state, files=[{"path": "x"}]),
        lambda state: edit(state, files=[{"path": "x", "tables": 1}]),
        lambda state: edit(state, files=[{"path": "x", "tables": {"gone": {"key": 1}}}]),
        lambda state: edit(state, files=[{"path": "x", "tables": {"agent": {"check_interval": 5}}}]),
        lambda state: edit(state, signature=None),
        lambda state: edit(state, accepted_at="yesterday"),
        lambda state: edit(state, accepted_at=5),
        lambda state: edit(state, manifest=5),
        lambda state: edit(state, manifest=[{"name": "docker_version", "value": 27, "source": "x:1"}]),
        lambda state: edit(state, manifest=[{"name": "docker_version"}]),
    ],
)
@pytest.mark.usefixtures("files")
def test_a_copy_that_cannot_be_used_is_replaced_by_the_files(damage: Callable[[str], None], state: str) -> None:
    accepted(state)
    damage(state)

    with pytest.raises(ConfigError, match=r"accepted-config\.json|^x: "):
        load_accepted(state, DEBIAN)
    in_use = load_in_use(state, DEBIAN)
    assert (in_use.policy.security.blocklist, in_use.accepted) == (("a",), None)


@pytest.mark.usefixtures("files")
def test_a_copy_of_an_earlier_version_gets_the_defaults_of_its_new_keys(state: str) -> None:
    accepted(state)
    edit(state, files=[{"path": "x", "tables": {}}], later="member")

    found = load_accepted(state, DEBIAN)

    assert found is not None
    assert found.policy.security.blocklist == ()


@pytest.mark.usefixtures("files")
def test_what_stands_in_place_of_the_copy_is_replaced_or_named(state: str) -> None:
    accepted(state)
    _link(state)
    assert accepted(state).policy.security.blocklist == ("a",)
    _directory(state)
    with pytest.raises(HostError):
        accept(state, DEBIAN, AT, os.getgid())


@pytest.mark.parametrize(
    ("change", "state_of_files"),
    [
        (lambda _files: None, FilesState.SAME),
        (lambda files: (files / "config.toml").touch(), FilesState.SAME),
        (lambda files: (files / "config.toml").write_text(f"# a comment\n{GOOD}"), FilesState.SAME),
        (lambda files: (files / "config.toml").write_text(""), FilesState.CHANGED),
        (lambda files: (files / "config.toml").unlink(), FilesState.CHANGED),
        (lambda files: (files / "config.d" / "x.toml").write_text("[agent]\nupgrade = false\n"), FilesState.CHANGED),
        (lambda files: (files / "config.d" / "x.toml").write_text(""), FilesState.SAME),
        (lambda files: (files / "config.d" / ".x.toml").write_text("foo = 1"), FilesState.SAME),
        (lambda files: (files / "config.d" / "x.toml").write_text("foo = 1"), FilesState.INVALID),
        (lambda files: (files / "config.toml").write_bytes(b"\xff"), FilesState.INVALID),
    ],
)
def test_a_change_of_the_files_is_noticed(
    change: Callable[[Path], None], state_of_files: FilesState, files: Path, state: str
) -> None:
    found = accepted(state)
    watch = FilesWatch()

    before = watch.compare(found, DEBIAN)[0]
    change(files)

    assert [before, watch.compare(found, DEBIAN)[0]] == [FilesState.SAME, state_of_files]
    assert watch.compare(found, DEBIAN)[0] is state_of_files


@pytest.fixture
def manifest(files: Path) -> Path:
    """Return a valid manifest that the configuration names."""
    path = files / "manifest.yml"
    path.write_text(MANIFEST)
    (files / "config.d" / "50-docker.toml").write_text(f'[docker]\nmanifest = "{path}"\n')
    return path


def test_the_manifest_is_accepted_with_the_configuration(manifest: Path, state: str) -> None:
    found = accepted(state)

    assert found.manifest == Manifest(docker_version="27.10", weave_version="2.8.1")
    assert [one["source"] for one in json.loads(copy(state).read_text())["manifest"]] == [
        f"{manifest}:3",
        f"{manifest}:4",
    ]


def test_a_copy_has_nothing_else_of_the_manifest(manifest: Path, state: str) -> None:
    manifest.write_text(f"{MANIFEST}rails: {{configuration: {{key: 5up3rs3cret}}}}\n")
    accepted(state)

    assert "5up3rs3cret" not in copy(state).read_text()


def test_an_invalid_manifest_is_refused_and_the_last_one_stays_in_use(manifest: Path, state: str) -> None:
    accepted(state)
    manifest.write_text("docker: {configuration: {docker_version: newest}}\n")

    with pytest.raises(ConfigError, match=r"manifest\.yml:1: "):
        accept(state, DEBIAN, AT, os.getgid())

    policy, in_force = load_for_job(None, state, DEBIAN, scheduled=True)
    assert in_force == Manifest(docker_version="27.10", weave_version="2.8.1")
    assert policy.security.blocklist == ("a",)


def test_a_job_of_a_person_goes_on_with_an_invalid_manifest_and_knows_it(manifest: Path, state: str) -> None:
    accepted(state)
    manifest.write_text("docker: {configuration: {docker_version: newest}}\n")

    policy, found = load_for_job(None, state, DEBIAN, scheduled=False)

    assert policy.security.blocklist == ("a",)
    assert found == Manifest(problem=found.problem)
    assert "manifest.yml:1" in found.problem


def test_without_a_copy_an_invalid_manifest_does_not_stop_the_daemon(manifest: Path, state: str) -> None:
    manifest.unlink()

    policy, found = load_for_job(None, state, DEBIAN, scheduled=True)

    assert policy.security.blocklist == ("a",)
    assert str(manifest) in found.problem


def test_a_manifest_that_this_version_does_not_accept_does_not_stop_the_daemon(manifest: Path, state: str) -> None:
    accepted(state)
    edit(state, manifest=[{"name": "docker_version", "value": "newest", "source": f"{manifest}:3"}])

    found = load_accepted(state, DEBIAN)

    assert found is not None
    assert found.manifest == Manifest(problem=found.manifest.problem)
    assert found.policy.security.blocklist == ("a",)


@pytest.mark.usefixtures("manifest")
def test_a_copy_of_an_agent_that_read_no_manifest_asks_for_a_reload(state: str) -> None:
    accepted(state)
    document = json.loads(copy(state).read_text())
    del document["manifest"]
    document["signature"] = document["signature"][:-1]
    copy(state).write_text(json.dumps(document))

    found = load_accepted(state, DEBIAN)

    assert found is not None
    assert found.manifest == NO_MANIFEST
    assert FilesWatch().compare(found, DEBIAN)[0] is FilesState.CHANGED


@pytest.mark.parametrize(
    ("change", "state_of_files"),
    [
        pytest.param(lambda path: path.touch(), FilesState.SAME, id="touched"),
        pytest.param(lambda path: path.write_text(f"# comment\n{MANIFEST}"), FilesState.SAME, id="comment"),
        pytest.param(lambda path: path.write_text(MANIFEST.replace("27.10", "27.1")), FilesState.CHANGED, id="version"),
        pytest.param(lambda path: path.write_text(""), FilesState.CHANGED, id="empty"),
        pytest.param(lambda path: path.write_text("docker: ["), FilesState.INVALID, id="invalid"),
        pytest.param(lambda path: path.unlink(), FilesState.INVALID, id="missing"),
    ],
)
def test_a_change_of_the_manifest_is_noticed(
    change: Callable[[Path], None], state_of_files: FilesState, manifest: Path, state: str
) -> None:
    found, watch = accepted(state), FilesWatch()
    before = watch.compare(found, DEBIAN)[0]
    change(manifest)

    assert [before, watch.compare(found, DEBIAN)[0]] == [FilesState.SAME, state_of_files]


def test_repaired_files_ask_for_a_reload_only_if_they_differ(files: Path, state: str) -> None:
    found, watch, bad = accepted(state), FilesWatch(), files / "config.d" / "bad.toml"
    bad.write_text("foo = 1\n")
    wrong = watch.compare(found, DEBIAN)[0]
    bad.write_text("[agent]\nupgrade = false\n")
    repaired = watch.compare(found, DEBIAN)[0]
    bad.unlink()

    assert [wrong, repaired, watch.compare(found, DEBIAN)[0]] == [
        FilesState.INVALID,
        FilesState.CHANGED,
        FilesState.SAME,
    ]


UNMATCHED = (
    ('blocklist = ["^linux", "a"]', "blocklist", ["^linux", "a"]),
    ('allowlist = ["nginx.*"]', "allowlist", ["nginx.*"]),
    ('blocklist = ["Docker"]\nallowlist = ["bash:amd64"]', "allowlist", ["bash:amd64"]),
    ('origins = ["origin=Debian", "origin=Debian|Ubuntu"]', "origins", ["origin=Debian"]),
    ('origins = ["origin=Debian", "site=a,site=b"]', "origins", ["origin=Debian"]),
)
"""What an older version accepted: the setting, and the value that is used."""


def _used(policy: Policy, name: str) -> list[str]:
    return [getattr(one, "text", one) for one in getattr(policy.security, name)]


@pytest.mark.parametrize(("setting", "name", "used"), UNMATCHED)
def test_patterns_that_match_nothing_do_not_stop_a_daemon_that_has_no_copy(
    setting: str, name: str, used: list[str], files: Path, state: str
) -> None:
    (files / "config.toml").write_text(f"[security]\n{setting}\n")

    with pytest.raises(ConfigError):
        accept(state, DEBIAN, AT, os.getgid())

    in_use = load_in_use(state, DEBIAN)
    assert _used(in_use.policy, name) == used
    assert f"config.toml: security.{name} = " in in_use.problem
    assert not copy(state).exists()


@pytest.mark.parametrize(("setting", "name", "used"), UNMATCHED)
@pytest.mark.parametrize("broken", [False, True])
def test_patterns_that_match_nothing_stay_in_an_accepted_copy(
    setting: str, name: str, used: list[str], files: Path, state: str, *, broken: bool
) -> None:
    accepted(state)
    (files / "config.toml").write_text(f"[security]\n{setting}\n")
    tables = dict(fragments.read_fragments(None)[0].tables)
    edit(state, files=[{"path": "x", "tables": tables}])
    if broken:
        (files / "config.toml").write_text("foo = 1\n")

    in_use = load_in_use(state, DEBIAN)

    assert _used(in_use.policy, name) == used
    assert in_use.accepted is not None
    assert in_use.problem.rpartition("\n")[2].startswith(f"x: security.{name} = ")


@pytest.mark.usefixtures("files")
def test_valid_files_are_used_rather_than_a_copy_with_patterns_that_match_nothing(state: str) -> None:
    accepted(state)
    edit(state, files=[{"path": "x", "tables": {"security": {"blocklist": ["^linux"]}}}])

    in_use = load_in_use(state, DEBIAN)

    assert (in_use.policy.security.blocklist, in_use.accepted, in_use.problem) == (("a",), None, "")


@pytest.mark.parametrize(
    "text",
    [
        '[security]\nblocklist = ["^linux"]\nfoo = 1\n',
        '[security]\nblocklist = ["^linux"]\n[agent]\nupgrade_at = "25:00"\n',
        '[security]\norigins = ["origin=Debian|Ubuntu"]\n',
        '[security]\norigins = ["origin=Debian", "vendor=Debian"]\n',
        '[security]\nblocklist = [""]\n',
    ],
)
def test_any_other_problem_stops_a_daemon_that_has_no_copy(text: str, files: Path, state: str) -> None:
    (files / "config.toml").write_text(text)

    with pytest.raises(ConfigError):
        load_in_use(state, DEBIAN)
