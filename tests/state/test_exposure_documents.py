"""The record of the exposure clock, and its summary for `status`."""

from datetime import timedelta

from agent.core.exposure import Exposure, Fix
from agent.state.documents.exposure import (
    MOST_SHOWN,
    exposure_from_document,
    exposure_summary,
    exposure_to_document,
    fix_to_document,
)
from agent.state.exposure_view import ExposureView, FixView
from agent.state.json_reader import JsonReader
from tests.core import given

DAY = timedelta(days=1)
PENDING = Fix(package="curl", architecture="amd64", version="2", source="curl", pending_since=given.NOW)
INSTALLED = Fix(
    package="libssl3",
    architecture="amd64",
    version="3.0.2-1",
    source="openssl",
    pending_since=given.NOW - 9 * DAY,
    installed_at=given.NOW - 8 * DAY,
    units=("cron.service",),
)
KERNEL = Fix(
    package="linux-image-amd64",
    architecture="amd64",
    version="6.1.9-1",
    source="linux-signed-amd64",
    pending_since=given.NOW - DAY,
    installed_at=given.NOW,
    needs_reboot=True,
)
ACTIVE = Fix(
    package="zlib1g",
    architecture="i386",
    version="1:1.2",
    source="zlib",
    pending_since=given.NOW - DAY,
    installed_at=given.NOW,
    active_at=given.NOW,
)
EXPOSURE = Exposure(fixes=(INSTALLED, KERNEL, PENDING, ACTIVE))


def view(exposure: Exposure) -> ExposureView:
    found = ExposureView.of(JsonReader(exposure_summary(exposure), "exposure"))
    assert found is not None
    return found


def test_the_document_decodes_to_what_it_was_made_from() -> None:
    document = exposure_to_document(EXPOSURE, given.NOW)

    assert exposure_from_document(JsonReader(document, "exposure")) == EXPOSURE


def test_the_summary_counts_each_step_and_has_the_oldest_fixes() -> None:
    found = view(EXPOSURE)

    assert (found.pending, found.installed) == (1, 2)
    assert [fix.label for fix in found.fixes] == ["libssl3", "linux-image-amd64", "curl"]


def test_the_summary_is_bounded_for_each_step() -> None:
    many = tuple(
        Fix(package=f"p{number:03}", architecture="amd64", version="2", source="p", pending_since=given.NOW)
        for number in range(50)
    )

    found = view(Exposure(fixes=(*many, INSTALLED)))

    assert (found.pending, found.installed, len(found.fixes)) == (50, 1, MOST_SHOWN + 1)


def test_after_a_boot_only_pending_fixes_are_known() -> None:
    found = view(EXPOSURE).after_boot()

    assert found.document == {
        "pending": 1,
        "installed": None,
        "oldest_since": "2026-11-23T05:10:00Z",
        "fixes": [fix_to_document(PENDING)],
    }


def test_a_view_has_each_field_of_the_document() -> None:
    found = FixView(JsonReader(fix_to_document(INSTALLED), "fix"))

    assert (found.package, found.label, found.source, found.version) == ("libssl3", "libssl3", "openssl", "3.0.2-1")
    assert (found.stage, found.waits_for, found.units) == ("installed", "restart", ["cron.service"])
    assert (found.pending_since, found.installed_at, found.active_at) == (
        INSTALLED.pending_since,
        INSTALLED.installed_at,
        None,
    )


def test_the_first_documents_had_only_what_is_waited_for() -> None:
    document = exposure_to_document(Exposure(fixes=(KERNEL,)), given.NOW)
    document["fixes"] = [{**fix_to_document(KERNEL), "needs_reboot": None}]

    assert exposure_from_document(JsonReader(document, "exposure")).fixes == (KERNEL,)
