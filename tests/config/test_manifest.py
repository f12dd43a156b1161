"""Reading a manifest in Cloud 66's form (docker-weave.md: 1.1, D15, D16); every mistake has its file, line and key."""

import os
from pathlib import Path
from typing import NamedTuple

import pytest

from agent.config import manifest
from agent.config.manifest import load_manifest, read_manifest
from agent.core.manifest import NO_MANIFEST, Manifest, to_manifest
from agent.core.policy.policy import DockerPolicy
from agent.errors import ConfigError


def written(directory: Path, text: str | bytes, environment: str = "production") -> DockerPolicy:
    path = directory / "manifest.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return DockerPolicy(manifest=str(path), environment=environment, window="")


def read(directory: Path, text: str | bytes, environment: str = "production") -> Manifest:
    return to_manifest(read_manifest(written(directory, text, environment)))


def under_configuration(*lines: str) -> str:
    return "docker:\n  configuration:\n" + "".join(f"    {line}\n" for line in lines)


BOTH = Manifest(docker_version="27.3.1", weave_version="2.8.1")
DOCKER = Manifest(docker_version="27.3.1")

VALID = {
    "both": (under_configuration("docker_version: 27.3.1", "weave_version: 2.8.1"), BOTH),
    "docker only": (under_configuration("docker_version: 27.3.1"), DOCKER),
    "weave only": (under_configuration("weave_version: 2.8.1"), Manifest(weave_version="2.8.1")),
    "older key": (under_configuration("version: 27.3.1"), DOCKER),
    "older key beside the same": (under_configuration("version: v27.3.1", "docker_version: 27.3.1"), DOCKER),
    "float with a final zero": (under_configuration("docker_version: 27.10"), Manifest(docker_version="27.10")),
    "another float": (under_configuration("weave_version: 1.30"), Manifest(weave_version="1.30")),
    "integer": (under_configuration("docker_version: 27"), Manifest(docker_version="27")),
    "quoted": (under_configuration('docker_version: "27.10"'), Manifest(docker_version="27.10")),
    "in single quotes": (under_configuration("docker_version: '20.10.x'"), Manifest(docker_version="20.10.x")),
    "tagged": (under_configuration("docker_version: !!str 27.10"), Manifest(docker_version="27.10")),
    "latest": (under_configuration("docker_version: latest"), Manifest(docker_version="latest")),
    "ce": (under_configuration("docker_version: 18.09.9-ce"), Manifest(docker_version="18.09.9-ce")),
    "with a comment": (under_configuration("docker_version: 27.3.1 # pinned"), DOCKER),
    "other keys": (
        under_configuration("docker_version: 27.3.1", "image_keep_count: 5", "nameservers: ['8.8.8.8']", "docker_x: 1"),
        DOCKER,
    ),
    "other components": (
        "rails:\n  configuration: {ruby_version: 3.3}\nmysql: {servers: [{server: {size: 2}}]}\n"
        "kubernetes_version: 1.34\n" + under_configuration("docker_version: 27.3.1"),
        DOCKER,
    ),
    "no docker": ("rails:\n  configuration: {version: 7}\n", NO_MANIFEST),
    "empty docker": ("docker:\n", NO_MANIFEST),
    "empty configuration": ("docker:\n  configuration:\n  servers:\n  - server: {size: 1}\n", NO_MANIFEST),
    "empty": ("", NO_MANIFEST),
    "comments only": ("# nothing\n---\n", NO_MANIFEST),
    "this environment": ("production: {docker: {configuration: {docker_version: 27.3.1}}}", DOCKER),
    "another environment too": (
        "staging: {docker: {configuration: {docker_version: 28.0.1}}}\n"
        "production: {docker: {configuration: {version: 27.3.1, weave_version: 2.8.1}}}\n",
        BOTH,
    ),
    "an environment without docker": (
        "staging: {docker: {configuration: {docker_version: 28.0.1}}}\nproduction:\n",
        NO_MANIFEST,
    ),
    "all environments": (
        "staging: {rails: {configuration: {version: 7}}}\n" + under_configuration("docker_version: 27.3.1"),
        DOCKER,
    ),
    "another environment's mistake": (
        "staging: {docker: {configuration: {docker_version: []}}}\n"
        "production: {docker: {configuration: {docker_version: 27.3.1}}}\n",
        DOCKER,
    ),
    "alias": ("v: &v 27.3.1\n" + under_configuration("docker_version: *v"), DOCKER),
    "merge key": (
        "base: &base {docker_version: 27.3.1, weave_version: 1.9.8}\n"
        + under_configuration("<<: *base", "weave_version: 2.8.1"),
        BOTH,
    ),
    "merged list, the first wins": (
        "a: &a {version: 27.3.1}\nb: &b {version: 20.10.x, weave_version: 2.8.1}\n"
        + under_configuration("<<: [*a, *b]"),
        BOTH,
    ),
    "mapping that merges itself": ("docker:\n  configuration: &c\n    <<: *c\n    docker_version: 27.3.1\n", DOCKER),
    "byte order mark": ("\ufeff" + under_configuration("docker_version: 27.3.1"), DOCKER),
    "CRLF": (under_configuration("docker_version: 27.3.1", "weave_version: 2.8.1").replace("\n", "\r\n"), BOTH),
    "document markers": ("%YAML 1.1\n---\n" + under_configuration("docker_version: 27.3.1") + "...\n", DOCKER),
    "foreign tags": ("x: !ruby/object:Foo {a: 1}\n" + under_configuration("docker_version: 27.3.1"), DOCKER),
    "key that is a list": ("? [a, b]\n: 1\n" + under_configuration("docker_version: 27.3.1"), DOCKER),
    "foreign duplicates": ("rails: 1\nrails: 2\n" + under_configuration("docker_version: 27.3.1"), DOCKER),
}


