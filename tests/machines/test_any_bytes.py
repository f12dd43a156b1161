"""Every field of every file that apt and dpkg read may hold any bytes: the package alone is affected, nothing else."""

import re
from collections.abc import Callable
from functools import reduce

import pytest

from tests.support import bases
from tests.support.changelogs import changelog, documented
from tests.support.repository import package
from tests.support.scenario import Answer, Scenario, names

FIELDS = (
    *("Package", "Version", "Architecture", "Maintainer", "Installed-Size", "Depends", "Pre-Depends", "Recommends"),
    *("Suggests", "Enhances", "Conflicts", "Breaks", "Replaces", "Provides", "Source", "Section", "Priority"),
    *("Homepage", "Description", "Description-md5", "Tag", "Multi-Arch", "Essential", "Important", "Filename", "Size"),
    *("SHA256", "MD5sum", "Phased-Update-Percentage", "Bugs", "Built-Using", "Task", "Original-Maintainer", "X-Any"),
)
INVALID = b"\xff\xfe"
REFUSED = (
    *("Depends", "Pre-Depends", "Recommends", "Suggests", "Enhances", "Conflicts", "Breaks", "Replaces", "Provides"),
    "Description-md5",
)
"""Fields for which apt refuses a whole index, so that each is tested alone."""
REFUSED_BY_DPKG = (*REFUSED, "Multi-Arch", "Essential", "Filename", "Size", "MD5sum")
"""The same for the status file, by dpkg or by apt."""
COMMANDS = (
    "check --json",
    "explain {odd}",
    "explain CVE-2024-2222",
    "explain good",
    "upgrade --dry-run --json",
    "status",
)
"""All that read packages."""
READERS = COMMANDS if bases.thorough() else ("check --json", "explain {odd}", "status")
"""For one field alone: what reads the lists, the package's versions, and the record."""
RELEASE = ("Origin", "Label", "Suite", "Version", "Description", "NotAutomatic", "Changelogs", "X-Any")


def odd(field: str) -> str:
    return f"odd-{field.lower()}"


def in_fields(fields: tuple[str, ...], raw: bytes) -> Callable[[bytes], bytes]:
    return lambda index: reduce(lambda text, field: in_field(field, raw)(text), fields, index)


def in_field(field: str, raw: bytes) -> Callable[[bytes], bytes]:
    """Return what puts bytes behind a field's value in the stanza of its odd package, or adds the field."""

    def mangle(index: bytes) -> bytes:
        stanzas = index.split(b"\n\n")
        for at, stanza in enumerate(stanzas):
            if stanza.startswith(f"Package: {odd(field)}\n".encode()):
                name = re.escape(field.encode())
                line = rb"(?m)^(%s: .*)$" % name
                found = re.search(line, stanza) is not None
                stanzas[at] = (
                    re.sub(line, lambda match: match[1] + raw, stanza, count=1)
                    if found
                    else stanza + b"\n" + field.encode() + b": a " + raw
                )
        return b"\n\n".join(stanzas)

    return mangle


def answers(host: Scenario, *packages: str) -> dict[str, Answer]:
    """Run the commands that read packages; none may end with a traceback."""
    commands = COMMANDS if len(packages) > 1 else READERS
    found = {command: host.agent(command.format(odd=" ".join(packages))) for command in commands}
    for command, answer in found.items():
        assert "internal error" not in answer.err, (command, answer.err)
        assert answer.code in {0, 1, 2, 3, 10}, (command, answer)
    return found


@pytest.mark.every_release
def test_fields_of_an_index(host: Scenario) -> None:
    fields = tuple(field for field in FIELDS if field not in REFUSED)

    assert is_harmless_in_index(host, fields)


@pytest.mark.parametrize("field", REFUSED)
def test_a_field_for_which_apt_refuses_an_index(host: Scenario, field: str) -> None:
    is_harmless_in_index(host, (field,))


def is_harmless_in_index(host: Scenario, fields: tuple[str, ...]) -> bool:
    """Damage each field in a package of its own; return whether apt itself installs the others."""
    packages = [*map(odd, fields), "good"]
    host.install(*(package(name, "1") for name in packages))
    fixed = [documented(package(name, "2"), changelog("Fix CVE-2024-2222.")) for name in packages]
    made = host.repository("security", *fixed)
    made.mangle = in_fields(fields, INVALID)
    made.publish()
    apt = host.machine.run("apt-get -qq update && apt-get -s upgrade")

    found = answers(host, *map(odd, fields))
    done = host.upgrade()

    assert "internal error" not in done.err
    if "Inst good " not in apt.stdout:
        return False
    assert "good" in names(found["check --json"].json["install"])
    assert host.versions("good") == {"good": "2"}
    return True


@pytest.mark.parametrize("field", RELEASE)
def test_a_field_of_a_release_file(host: Scenario, field: str) -> None:
    host.offer("security", package("good", "2"))
    host.install(package("odd", "1"))
    third = host.repository("ppa", package("odd", "2"))
    third.release_fields = {field: "x" + INVALID.decode(errors="surrogateescape")}
    third.publish()
    host.machine.run("apt-get -qq update")

    answers(host, "odd")

    assert names(host.upgrade().json["upgraded"]) == ["good"]


@pytest.mark.every_release
def test_fields_of_dpkgs_status(host: Scenario) -> None:
    needed = {"Package", "Version", "Architecture"}
    fields = tuple(field for field in FIELDS if field not in needed.union(REFUSED_BY_DPKG))

    assert is_harmless_in_status(host, fields)


@pytest.mark.parametrize("field", REFUSED_BY_DPKG)
def test_a_field_for_which_the_status_is_refused(host: Scenario, field: str) -> None:
    is_harmless_in_status(host, (field,))


def is_harmless_in_status(host: Scenario, fields: tuple[str, ...]) -> bool:
    """Damage each field in a package of its own; return whether dpkg and apt themselves work."""
    host.install(*(package(odd(field), "1") for field in fields))
    host.offer("security", package("good", "2"))
    status = host.machine.path("/var/lib/dpkg/status")
    status.write_bytes(in_fields(fields, INVALID)(status.read_bytes()))
    healthy = host.machine.run("dpkg --audit && apt-get -qq update && apt-get -s upgrade")

    answers(host, *map(odd, fields))
    done = host.upgrade()

    assert "internal error" not in done.err
    if healthy.returncode != 0 or "Inst good " not in healthy.stdout:
        return False
    assert host.versions("good") == {"good": "2"}
    return True


@pytest.mark.parametrize("raw", [b"J\xf6rg", INVALID, b"\x1b[31m\x01\x00"], ids=["latin", "invalid", "control"])
@pytest.mark.parametrize("file", ["/var/lib/apt/extended_states", "/var/log/apt/history.log", "/var/log/dpkg.log"])
def test_other_files_of_apt(host: Scenario, file: str, raw: bytes) -> None:
    host.offer("security", package("good", "2"))
    path = host.machine.path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"Package: a" + raw + b"\nArchitecture: amd64" + raw + b"\nAuto-Installed: 1" + raw + b"\n\n")

    answers(host, "good")

    assert names(host.upgrade().json["upgraded"]) == ["good"]
