"""What libapt's items and messages at the end of an update say about each source."""

from dataclasses import replace

import pytest

from agent.core.model.facts import ADVISORY, SourceFault
from agent.core.ports import RefreshAttempt
from agent.host.apt.source_faults import detail_of, fault_of
from agent.host.apt.update_verdict import FetchedItem, FetchedSource, FinishedUpdate, judge

MAIN = FetchedSource(
    name="http://a.example/debian stable", file_prefix="a.example_debian_dists_stable_", mirror_list=""
)
FLAT = FetchedSource(name="http://a.example/debian /", file_prefix="a.example_debian_", mirror_list="")
MIRRORS = FetchedSource(
    name="mirror+file:/etc/apt/m.txt stable",
    file_prefix="_etc_apt_m.txt_dists_stable_",
    mirror_list="_etc_apt_m.txt",
)
DESCRIPTION = "http://a.example/debian stable InRelease"


def item(file: str, error: str = "", *, done: bool = True, in_place: bool = True) -> FetchedItem:
    return FetchedItem(file=file, in_place=in_place, done=done, error=error)


def release(name: str, error: str = "", *, done: bool = True, in_place: bool = True) -> FetchedItem:
    return item(f"{MAIN.file_prefix}{name}", error, done=done, in_place=in_place)


def verdict(
    *items: FetchedItem, sources: tuple[FetchedSource, ...] = (MAIN,), message: str = "", stopped: str = ""
) -> RefreshAttempt:
    descriptions = {DESCRIPTION: f"{MAIN.file_prefix}InRelease"}
    return judge(FinishedUpdate(items=items, descriptions=descriptions, message=message, stopped=stopped), sources)


def faults(attempt: RefreshAttempt) -> list[tuple[str, SourceFault]]:
    return [(error.source, error.fault) for error in attempt.errors]


def test_a_missing_inrelease_file_is_no_error_where_release_and_its_signature_are_there() -> None:
    found = verdict(release("InRelease", "404  Not Found"), release("Release"), release("Release.gpg"))

    assert found == RefreshAttempt(verified=(MAIN.name,))


def test_the_servers_refusal_outranks_the_missing_signature_that_follows_from_it() -> None:
    message = f"E:The repository '{DESCRIPTION}' is not signed., W:Updating from such a repository can't be done"
    found = verdict(release("InRelease", "401  Unauthorized [IP: 1.2.3.4 80]", done=False), message=message)

    assert faults(found) == [(MAIN.name, SourceFault.UNAUTHORIZED)]
    assert found.errors[0].detail.startswith("401")


def test_a_release_file_that_libapt_keeps_aside_is_unsigned() -> None:
    items = (
        release("InRelease", "404  Not Found"),
        release("Release", in_place=False),
        release("Release.gpg", "404  Not Found", in_place=False),
    )

    assert faults(verdict(*items)) == [(MAIN.name, SourceFault.UNSIGNED)]


@pytest.mark.parametrize("start", ["GPG error", "OpenPGP signature verification failed"])
def test_a_trusted_source_whose_signed_file_is_damaged_is_corrupt_and_not_unsigned(start: str) -> None:
    reason = f"Splitting up /var/lib/apt/lists/partial/{MAIN.file_prefix}InRelease into data and signature failed"
    message = f"W:{start}: {DESCRIPTION}: {reason}, E:Clearsigned file '/x_Release' contains unexpected line"
    found = verdict(release("Release", in_place=False), message=message)

    assert faults(found)[0] == (MAIN.name, SourceFault.CORRUPT)
    assert found.errors[0].detail == reason


def test_a_signature_that_the_server_refuses_is_not_called_missing() -> None:
    items = (release("Release", in_place=False), release("Release.gpg", "403  Forbidden", in_place=False))

    assert faults(verdict(*items)) == [(MAIN.name, SourceFault.UNAUTHORIZED)]


