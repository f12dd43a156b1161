"""Package identities: order, text form, invalid texts; errors by package."""

import pytest

from agent.core.model.package import PackageId
from agent.core.model.transaction import TransactionReport

NATIVE, FOREIGN = PackageId.parse("foo:amd64"), PackageId.parse("foo:i386")


def test_a_package_is_written_as_dpkg_writes_it_and_read_back() -> None:
    assert str(NATIVE) == "foo:amd64"
    assert PackageId.parse("foo:amd64") == NATIVE == PackageId(name="foo", architecture="amd64")


def test_packages_are_ordered_by_name_and_then_by_architecture() -> None:
    texts = ["foo:i386", "bar:i386", "foo-bar:amd64", "foo:amd64"]

    assert [str(one) for one in sorted(map(PackageId.parse, texts))] == [
        "bar:i386", "foo:amd64", "foo:i386", "foo-bar:amd64",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "foo", "foo:", ":amd64"])
def test_a_text_without_name_or_architecture_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="name:architecture"):
        PackageId.parse(text)


def test_an_error_with_an_architecture_belongs_to_that_architecture_only() -> None:
    report = TransactionReport(errors={FOREIGN: "exit 1"})

    assert (report.error_of(FOREIGN), report.error_of(NATIVE)) == ("exit 1", "")
    assert (report.names(FOREIGN), report.names(NATIVE)) == (True, False)


def test_an_error_of_a_bare_name_belongs_to_every_architecture_without_its_own() -> None:
    report = TransactionReport(errors={"foo": "of either", FOREIGN: "of i386"})

    assert (report.error_of(NATIVE), report.error_of(FOREIGN)) == ("of either", "of i386")


def test_of_two_reports_the_later_error_is_kept() -> None:
    first = TransactionReport(errors={NATIVE: "1", FOREIGN: "2"}, fatal="first")

    both = first.followed_by(TransactionReport(errors={NATIVE: "3"}))

    assert (both.errors, both.fatal) == ({NATIVE: "3", FOREIGN: "2"}, "first")


def test_a_later_error_by_bare_name_replaces_the_earlier_one_with_an_architecture() -> None:
    both = TransactionReport(errors={NATIVE: "1"}).followed_by(TransactionReport(errors={"foo": "2"}))

    assert both.error_of(NATIVE) == "2"


def test_a_cause_that_a_later_attempt_did_not_meet_is_gone() -> None:
    first = TransactionReport(fatal="1", cause="no space")

    assert first.followed_by(TransactionReport()) == TransactionReport(fatal="1")
    assert first.followed_by(TransactionReport(cause="a hook")).cause == "a hook"
