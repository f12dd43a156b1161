"""Loads the configuration: fragments, merged inputs, then the frozen `Policy`.

A *fragment* is one parsed file. *Inputs* are the merged, validated values with their sources. The *policy* is what the
rest of the program sees: every field has its declared type.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast, get_type_hints

from agent.config.cross_checks import daily_job_problems, exporter_problems, reboot_problems
from agent.config.fragments import Fragment, read_fragments
from agent.config.package_patterns import UnmatchedNamesError
from agent.config.schema import KEYS, Key, Value
from agent.config.windows import SECTION, resolved, window_key, window_problems
from agent.core.frozen import field_types, frozen, replace
from agent.core.pattern import lazy_pattern
from agent.core.policy.distro import Distro, default_origins
from agent.core.policy.origins import UnmatchedOriginError, parse_pattern
from agent.core.policy.policy import Policy
from agent.core.redact import redact
from agent.errors import ConfigError

DEFAULT_SOURCE = "default"
_USER = lazy_pattern(r"(//|^'(?!\w+://)).*@")
"""User and password of a URL, also of one without a scheme."""
_QUERY = lazy_pattern(r"(//[^?#]*[?#]).*")
_SECRET = frozenset(
    {
        *("endpoint.token_file", "endpoint.client_key", "otlp.headers_file"),
        *("reboot.fleetlock_token_file", "reboot.fleetlock_client_key"),
    }
)
"""Keys whose value may be the secret itself by mistake, instead of the file that holds it."""
_MAX_SHOWN = 200


@frozen
class Input:
    """An effective value and its source: a file, or "default"."""

    key: Key
    value: Value
    source: str


Inputs = Mapping[str, Input]
"""Input by dotted key name, for every key of the schema."""


class UnmatchedPatternsError(ConfigError):
    """All that is wrong are patterns that match nothing; `inputs` is the configuration in which they have no effect."""

    def __init__(self, message: str, inputs: Inputs) -> None:
        super().__init__(message)
        self.inputs = inputs


def load(path: Path | None, distro: Distro) -> tuple[Policy, Inputs]:
    """Read, merge and validate the configuration.

    Raises:
        ConfigError: one line per problem; each names file, key, value and what is accepted.
    """
    inputs = merge(read_fragments(path), distro)
    return to_policy(inputs, distro), inputs


def merge(fragments: Iterable[Fragment], distro: Distro) -> Inputs:
    """Validate the fragments and merge them over the defaults; later fragments win.

    Raises:
        ConfigError: as `load`. UnmatchedPatternsError: it could be used all the same.
    """
    known = {key.path: key for key in KEYS}
    inputs = {
        key.path: Input(
            key=key, value=default_origins(distro) if key.default is None else key.default, source=DEFAULT_SOURCE
        )
        for key in KEYS
    }
    problems: list[str] = []
    unmatched: list[str] = []
    for fragment in fragments:
        for name, raw in _flatten(fragment, problems):
            key = known.get(name) or window_key(name)
            if key is None:
                problems.append(f"{fragment.path}: unknown key {name!r}{_nearest(name, known)}")
                continue
            try:
                inputs[name] = Input(key=key, value=key.parse(raw), source=str(fragment.path))
            except ValueError as error:
                message = f"{fragment.path}: {name} = {_shown(name, raw)}: {error}"
                if isinstance(error, UnmatchedNamesError):
                    inputs[name] = Input(key=key, value=error.patterns, source=str(fragment.path))
                    unmatched.append(message)
                else:
                    problems.append(message)
                    inputs.setdefault(name, Input(key=key, value="", source=str(fragment.path)))  # a window: its name
    inputs["security.origins"] = _matching_origins(inputs["security.origins"], distro, problems, unmatched)
    problems += _contradictions(inputs, valid=not problems)
    text = "\n".join(map(redact, problems + unmatched))
    if problems:
        raise ConfigError(text)
    if unmatched:
        raise UnmatchedPatternsError(text, inputs)
    return inputs


def _contradictions(inputs: Inputs, *, valid: bool) -> list[str]:
    """Return one message for each contradiction between values; those of reboots only if every value is valid."""
    found = {name: (entry.value, entry.source) for name, entry in inputs.items()}
    problems = [*exporter_problems(found), *window_problems(found), *daily_job_problems(found)]
    return problems if problems or not valid else list(reboot_problems(found))


def to_policy(inputs: Inputs, distro: Distro) -> Policy:
    """Build the policy from inputs that `merge` has validated.

    Sections and keys are the fields of `Policy` and of its parts; each key's parser returns its field's type.
    """
    values: dict[str, Any] = {name: entry.value for name, entry in inputs.items()}
    values |= resolved(values)
    values["security.origins"] = tuple(parse_pattern(text, distro.variables) for text in values["security.origins"])
    parts = {
        section: part(**{name: values[f"{section}.{name}"] for name in field_types(part)})
        for section, part in get_type_hints(Policy).items()
    }
    return Policy(**parts)


def _flatten(fragment: Fragment, problems: list[str]) -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []
    sections = {*(key.section for key in KEYS), SECTION}
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
    """Format a value for a message, which goes to the journal; possible secrets are redacted."""
    if name in _SECRET:
        return "'...'"
    try:
        text = repr(raw)
    except ValueError:  # Python refuses to print integers of more than 4300 digits
        return "a number"
    return _QUERY.sub(r"\1...'", _USER.sub(r"\1...@", text))[:_MAX_SHOWN]


def _matching_origins(entry: Input, distro: Distro, problems: list[str], unmatched: list[str]) -> Input:
    """Return the patterns that can match; append a message for each other one. They need the distribution's variables.

    If none can match, no update would ever be a security update: that is a problem.
    """
    if not entry.value:
        example = 'origins = ["origin=Debian,codename=bookworm-security"]'
        problems.append(
            f"security.origins: no default is known for the distribution {distro.id!r} (os-release ID); "
            f"set it, for example {example}"
        )
        return entry
    matching: list[str] = []
    messages: list[str] = []
    for text in cast("tuple[str, ...]", entry.value):
        try:
            parse_pattern(text, distro.variables)
            matching.append(text)
        except ValueError as error:
            message = f"{entry.source}: security.origins = {text!r}: {error}"
            (messages if isinstance(error, UnmatchedOriginError) else problems).append(message)
    (unmatched if matching else problems).extend(messages)
    return replace(entry, value=tuple(matching))