def test_an_error_without_words_gets_them_from_the_message_that_quotes_libapts_description() -> None:
    message = f"E:Repository '{DESCRIPTION}' changed its 'Label' value from 'a' to 'b'"
    found = verdict(release("InRelease", done=False, in_place=False), message=message)

    assert faults(found) == [(MAIN.name, SourceFault.RELEASE_CHANGED)]
    assert "--allow-releaseinfo-change" in found.errors[0].detail


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        (
            "E:Problem executing scripts APT::Update::Post-Invoke 'false', E:Sub-process returned an error code",
            SourceFault.HOOK_FAILED,
        ),
        ("E:The package cache file is corrupted", SourceFault.APT),
    ],
)
def test_what_libapt_reports_beside_the_sources_leaves_them_verified(message: str, fault: SourceFault) -> None:
    found = verdict(release("InRelease"), message=message)

    assert (found.verified, faults(found)) == ((MAIN.name,), [("apt", fault)])
    assert fault in ADVISORY


def test_without_any_item_every_source_failed_with_libapts_reason() -> None:
    found = verdict(sources=(MAIN, FLAT), message="E:Could not get lock /var/lib/apt/lists/lock")

    assert [error.source for error in found.errors] == [MAIN.name, FLAT.name]
    assert found.verified == ()


def test_an_item_belongs_to_the_source_with_the_longest_fitting_name() -> None:
    found = verdict(
        release("InRelease", "503  Busy", done=False), item("a.example_debian_InRelease"), sources=(FLAT, MAIN)
    )

    assert (found.verified, faults(found)) == ((FLAT.name,), [(MAIN.name, SourceFault.UNREACHABLE)])


def test_a_list_of_mirrors_that_cannot_be_read_is_the_cause() -> None:
    items = (
        item("_etc_apt_m.txt", "File not found - /etc/apt/m.txt", done=False),
        item(f"{MIRRORS.file_prefix}Release", "Downloading mirror file failed", done=False),
    )

    found = verdict(*items, sources=(MIRRORS,))

    assert faults(found) == [(MIRRORS.name, SourceFault.NOT_FOUND)]


def test_sources_that_were_done_before_the_time_was_over_are_verified() -> None:
    found = verdict(
        item("a.example_debian_InRelease"), sources=(FLAT, MAIN), stopped="stopped after 1 s (apt.refresh_timeout)"
    )

    assert (found.verified, faults(found)) == ((FLAT.name,), [(MAIN.name, SourceFault.UNREACHABLE)])


def test_a_missing_method_is_an_error_of_the_sources_that_need_it() -> None:
    reason = "The method driver /usr/lib/apt/methods/tor could not be found."
    found = verdict(release("InRelease", done=False), sources=(replace(MAIN, no_method=reason),), message=f"E:{reason}")

    assert [(error.source, error.detail) for error in found.errors] == [(MAIN.name, reason)]


def test_credentials_are_in_no_detail() -> None:
    error = "Could not connect to http://user:s3cret@a.example/x"

    assert "s3cret" not in verdict(release("InRelease", error, done=False)).errors[0].detail


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ("Release file for http://a/dists/s/InRelease is not valid yet (invalid for 3h)", SourceFault.NOT_YET_VALID),
        ("Release file for http://a/dists/s/InRelease is expired (invalid since 3h)", SourceFault.EXPIRED),
        ("407  Proxy Authentication Required", SourceFault.UNAUTHORIZED),
        ("Invalid response from proxy: HTTP/1.0 407 Authentication Required", SourceFault.UNAUTHORIZED),
        ("410  Gone [IP: 127.0.0.1 403]", SourceFault.NOT_FOUND),
        ("429  Too Many Requests", SourceFault.UNREACHABLE),
        ("400  Bad Request", SourceFault.OTHER),
        ("Clearsigned file isn't valid, got 'NOSPLIT' (does the network require authentication?)", SourceFault.CORRUPT),
        ("The following signatures were invalid: EXPKEYSIG 1234 Somebody", SourceFault.BAD_SIGNATURE),
        ("Temporary failure resolving 'mirror.example.org'", SourceFault.UNREACHABLE),
    ],
)
def test_libapts_messages_have_their_fault(message: str, fault: SourceFault) -> None:
    assert fault_of(message) is fault


def test_checksums_are_left_out_of_a_detail() -> None:
    assert detail_of("Hash Sum mismatch\nHashes of expected file:\n - SHA256:1234\n") == "Hash Sum mismatch"