@pytest.mark.parametrize("name", VALID)
def test_versions_are_read_as_written(name: str, tmp_path: Path) -> None:
    text, expected = VALID[name]

    assert read(tmp_path, text) == expected


def test_the_environment_is_configurable(tmp_path: Path) -> None:
    text = (
        "production: {docker: {configuration: {version: 1.12.0}}}\nqa-2: {docker: {configuration: {version: 27.3.1}}}\n"
    )

    assert read(tmp_path, text, "qa-2") == DOCKER


def test_each_value_has_its_file_and_line(tmp_path: Path) -> None:
    policy = written(tmp_path, "# comment\n" + under_configuration("version: 27.3.1", "", "weave_version: 2.8.1"))

    found = {one.name: one.source for one in read_manifest(policy)}

    assert found == {"docker_version": f"{policy.manifest}:4", "weave_version": f"{policy.manifest}:6"}


class Mistake(NamedTuple):
    """A manifest with one mistake, its line, and what the message names."""

    text: str
    line: int
    names: tuple[str, ...]


_KEY = "docker.configuration.docker_version"
INVALID = {
    "null": Mistake(under_configuration("docker_version:"), 3, (_KEY, "null")),
    "tilde": Mistake(under_configuration("docker_version: ~"), 3, (_KEY, "'~'")),
    "boolean": Mistake(under_configuration("docker_version: yes"), 3, (_KEY, "'yes'", "bool")),
    "list": Mistake(under_configuration("docker_version: [27.3.1]"), 3, (_KEY, "no list")),
    "mapping": Mistake(under_configuration("docker_version: {is: 27}"), 3, (_KEY, "no list or mapping")),
    "foreign tag": Mistake(under_configuration("docker_version: !x 27.3.1"), 3, (_KEY,)),
    "no version": Mistake(under_configuration("docker_version: newest"), 3, (_KEY, "'newest'", '"27.3.1"')),
    "package version": Mistake(under_configuration("docker_version: 5:27.3.1-1~x"), 3, (_KEY, "5:27.3.1-1~x")),
    "hexadecimal": Mistake(under_configuration("docker_version: 0x1B"), 3, (_KEY, "'0x1B'")),
    "date": Mistake(under_configuration("docker_version: 2024-01-01"), 3, (_KEY, "'2024-01-01'")),
    "block": Mistake(under_configuration("docker_version: |", "  27.3.1"), 3, (_KEY,)),
    "empty text": Mistake(under_configuration('weave_version: ""'), 3, ("docker.configuration.weave_version",)),
    "two that differ": Mistake(
        under_configuration("docker_version: 27.3.1", "version: 20.10.x"),
        4,
        ("configuration.version", "docker_version"),
    ),
    "27.10 is not 27.1": Mistake(under_configuration("docker_version: 27.10", "version: 27.1"), 4, ("27.10", "27.1'")),
    "misspelled version": Mistake(
        under_configuration("docker_verison: 27.3.1"), 3, ("docker.configuration.docker_verison'", "'docker_version'")
    ),
    "hyphen": Mistake(under_configuration("weave-version: 2.8.1"), 3, ("'weave_version'",)),
    "capitals": Mistake(under_configuration("Docker_Version: 27.3.1"), 3, ("'docker_version'",)),
    "misspelled configuration": Mistake(
        "docker:\n  configuraton:\n    docker_version: 27\n", 2, ("'docker.configuraton'", "'configuration'")
    ),
    "misspelled docker": Mistake("dokcer:\n  configuration:\n    docker_version: 27\n", 1, ("'dokcer'", "'docker'")),
    "misspelled docker of an environment": Mistake(
        "production:\n  Docker:\n    configuration: {version: 27}\n", 2, ("'production.Docker'", "'docker'")
    ),
    "without configuration": Mistake("docker:\n  docker_version: 27.3.1\n", 2, ("docker.docker_version",)),
    "without docker": Mistake("docker_version: 27.3.1\n", 1, ("docker_version",)),
    "twice": Mistake(
        under_configuration("docker_version: 27.3.1", "docker_version: 27.3.1"), 4, (_KEY, "twice", "line 3")
    ),
    "docker twice": Mistake("docker:\nrails:\ndocker:\n", 3, ("docker", "twice", "line 1")),
    "environment twice": Mistake(
        "production: {docker: {}}\nproduction: {docker: {}}\n", 2, ("production", "twice", "line 1")
    ),
    "docker is a list": Mistake("docker: [configuration]\n", 1, ("docker",)),
    "configuration is text": Mistake("docker:\n  configuration: 27.3.1\n", 2, ("docker.configuration",)),
    "no mapping": Mistake("# text\n27.3.1\n", 2, ("the manifest",)),
    "no such environment": Mistake(
        "\nstaging: {docker: {configuration: {version: 27}}}\nqa: {docker: {}}\n",
        2,
        ("'production'", "'staging'", "'qa'"),
    ),
    "with and without an environment": Mistake(
        "docker: {configuration: {version: 27}}\nproduction: {docker: {configuration: {version: 27}}}\n",
        2,
        ("production.docker", "line 1"),
    ),
    "tab": Mistake("docker:\n\tconfiguration:\n", 2, ("YAML", "\\t")),
    "unclosed": Mistake("docker:\n  configuration: {docker_version: 27\n", 3, ("YAML",)),
    "undefined alias": Mistake(under_configuration("docker_version: *v"), 3, ("YAML", "alias")),
    "two documents": Mistake("docker:\n---\ndocker:\n", 2, ("YAML", "document")),
}


