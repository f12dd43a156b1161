"""Metrics of a report: every known value, no unknown one, and a bounded number of label values."""

import json
import re
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.schemas import Document
from agent.report.metric_values import Labels, Number
from agent.report.metrics import METRIC_FAMILIES, collect_metrics
from tests.conftest import CHECKOUT
from tests.support import reports
from tests.support.reports import UNIX


def points(report: Document) -> dict[str, dict[Labels, Number]]:
    return {metric.family.prometheus_name: dict(metric.points) for metric in collect_metrics(report)}


@pytest.mark.parametrize("report", [reports.full(), reports.unknown()], ids=["full", "unknown"])
def test_the_reports_of_these_tests_are_valid(report: dict[str, Any]) -> None:
    schema = json.loads((CHECKOUT / "schemas/maestro.report-1.json").read_text())

    jsonschema.Draft7Validator(schema).validate(report)


def test_a_complete_report_has_every_metric() -> None:
    assert list(points(reports.full())) == [family.prometheus_name for family in METRIC_FAMILIES]


def test_metrics_equal_the_fields_of_the_report() -> None:
    found = points(reports.full())

    assert found["maestro_agent_build_info"] == {(("version", "0.5.0"),): 1}
    assert found["maestro_updates_pending"] == {
        (("class", "security"),): len(reports.golden("plan")["install"]),
        (("class", "other"),): 7,
    }
    assert found["maestro_updates_held"] == {(): len(reports.golden("plan")["held"])}
    assert sum(found["maestro_updates_held_reasons"].values()) == len(reports.golden("plan")["held"])
    assert found["maestro_reboot_required"] == {(): 1}
    assert found["maestro_reboot_required_since_timestamp_seconds"] == {(): UNIX}
    assert found["maestro_kernel_outdated"] == {(): 1}
    assert found["maestro_services_need_restart"] == {(): 2}
    assert found["maestro_job_consecutive_failures"] == {(("job", "check"),): 0, (("job", "upgrade"),): 2}
    assert found["maestro_job_last_exit_code"] == {(("job", "check"),): 10, (("job", "upgrade"),): 10}
    assert found["maestro_outbox_messages"] == {(): 4}
    assert found["maestro_outbox_size_bytes"] == {(): 1234}
    assert found["maestro_outbox_dropped_total"] == {(): 5}
    assert found["maestro_last_run_result"][(("result", "degraded"),)] == 1
    assert sum(found["maestro_last_run_result"].values()) == 1


def test_an_unknown_value_is_left_out_and_never_zero() -> None:
    found = points(reports.unknown())

    assert set(found) == {
        "maestro_agent_build_info",
        "maestro_host_info",
        "maestro_report_timestamp_seconds",
        "maestro_health",
        "maestro_warnings",
    }
    assert found["maestro_host_info"] == {(("host_id", reports.HOST),): 1}


@pytest.mark.parametrize(
    ("path", "value", "gone"),
    [
        (("updates", "security_pending"), None, ("maestro_updates_pending", (("class", "security"),))),
        (("updates", "other"), None, ("maestro_updates_pending", (("class", "other"),))),
        (("jobs", "check", "last_exit_code"), None, ("maestro_job_last_exit_code", (("job", "check"),))),
    ],
)
def test_an_unknown_value_leaves_all_other_metrics(
    path: tuple[str, ...], value: object, gone: tuple[str, Labels]
) -> None:
    report = reports.full()
    inner = report
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value

    before, after = points(reports.full()), points(report)

    del before[gone[0]][gone[1]]
    assert after == before


def test_without_a_required_reboot_there_is_no_since() -> None:
    report = {**reports.full(), "reboot": {"required": False, "packages": [], "since": None}}

    found = points(report)

    assert found["maestro_reboot_required"] == {(): 0}
    assert found["maestro_reboot_packages"] == {(): 0}
    assert "maestro_reboot_required_since_timestamp_seconds" not in found


@pytest.mark.parametrize(
    ("cves", "expected"),
    [
        ([["CVE-2026-0001", "CVE-2026-0002"], ["CVE-2026-0002"]], {(): 2}),
        ([["CVE-2026-0001"], None], {(): 1}),
        ([[], []], {(): 0}),
        ([None, None], None),
        ([], {(): 0}),
    ],
)
def test_cves_are_counted_once_and_unread_changelogs_are_not_zero(
    cves: list[list[str] | None], expected: dict[Labels, Number] | None
) -> None:
    report = reports.full()
    report["updates"].update(items=[{"cves": one} for one in cves], held_items=[])

    assert points(report).get("maestro_updates_known_cves") == expected


def test_an_unknown_enum_value_has_its_own_point() -> None:
    found = points({**reports.full(), "health": "splendid\n"})["maestro_health"]

    assert found[(("state", "splendid "),)] == 1
    assert sum(found.values()) == 1


def test_no_package_and_no_cve_is_a_label() -> None:
    report = reports.full()
    names = {one["package"] for part in ("items", "held_items") for one in report["updates"][part]}
    cves = {cve for one in report["updates"]["items"] for cve in one["cves"] or []}

    values = {word for held in points(report).values() for labels in held for _, word in labels}

    assert values & (names | cves) == set()


@pytest.mark.parametrize("family", METRIC_FAMILIES, ids=lambda family: str(family.name))
def test_names_have_base_units_and_opentelemetrys_form(family: Any) -> None:
    assert re.fullmatch(r"maestro(\.[a-z][a-z_]*)+", family.name)
    assert family.unit in {"", "s", "By"} or re.fullmatch(r"\{[a-z]+\}", family.unit)
    assert family.help[0] == family.help[0].upper()
    assert not family.help.endswith(".")


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(reports.MOMENT),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(sorted(reports.full())), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(sorted(reports.full())), JUNK))
def test_any_document_gives_points_without_duplicates(report: dict[str, Any]) -> None:
    for figure in collect_metrics(report):
        labels = [labels for labels, _ in figure.points]

        assert len(set(labels)) == len(labels) > 0
