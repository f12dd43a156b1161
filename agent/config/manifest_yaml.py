"""Finds the versions of Docker and Weave in the text of a manifest in Cloud 66's form.

    production:                     # optional environment
      docker:
        configuration:
          docker_version: 27.3.1    # "version" in manifests of 2017
          weave_version: 2.8.1

The document is composed and not constructed: scalars stay as written (27.10 is not 27.1), aliases are not expanded, and
every node has its line. Other components and other keys are ignored. A key that is nearly one of these is an error and
no warning: its version would otherwise be ignored without anybody noticing, and an error stops nothing but upgrades of
Docker and Weave.
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

import yaml

from agent.core.docker.versions import parse_request
from agent.core.manifest import DOCKER_VERSION, WEAVE_VERSION, ManifestValue
from agent.core.redact import redact
from agent.errors import ConfigError

_OLD_VERSION = "version"
_NAMES: Mapping[str, str] = {
    DOCKER_VERSION: DOCKER_VERSION,
    _OLD_VERSION: DOCKER_VERSION,
    WEAVE_VERSION: WEAVE_VERSION,
}
_DOCKER = "docker"
_CONFIGURATION = "configuration"
_PARTS = {_CONFIGURATION, "servers"}
"""What a component has at its second level (Cloud 66, "Understanding manifest files")."""
_MERGE = "tag:yaml.org,2002:merge"
_AS_WRITTEN = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "timestamp")}
_SIMILAR = 0.85
"""Above "server_version" (0.82 to weave_version), below "verison" (0.86)."""
_MAX_SHOWN = 100
_MAX_ENVIRONMENTS = 10

_Pairs = list[tuple[str, int, yaml.Node]]
"""Key, line and value of each entry of a mapping."""


def parse(text: str, path: str, environment: str) -> tuple[ManifestValue, ...]:
    """Return the values for an environment.

    Raises:
        ConfigError: one line per problem; each names file, line and key.
    """
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except RecursionError as error:
        raise ConfigError(f"{path}: is nested too deeply") from error
    except yaml.YAMLError as error:
        raise ConfigError(redact(f"{path}{_place(error)}: is not valid YAML: {_description(error)}")) from error
    reader = _Reader(path)
    values = reader.values(root, environment)
    if reader.problems:
        raise ConfigError("\n".join(map(redact, reader.problems)))
    return values


class _Reader:
    """Reads one manifest; collects what is wrong with it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.problems: list[str] = []

    def values(self, root: yaml.Node | None, environment: str) -> tuple[ManifestValue, ...]:
        pairs = self._entries(root, "the manifest")
        name = self._environment(pairs, environment)
        scopes = [("", pairs)]
        if name is not None:
            scopes.append((f"{name}.", self._entries(self._find(pairs, name, ""), name)))
        found: list[tuple[str, yaml.Node]] = []
        for prefix, entries in scopes:
            self._check_names(entries, prefix, {DOCKER_VERSION, WEAVE_VERSION})
            self._check_components(entries, prefix)
            node = self._find(entries, _DOCKER, prefix)
            if node is not None:
                found.append((f"{prefix}{_DOCKER}", node))
        if len(found) > 1:
            places = " and ".join(f"{key} (line {_line(node)})" for key, node in found)
            self._problem(found[1][1], found[1][0], f"docker is there with and without an environment: {places}")
        return self._docker(*found[0]) if len(found) == 1 else ()

    def _environment(self, pairs: _Pairs, wanted: str) -> str | None:
        """Return the first level's key of the wanted environment; None where there is no such level."""
        names = {key: line for key, line, node in pairs if key == wanted or _is_environment(key, node)}
        if wanted in names and wanted != _DOCKER:
            return wanted
        if names and not any(key == _DOCKER for key, _line_number, _node in pairs):
            listed = ", ".join(_shown(name) for name in list(names)[:_MAX_ENVIRONMENTS])
            self.problems.append(
                f"{self._path}:{next(iter(names.values()))}: has no environment {wanted!r} (docker.environment), "
                f"it has {listed}"
            )
        return None

    def _docker(self, key: str, node: yaml.Node) -> tuple[ManifestValue, ...]:
        entries = self._entries(node, key)
        self._check_names(entries, f"{key}.", {*_NAMES, _CONFIGURATION})
        key = f"{key}.{_CONFIGURATION}"
        pairs = self._entries(self._find(entries, _CONFIGURATION, f"{_DOCKER}."), key)
        self._check_names([one for one in pairs if one[0] not in _NAMES], f"{key}.", set(_NAMES), misplaced=False)
        found: dict[str, tuple[str, ManifestValue]] = {}
        for name in _NAMES:
            entry = self._find(pairs, name, f"{key}.")
            value = None if entry is None else self._version(f"{key}.{name}", entry, _NAMES[name])
            if value is None:
                continue
            other = found.setdefault(value.name, (name, value))
            if _differ(other[1].value, value.value):
                self.problems.append(
                    f"{value.source}: {key}.{name} = {_shown(value.value)}: differs from {other[0]} = "
                    f"{_shown(other[1].value)} ({other[1].source}); accepted: one of the two"
                )
        return tuple(value for _name, value in found.values())

    def _version(self, key: str, node: yaml.Node, name: str) -> ManifestValue | None:
        if not isinstance(node, yaml.ScalarNode):
            self._problem(node, key, "accepted: one version, and no list or mapping")
        elif node.tag not in _AS_WRITTEN:
            kind = node.tag.rpartition(":")[2]
            self._problem(node, f"{key} = {_shown(node.value)}", f"is {kind}; accepted: a version such as 27.3.1")
        else:
            try:
                parse_request(node.value)
            except ValueError as error:
                self._problem(node, f"{key} = {_shown(node.value)}", str(error))
            else:
                return ManifestValue(name=name, value=node.value, source=f"{self._path}:{_line(node)}")
        return None

    def _find(self, pairs: _Pairs, name: str, prefix: str) -> yaml.Node | None:
        """Return the value of a key; a second one is a problem. One merged by `<<` counts only without an own one."""
        places = [(line, node) for key, line, node in pairs if key == name]
        if len(places) > 1:
            first, second = places[0][0], places[1][0]
            self.problems.append(f"{self._path}:{second}: {prefix}{name}: is there twice, first in line {first}")
        return places[0][1] if places else None

    def _entries(self, node: yaml.Node | None, key: str) -> _Pairs:
        """Return the entries of a mapping, also those that it merges; none for null and for a missing one."""
        if node is None or (isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"):
            return []
        if not isinstance(node, yaml.MappingNode):
            self._problem(node, key, "accepted: a mapping (key: value)")
            return []
        own = [
            (name.value, _line(name), value)
            for name, value in node.value
            if isinstance(name, yaml.ScalarNode) and name.tag != _MERGE
        ]
        known = {name for name, _line_number, _value in own}
        for name, line, value in _merged(node):
            if name not in known:
                known.add(name)
                own.append((name, line, value))
        return own

    def _check_names(self, pairs: _Pairs, prefix: str, names: set[str], *, misplaced: bool = True) -> None:
        """Note keys that are nearly one of these names, or, if `misplaced`, are one but belong under configuration."""
        for key, line, _node in pairs:
            if key in names and key != _CONFIGURATION and misplaced:
                where = f"accepted: under {_DOCKER}: {_CONFIGURATION}:"
                self.problems.append(f"{self._path}:{line}: {prefix}{key}: is not read here; {where}")
            elif key not in names and (near := _nearest(key, names)):
                self.problems.append(f"{self._path}:{line}: unknown key {_shown(prefix + key)}; did you mean {near!r}?")

    def _check_components(self, pairs: _Pairs, prefix: str) -> None:
        for key, line, node in pairs:
            if key != _DOCKER and _is_component(node) and _nearest(key, {_DOCKER}, similar=0.8):
                self.problems.append(
                    f"{self._path}:{line}: unknown component {_shown(prefix + key)}; did you mean 'docker'?"
                )

    def _problem(self, node: yaml.Node, key: str, text: str) -> None:
        self.problems.append(f"{self._path}:{_line(node)}: {key}: {text}")


def _merged(node: yaml.MappingNode) -> Iterator[tuple[str, int, yaml.Node]]:
    """Yield the entries that a mapping merges by `<<`, the ones with precedence first; each mapping once."""
    seen = {id(node)}
    waiting = _merge_sources(node)
    while waiting:
        source = waiting.pop(0)
        if id(source) in seen or not isinstance(source, yaml.MappingNode):
            continue
        seen.add(id(source))
        for name, value in source.value:
            if isinstance(name, yaml.ScalarNode) and name.tag != _MERGE:
                yield name.value, _line(name), value
        waiting[:0] = _merge_sources(source)


def _merge_sources(node: yaml.MappingNode) -> list[yaml.Node]:
    sources: list[yaml.Node] = []
    for name, value in node.value:
        if name.tag == _MERGE:
            sources += value.value if isinstance(value, yaml.SequenceNode) else [value]
    return sources


def _is_component(node: yaml.Node) -> bool:
    return isinstance(node, yaml.MappingNode) and bool(_PARTS & set(_keys(node)))


def _is_environment(key: str, node: yaml.Node) -> bool:
    """Whether a first-level entry is an environment: it has components, and is none."""
    if key == _DOCKER or not isinstance(node, yaml.MappingNode) or _is_component(node):
        return False
    return _DOCKER in _keys(node) or any(_is_component(value) for _name, value in node.value)


def _keys(node: yaml.MappingNode) -> Iterable[str]:
    return (name.value for name, _value in node.value if isinstance(name, yaml.ScalarNode))


def _nearest(key: str, names: set[str], *, similar: float = _SIMILAR) -> str:
    near = get_close_matches(key.lower()[:_MAX_SHOWN], sorted(names), n=1, cutoff=similar)
    return near[0] if near else ""


def _differ(one: str, other: str) -> bool:
    first, second = parse_request(one), parse_request(other)
    return (first.numbers, first.exact) != (second.numbers, second.exact)


def _shown(text: str) -> str:
    return repr(text[:_MAX_SHOWN])


def _line(node: yaml.Node) -> int:
    line: int = node.start_mark.line
    return line + 1


def _place(error: yaml.YAMLError) -> str:
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    return "" if mark is None else f":{mark.line + 1}"


def _description(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError):
        return str(error.problem)[:_MAX_SHOWN]
    return " ".join(str(error).split())[:_MAX_SHOWN]
