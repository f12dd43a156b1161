"""The Prometheus text: promtool accepts it without a warning, whatever text the report contains."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.report.prometheus.exposition import exposition
from tests.support import reports
from tests.support.promtool import promtool
from tests.support.reports import UNIX

COMPATIBLE = (
    "apt_upgrades_pending",
    "apt_upgrades_held",
    "apt_package_cache_timestamp_seconds",
    "node_reboot_required",
)


def metrics_checked(content: str) -> tuple[int, str]:
    """Return the output of `promtool check metrics`, which lints, too."""
    return promtool("check", "metrics", content=content)


def samples(content: str) -> dict[str, str]:
    return dict(line.rsplit(" ", 1) for line in content.splitlines() if not line.startswith("#"))


@pytest.mark.parametrize("compatible", [False, True], ids=["own names", "compatible names"])
@pytest.mark.parametrize("report", [reports.full(), reports.unknown()], ids=["full", "unknown"])
def test_promtool_accepts_the_page(report: dict[str, Any], compatible: bool) -> None:  # noqa: FBT001 - a parameter
    assert metrics_checked(exposition(report, compatible_names=compatible)) == (0, "")


def test_promtool_rejects_a_bad_name() -> None:
    code, output = metrics_checked("# TYPE maestro_wrong_total gauge\nmaestro_wrong_total 1\n")

    assert code != 0
    assert "maestro_wrong_total" in output


@given(st.text(max_size=300), st.text(alphabet='\\"\n{}=,#\x85\u2028 \r\udc80a', max_size=30), st.integers(-5, 5))
def test_arbitrary_text_does_not_break_the_file(text: str, odd: str, number: int) -> None:
    report = reports.full()
    report["host"]["os"].update(id=text, version=odd, codename=odd + text)
    report["kernel"]["running"] = odd
    report["health"] = text
    report["updates"]["held_items"][0].update(why=odd, architecture=text)
    report["updates"]["items"][0].update(origin=odd, archive=text)
    report["jobs"]["check"]["last_exit_code"] = number

    content = exposition(report, compatible_names=True)

    assert metrics_checked(content) == (0, "")
    assert content.encode().decode() == content


def test_every_sample_is_one_line_without_a_timestamp() -> None:
    content = exposition(reports.full(), compatible_names=True)

    assert content.endswith("\n")
    for line in content.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{([a-z_]+=\"[^\"]*\",?)+\})? -?[0-9.]+", line), line


def test_each_metric_family_appears_once() -> None:
    named = re.findall(r"^# TYPE (\S+)", exposition(reports.full(), compatible_names=True), re.MULTILINE)

    assert len(set(named)) == len(named)


def test_compatible_names_are_optional() -> None:
    own, both = exposition(reports.full()), exposition(reports.full(), compatible_names=True)

    assert not [line for line in own.splitlines() if not re.match(r"(# (HELP|TYPE) )?maestro_", line)]
    assert both.startswith(own)
    for name in COMPATIBLE:
        assert f"# TYPE {name} gauge\n" in both


def test_compatible_names_count_like_apt_info() -> None:
    report = reports.full()
    item = {"origin": "Debian", "archive": "stable-security", "architecture": "amd64"}
    held = [{"architecture": "amd64", "why": why} for why in ("held-by-admin", "pinned")]
    report["updates"].update(items=[item, item], held_items=held, other=7)

    found = samples(exposition(report, compatible_names=True))

    assert found['apt_upgrades_pending{origin="Debian/stable-security",arch="amd64"}'] == "2"
    assert found['apt_upgrades_pending{origin="",arch="amd64"}'] == "2"
    assert found['apt_upgrades_pending{origin="",arch=""}'] == "7"
    assert found['apt_upgrades_held{origin="",arch="amd64"}'] == "1"
    assert found["node_reboot_required"] == "1"
    if report["lists"]["updated_at"] == reports.MOMENT:
        assert found["apt_package_cache_timestamp_seconds"] == str(UNIX)


def test_compatible_names_are_zero_without_updates_and_absent_without_a_check() -> None:
    report = reports.full()
    report["updates"].update(items=[], held_items=[], other=0)

    waiting = samples(exposition(report, compatible_names=True))
    unknown = samples(exposition(reports.unknown(), compatible_names=True))

    assert waiting['apt_upgrades_pending{origin="",arch=""}'] == "0"
    assert waiting['apt_upgrades_held{origin="",arch=""}'] == "0"
    assert not [name for name in unknown if name.startswith(("apt_", "node_"))]
