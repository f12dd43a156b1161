"""A report as Prometheus text for node_exporter's textfile collector. Pure: document to text.

The format is https://prometheus.io/docs/instrumenting/exposition_formats/ (text, version 0.0.4). Samples have no
timestamps: node_exporter rejects a file with any. The compatible names are those of apt_info.py, for existing
dashboards; beside apt_info.py itself they would make node_exporter reject both files, so they are optional.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from agent.core.schemas import Document
from agent.report.metric_values import Labels, Number, as_number, items, printable, seconds, value_at
from agent.report.metrics import collect_metrics


def exposition(report: Document, *, compatible_names: bool = False) -> str:
    """Return the content of the file."""
    lines = [line for block in _blocks(report, compatible_names=compatible_names) for line in block]
    return "".join(f"{line}\n" for line in lines)


def _blocks(report: Document, *, compatible_names: bool) -> Iterator[Iterator[str]]:
    for metric in collect_metrics(report):
        kind = "counter" if metric.family.counter else "gauge"
        yield _block(metric.family.prometheus_name, kind, metric.family.help, metric.points)
    if compatible_names:
        for name, what, points in _compatible(report):
            if points:
                yield _block(name, "gauge", what, points)


def _block(name: str, kind: str, what: str, points: Iterable[tuple[Labels, Number]]) -> Iterator[str]:
    yield f"# HELP {name} {_escape_help(what)}"
    yield f"# TYPE {name} {kind}"
    for labels, value in points:
        inside = ",".join(f'{label}="{_escape_label(word)}"' for label, word in labels)
        yield f"{name}{{{inside}}} {value}" if inside else f"{name} {value}"


def _escape_help(words: str) -> str:
    return words.replace("\\", "\\\\").replace("\n", "\\n")


def _escape_label(word: str) -> str:
    return word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _compatible(report: Document) -> Iterator[tuple[str, str, Sequence[tuple[Labels, Number]]]]:
    yield "apt_upgrades_pending", "Apt packages pending updates by origin", _upgrades_pending(report)
    yield "apt_upgrades_held", "Apt packages pending updates but held back", _upgrades_held(report)
    since = seconds(value_at(report, "lists", "updated_at"))
    yield (
        "apt_package_cache_timestamp_seconds",
        "Apt update last run time",
        () if since is None else (((), since),),
    )
    required = value_at(report, "reboot", "required")
    yield (
        "node_reboot_required",
        "Node reboot is required for software updates",
        (((), int(required)),) if isinstance(required, bool) else (),
    )


def _upgrades_pending(report: Document) -> Sequence[tuple[Labels, Number]]:
    """Count all available updates, held or not, as apt_info.py does.

    The report has no origin for held updates and for those outside the plan, and no codename for any.
    """
    install, held = items(report, "updates", "items"), items(report, "updates", "held_items")
    other = as_number(value_at(report, "updates", "other"))
    if install is None or held is None or other is None:
        return ()
    counts = Counter((f"{one.get('origin')}/{one.get('archive')}", str(one.get("architecture"))) for one in install)
    counts.update(("", str(one.get("architecture"))) for one in held)
    counts[("", "")] += int(other)
    return _by_origin(counts)


def _upgrades_held(report: Document) -> Sequence[tuple[Labels, Number]]:
    held = items(report, "updates", "held_items")
    if held is None:
        return ()
    counts = Counter(("", str(one.get("architecture"))) for one in held if one.get("why") == "held-by-admin")
    return _by_origin(counts)


def _by_origin(counts: Counter[tuple[str, str]]) -> Sequence[tuple[Labels, Number]]:
    """Return the counts with their labels; without any, one zero with empty labels, as apt_info.py does."""
    clean: Counter[tuple[str, str]] = Counter()
    for (origin, architecture), count in counts.items():
        clean[printable(origin), printable(architecture)] += count
    left = {labels: count for labels, count in clean.items() if count} or {("", ""): 0}
    return [
        ((("origin", origin), ("arch", architecture)), count) for (origin, architecture), count in sorted(left.items())
    ]