@pytest.mark.parametrize("name", INVALID)
def test_a_mistake_names_file_line_and_key(name: str, tmp_path: Path) -> None:
    mistake = INVALID[name]
    policy = written(tmp_path, mistake.text)

    with pytest.raises(ConfigError) as raised:
        read_manifest(policy)

    (message,) = str(raised.value).splitlines()
    assert message.startswith(f"{policy.manifest}:{mistake.line}: ")
    assert [word for word in mistake.names if word not in message] == []


def test_every_mistake_is_named(tmp_path: Path) -> None:
    policy = written(tmp_path, under_configuration("docker_version: x", "weave_version: []", "weave_verison: 2"))

    with pytest.raises(ConfigError) as raised:
        read_manifest(policy)

    lines = [message.removeprefix(f"{policy.manifest}:").split(":")[0] for message in str(raised.value).splitlines()]
    assert sorted(lines) == ["3", "4", "5"]


UNREADABLE = {
    "not UTF-8": b"docker: \xff\n",
    "UTF-16": "docker:\n".encode("utf-16"),
    "NUL": b"docker: \0\n",
    "control character": b"docker: \x07\n",
    "nested lists": b"[" * 50_000,
    "nested mappings": b"{a: " * 10_000,
    "nested blocks": b"- " * 30_000,
    "too large": b"# x\n" * 16_385,
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_manifest_is_refused(name: str, tmp_path: Path) -> None:
    policy = written(tmp_path, UNREADABLE[name])

    with pytest.raises(ConfigError) as raised:
        read_manifest(policy)

    assert str(raised.value).startswith(policy.manifest)
    assert len(str(raised.value)) < 1000


def test_aliases_are_not_expanded(tmp_path: Path) -> None:
    bomb = "x0: &x0 [a]\n" + "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]\n" for n in range(1, 100))

    assert read(tmp_path, bomb + under_configuration("docker_version: 27.3.1")) == DOCKER


