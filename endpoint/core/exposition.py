"""Prometheus' text format (exposition format 0.0.4): gauges with their help. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from endpoint.core.text import clean


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """One metric; its samples by the values of its labels. An unknown value is left out."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    samples: Mapping[tuple[str, ...], float | None]


def exposition(gauges: Iterable[Gauge]) -> str:
    """Return the page."""
    lines = []
    for gauge in gauges:
        lines += [f"# HELP {gauge.name} {gauge.help}", f"# TYPE {gauge.name} gauge"]
        lines += [
            f"{gauge.name}{_labels(gauge.labels, values)} {_number(value)}"
            for values, value in gauge.samples.items()
            if value is not None
        ]
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    """Return the labels; a host chooses some of the values."""
    if not names:
        return ""
    pairs = [f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True)]
    return f"{{{','.join(pairs)}}}"


def label_text(text: str) -> str:
    """Return what is shown of a label's value: two hosts' texts can be shown as the same one."""
    return clean(text, 64)


def _escaped(text: str) -> str:
    return label_text(text).replace("\\", "\\\\").replace('"', '\\"')
