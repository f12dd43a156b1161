"""The version of the source package that a binary package was built from. Pure."""

import re


def source_version(version: str) -> str:
    """Return the source version of a binary package whose control file does not name it.

    A binary-only rebuild appends "+b" and a number (Debian Developer's Reference, 5.10.2.1).
    """
    return re.sub(r"\+b[0-9]{1,9}\Z", "", version)