def test_merges_are_not_expanded_more_than_once(tmp_path: Path) -> None:
    bomb = "x0: &x0 {docker_version: 27.3.1}\n" + "".join(
        f"x{n}: &x{n} {{<<: [{', '.join([f'*x{n - 1}'] * 10)}]}}\n" for n in range(1, 100)
    )

    assert read(tmp_path, bomb + under_configuration("<<: *x99")) == DOCKER


def test_a_secret_in_a_manifest_is_not_shown(tmp_path: Path) -> None:
    policy = written(tmp_path, under_configuration("docker_version: https://user:hunter2@host.example/"))

    with pytest.raises(ConfigError) as raised:
        read_manifest(policy)

    assert "hunter2" not in str(raised.value)


def test_the_default_manifest_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "none" / "manifest.yml")
    monkeypatch.setattr(manifest, "DEFAULT_MANIFEST", path)

    assert read_manifest(DockerPolicy(manifest=path, environment="production", window="")) == ()


def test_no_manifest_may_be_configured() -> None:
    assert read_manifest(DockerPolicy(manifest="", environment="production", window="")) == ()


@pytest.mark.parametrize("kind", ["missing", "directory", "pipe", "link to nothing", "link to itself"])
def test_a_manifest_that_is_no_file_is_an_error(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "manifest.yml"
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind != "missing":
        path.symlink_to("nowhere" if kind == "link to nothing" else path)
        monkeypatch.setattr(manifest, "DEFAULT_MANIFEST", str(path))

    with pytest.raises(ConfigError, match=str(path)):
        read_manifest(DockerPolicy(manifest=str(path), environment="production", window=""))


def test_a_manifest_that_cannot_be_used_asks_for_nothing_and_says_why(tmp_path: Path) -> None:
    policy = written(tmp_path, under_configuration("docker_version: newest", "weave_version: 2.8.1"))

    found = load_manifest(policy)

    assert found == Manifest(problem=found.problem)
    assert found.problem.startswith(f"{policy.manifest}:3: {_KEY}")


def test_a_manifest_that_can_be_used_has_no_problem(tmp_path: Path) -> None:
    assert load_manifest(written(tmp_path, under_configuration("docker_version: 27.3.1"))) == DOCKER
