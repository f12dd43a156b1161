"""Fragments to merged inputs to the frozen `Policy`.

Three stages: a *fragment* is one file as read; *inputs* are the merged values with where each came from;
the *policy* is what the rest of the program sees. Once a `Policy` exists, every field is what its type says.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import cast

from agent.config.cross_checks import exporter_problems
from agent.config.fragments import Fragment, read_fragments
from agent.config.schema import KEYS, Key, Value
from agent.core.policy.distro import Distro, default_origins
from agent.core.policy.origins import parse_pattern
from agent.core.policy.policy import (
    AgentPolicy,
    AptPolicy,
    Conffiles,
    EndpointPolicy,
    MetricsPolicy,
    OtlpPolicy,
    Policy,
    SecurityPolicy,
)
from agent.errors import ConfigError

DEFAULT_SOURCE = "default"
_USER = re.compile(r"(//|^'(?!\w+://)).*@")
"""Of an address, also where the scheme was forgotten."""
_QUERY = re.compile(r"(//[^?#]*[?#]).*")
_SECRET = frozenset({"endpoint.token_file", "endpoint.client_key", "otlp.headers_file"})
"""Where the secret itself may have been written in place of the file that holds it."""
_LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """An effective value and the file it came from, or "default"."""

    key: Key
    value: Value
    source: str


Inputs = Mapping[str, Input]
"""Dotted key name to input; every key of the schema is there."""


def load(path: Path | None, distro: Distro) -> tuple[Policy, Inputs]:
    """Read, merge and validate the configuration.

    Raises:
        ConfigError: with one line for each problem found, each naming file, key, value and what is accepted.
    """
    inputs = merge(read_fragments(path), distro)
    return to_policy(inputs, distro), inputs


def merge(fragments: Iterable[Fragment], distro: Distro) -> Inputs:
    """Validate each fragment and lay them over the defaults; later fragments win.

    Raises:
        ConfigError: as `load`.
    """
    known = {key.path: key for key in KEYS}
    inputs = {
        key.path: Input(
            key=key, value=default_origins(distro) if key.default is None else key.default, source=DEFAULT_SOURCE
        )
        for key in KEYS
    }
    problems: list[str] = []
    for fragment in fragments:
        for name, raw in _flatten(fragment, problems):
            key = known.get(name)
            if key is None:
                problems.append(f"{fragment.path}: unknown key {name!r}{_nearest(name, known)}")
                continue
            try:
                inputs[name] = Input(key=key, value=key.parse(raw), source=str(fragment.path))
            except ValueError as error:
                problems.append(f"{fragment.path}: {name} = {_shown(name, raw)}: {error}")
    problems += _origin_problems(inputs["security.origins"], distro)
    problems += exporter_problems({name: (entry.value, entry.source) for name, entry in inputs.items()})
    if problems:
        raise ConfigError("\n".join(problems))
    return inputs


def to_policy(inputs: Inputs, distro: Distro) -> Policy:
    """Make the frozen policy of merged inputs, which `merge` has validated."""
    values = {name: entry.value for name, entry in inputs.items()}
    # Each parser of the schema returns the type of the field it fills.
    return Policy(
        agent=AgentPolicy(**{key.name: values[key.path] for key in KEYS if key.section == "agent"}),  # type: ignore[arg-type]
        security=SecurityPolicy(
            origins=tuple(
                parse_pattern(text, distro.variables) for text in cast("tuple[str, ...]", values["security.origins"])
            ),
            blocklist=cast("tuple[str, ...]", values["security.blocklist"]),
            allowlist=cast("tuple[str, ...]", values["security.allowlist"]),
            include_runtime=bool(values["security.include_runtime"]),
            remove_old_kernels=bool(values["security.remove_old_kernels"]),
            conffiles=Conffiles(values["security.conffiles"]),
        ),
        apt=AptPolicy(**{key.name: values[key.path] for key in KEYS if key.section == "apt"}),  # type: ignore[arg-type]
        endpoint=EndpointPolicy(**{key.name: values[key.path] for key in KEYS if key.section == "endpoint"}),  # type: ignore[arg-type]
        metrics=MetricsPolicy(**{key.name: values[key.path] for key in KEYS if key.section == "metrics"}),  # type: ignore[arg-type]
        otlp=OtlpPolicy(**{key.name: values[key.path] for key in KEYS if key.section == "otlp"}),  # type: ignore[arg-type]
    )


def _flatten(fragment: Fragment, problems: list[str]) -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []
    sections = {key.section for key in KEYS}
    for section, table in fragment.tables.items():
        if section not in sections:
            kind = "section" if isinstance(table, dict) else "key"
            problems.append(f"{fragment.path}: unknown {kind} {section!r}{_nearest(section, sections)}")
        elif not isinstance(table, dict):
            shown = _shown(section, table)
            problems.append(f"{fragment.path}: {section} = {shown}: accepted: a section, written [{section}]")
        else:
            pairs += [(f"{section}.{name}", raw) for name, raw in table.items()]
    return pairs


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(names)}"


def _shown(name: str, raw: object) -> str:
    """Write a value for a message, which goes to the journal; what may be a secret does not."""
    if name in _SECRET:
        return "'...'"
    try:
        text = repr(raw)
    except ValueError:  # Python writes no number of more than 4300 digits
        return "a number"
    return _QUERY.sub(r"\1...'", _USER.sub(r"\1...@", text))[:_LONGEST]


def _origin_problems(entry: Input, distro: Distro) -> list[str]:
    if not entry.value:
        example = 'origins = ["origin=Debian,codename=bookworm-security"]'
        return [
            f"security.origins: no default is known for the distribution {distro.id!r} (os-release ID); "
            f"set it, for example {example}"
        ]
    problems = []
    for text in cast("tuple[str, ...]", entry.value):
        try:
            parse_pattern(text, distro.variables)
        except ValueError as error:
            problems.append(f"{entry.source}: security.origins = {text!r}: {error}")
    return problems
