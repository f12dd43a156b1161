"""[soak]: durations, the cohort, and what is exempt."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from agent.config.load import load
from agent.config.package_patterns import UnmatchedNamesError
from agent.config.soak_parsers import parse_cohort, parse_overrides, parse_rollout, parse_soak
from agent.core.policy.distro import Distro
from agent.core.policy.policy import SoakPolicy

DEBIAN = Distro(id="debian", codename="bookworm", version="12")


def test_the_section_becomes_the_policy(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '[soak]\nsecurity = "7d"\nother = "14d"\nrollout = "36h"\n'
        'cohort = 7\noverride = ["openssl*", "cve-2026-12345"]\n'
    )

    policy, _ = load(path, DEBIAN)

    assert policy.soak == SoakPolicy(
        security=timedelta(days=7),
        other=timedelta(days=14),
        rollout=timedelta(hours=36),
        cohort="7",
        override=("openssl*", "CVE-2026-12345"),
    )


@pytest.mark.parametrize("raw", ["0s", "0m", "0h", "0d"])
def test_nothing_is_a_duration_of_any_unit(raw: str) -> None:
    assert (parse_soak(raw), parse_rollout(raw)) == (timedelta(0), timedelta(0))


@pytest.mark.parametrize(("raw", "cohort"), [("auto", "auto"), (0, "0"), (99, "99"), ("17", "17"), ("07", "7")])
def test_a_cohort_is_auto_or_a_number(raw: object, cohort: str) -> None:
    assert parse_cohort(raw) == cohort


@pytest.mark.parametrize(
    ("parse", "raw"),
    [
        *((parse_soak, raw) for raw in ("366d", "7", 7, "", "-1d", "0w")),
        *((parse_rollout, raw) for raw in ("91d", 0)),
        *((parse_cohort, raw) for raw in (-1, 100, "100", "", "Auto", True, 1.5, None)),
        *((parse_overrides, raw) for raw in ("openssl", [""], ["CVE-1-1"], ["CVE-2026-1"], [7])),
    ],
    ids=lambda value: value.__name__ if callable(value) else repr(value),
)
def test_what_is_not_accepted_is_named(parse: Callable[[object], object], raw: object) -> None:
    with pytest.raises(ValueError, match="accepted: "):
        parse(raw)


def test_a_name_that_matches_no_package_leaves_the_others_in_effect() -> None:
    with pytest.raises(UnmatchedNamesError) as caught:
        parse_overrides(["nginx$", "CVE-2026-12345"])

    assert caught.value.patterns == ("nginx$", "CVE-2026-12345")
