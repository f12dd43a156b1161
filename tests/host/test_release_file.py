"""What a Release file says about a suite, by libapt's rules."""

from datetime import datetime, timezone
from pathlib import Path

import pytest

from agent.host.apt.release_file import ReleaseFile, find_release


def released(directory: Path, text: str) -> ReleaseFile:
    (directory / "x_Release").write_text(text)
    found = find_release(f"{directory}/x_")
    assert found is not None
    return found


def test_inrelease_comes_before_release(tmp_path: Path) -> None:
    (tmp_path / "x_InRelease").write_text("Suite: new\n")

    assert released(tmp_path, "Suite: old\n").field("Suite") == "new"


@pytest.mark.parametrize("text", ["Mon, 05 May 2025 10:00:00 UTC", "Mon, 05 May 2025 12:00:00 +0200"])
def test_dates_are_in_utc(tmp_path: Path, text: str) -> None:
    moment = released(tmp_path, f"Date: {text}\n").time("Date")

    assert moment == datetime(2025, 5, 5, 10, tzinfo=timezone.utc)


@pytest.mark.parametrize("date", ["", "soon", "Mon, 05 May 99999999999999999999 10:00:00 UTC", "1 2 3 4:5:6", "Mon,"])
def test_an_invalid_date_is_no_date(tmp_path: Path, date: str) -> None:
    assert released(tmp_path, f"Date: {date}\n").time("Date") is None


@pytest.mark.parametrize(
    ("components", "known"), [("main", True), ("updates/main", True), ("contrib", False), ("", True), (None, True)]
)
def test_components_may_have_a_prefix(tmp_path: Path, components: str | None, *, known: bool) -> None:
    text = f"Components: {components}\n" if components is not None else "Suite: s\n"

    assert released(tmp_path, text).has_component("main") is known


@pytest.mark.parametrize(
    ("text", "separate"),
    [
        ("Architectures: all amd64\n", True),
        ("Architectures: amd64\n", False),
        ("Architectures: all amd64\nNo-Support-for-Architecture-all: Packages\n", False),
        ("Suite: s\n", True),
    ],
)
def test_lists_for_all_architectures_are_separate_only_where_the_suite_says_so(
    tmp_path: Path, text: str, *, separate: bool
) -> None:
    assert released(tmp_path, text).has_all_lists is separate


def test_an_index_is_promised_where_it_is_listed_unpacked_and_not_empty(tmp_path: Path) -> None:
    sums = "".join(f" {'0' * 64} {size} {name}\n" for name, size in (("full", 9), ("empty", 0), ("packed.gz", 9)))
    release = released(tmp_path, f"SHA256:\n{sums}")

    names = ("full", "empty", "packed", "absent")
    assert [release.promises(name) for name in names] == [True, False, False, False]
    assert [release.hides(name) for name in names] == [False, False, True, False]


def test_fields_are_found_in_any_case_and_behind_a_long_description(tmp_path: Path) -> None:
    release = released(tmp_path, "Description: d\n" + " more\n" * 4000 + "sUITE: s\n")

    assert release.field("Suite") == "s"
