"""What is read from the output of a transaction."""

from pathlib import Path

import pytest

from agent.host.dpkg.output import DpkgError, DpkgOutput, parse_output, read_output

FATAL = {
    "option": (
        "dpkg: error: configuration error: /etc/dpkg/dpkg.cfg.d/site:1: unknown option 'x'\n",
        "dpkg: error: configuration error: /etc/dpkg/dpkg.cfg.d/site:1: unknown option 'x'",
    ),
    "aborting": (
        "Unpacking a (2) over (1) ...\ndpkg: unrecoverable fatal error, aborting:\n unable to fill x: No space left\n",
        "dpkg: unrecoverable fatal error, aborting: unable to fill x: No space left",
    ),
    "program": (
        "dpkg: warning: 'tar' not found in PATH\ndpkg: error: 1 expected program not found in PATH\nNote: x\n",
        "dpkg: warning: 'tar' not found in PATH; dpkg: error: 1 expected program not found in PATH",
    ),
    "of-a-package": ("dpkg: error processing package a (--configure):\n exit status 1\n", ""),
    "of-another-program": ("dpkg-divert: error: rename involves overwriting\n", ""),
}


@pytest.mark.parametrize(("text", "expected"), FATAL.values(), ids=list(FATAL))
def test_an_error_of_dpkg_itself_is_found(text: str, expected: str) -> None:
    assert parse_output(text).fatal == expected


ERRORS = {
    "script": (
        "Setting up a (2) ...\r\none\ntwo\n\nthree \x1b[31mred\x1b[0m\nfour\n"
        "dpkg: error processing package a (--configure):\n installed a package returned error exit status 3\n",
        DpkgError(message="installed a package returned error exit status 3", last_lines="two / three red / four"),
    ),
    "archive": (
        "Unpacking a (2) over (1) ...\ndpkg: error processing archive a (--unpack):\n"
        " unable to create 'x' (while processing './x'): Read-only file system\n"
        "dpkg-deb: error: paste subprocess was killed by signal (Broken pipe)\n",
        DpkgError(
            message="unable to create 'x' (while processing './x'): Read-only file system",
            last_lines="",
        ),
    ),
    "dependencies": (
        "dpkg: dependency problems prevent configuration of a:\n a depends on b; however:\n"
        "  Package b is not configured yet.\n\n"
        "dpkg: error processing package a (--configure):\n dependency problems - leaving unconfigured\n",
        DpkgError(
            message="dependency problems - leaving unconfigured",
            last_lines="a depends on b; however: / Package b is not configured yet.",
        ),
    ),
}


@pytest.mark.parametrize(("text", "expected"), ERRORS.values(), ids=list(ERRORS))
def test_an_error_of_one_package_comes_with_the_last_lines_before_it(text: str, expected: DpkgError) -> None:
    assert parse_output(f"first\n{text}Errors were encountered while processing:\n a\n").errors == {"a": expected}


def test_a_long_line_is_cut() -> None:
    text = f"Setting up a (2) ...\n{'x' * 5000}\ndpkg: error processing package a (--configure):\n failed\n"

    assert len(parse_output(text).errors["a"].last_lines) == 200


def test_only_what_a_transaction_appended_is_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"dpkg: error: of before\n\xff\nhook failed\nProblem executing scripts DPkg::Pre-Invoke 'x'\n")

    assert read_output(log, len("dpkg: error: of before\n")) == DpkgOutput(last_lines="\ufffd / hook failed")
    assert read_output(tmp_path / "none", 0) == DpkgOutput()
