"""docs/metrics.md and the example rules name the metrics that exist.

`python3 -m tests.report.prometheus.test_metrics_page` prints the page's table.
"""

import re
from pathlib import Path

import pytest

from agent.report.metrics import METRIC_FAMILIES, collect_metrics
from agent.report.prometheus.exposition import exposition
from tests.conftest import CHECKOUT
from tests.support import reports
from tests.support.promtool import promtool

PAGE = CHECKOUT / "docs/metrics.md"
RULES = CHECKOUT / "docs/examples/maestro.rules.yml"
TESTS = sorted(Path(__file__).parent.glob("rules*.test.yml"))
COMPATIBLE = re.findall(r"^# TYPE ((?:apt|node)_\S+) ", exposition(reports.full(), compatible_names=True), re.MULTILINE)


def table() -> list[str]:
    """Return the rows that the program's metrics give."""
    rows = []
    for metric in collect_metrics(reports.full()):
        family, labels = metric.family, [name for name, _ in metric.points[0][0]]
        values = ", ".join(f"`{name}`" for name in labels)
        kind = "counter" if family.counter else "gauge"
        rows.append(f"| `{family.prometheus_name}` | {kind} | {values} | {family.help} |")
    return rows


def test_page_has_every_metric_with_type_labels_and_help() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `maestro_")]

    assert rows == table()
    assert len(rows) == len(METRIC_FAMILIES)


@pytest.mark.parametrize("name", COMPATIBLE)
def test_page_has_every_compatible_name(name: str) -> None:
    assert f"| `{name}` | gauge | " in PAGE.read_text()


def test_promtool_accepts_the_rules() -> None:
    code, output = promtool("check", "rules", str(RULES))

    assert code == 0, output
    assert "25 rules found" in output


def test_rules_use_existing_metrics_and_labels() -> None:
    known = {metric.family.prometheus_name: {value for labels, _ in metric.points for value in labels} for metric in
             collect_metrics(reports.full())}  # fmt: skip
    used = re.findall(r"(maestro_[a-z_]+)(?:\{([a-z]+)=~?\"([^\"]+)\"\})?", RULES.read_text())

    assert len(used) > 10
    for name, label, values in used:
        assert name in known
        assert {(label, value) for value in values.split("|") if value} <= known[name]


def test_rules_fire_exactly_when_they_should() -> None:
    assert len(TESTS) == 2
    code, output = promtool("test", "rules", *map(str, TESTS))

    assert code == 0, output
    assert "no file match pattern" not in output  # promtool passes without any rules (findings/)


@pytest.mark.parametrize("alert", re.findall(r"alert: (\w+)", RULES.read_text()))
def test_every_rule_has_a_test(alert: str) -> None:
    assert any(f"alertname: {alert}\n" in file.read_text() for file in TESTS)


if __name__ == "__main__":
    print("\n".join(table()))
