"""Which processes run replaced files of packages, and to which unit each belongs, from /proc."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.reboot.services import (
    Process,
    ReplacedFile,
    deleted_files,
    maps_deleted_files,
    replaced_files,
    session_uids,
    session_user,
    unit_names,
    unit_of,
)

SSHD = b"""\
55d0a9e00000-55d0a9e0c000 r--p 00000000 fe:01 1311 /usr/sbin/sshd
55d0a9e0c000-55d0a9e9b000 r-xp 0000c000 fe:01 1311 /usr/sbin/sshd
55d0ab37a000-55d0ab39b000 rw-p 00000000 00:00 0                          [heap]
7f1be8000000-7f1be8200000 r--p 00000000 fe:01 9 /usr/lib/locale/C.utf8/LC_CTYPE
7f1be8a00000-7f1be8ac0000 r--p 00000000 fe:01 8023                       /usr/lib/x86_64-linux-gnu/libcrypto.so.3%s
7f1be8ac0000-7f1be8d50000 r-xp 000c0000 fe:01 8023                       /usr/lib/x86_64-linux-gnu/libcrypto.so.3%s
7ffd6d1b4000-7ffd6d1b8000 r--p 00000000 00:00 0                          [vvar]
7ffd6d1b8000-7ffd6d1ba000 r-xp 00000000 00:00 0                          [vdso]
"""
DELETED = b" (deleted)"


def maps(line: str) -> bytes:
    return SSHD % (b"", b"") + line.encode() + b"\n"


def mapped(path: str, mode: str = "r-xp") -> bytes:
    return maps(f"7f0000000000-7f0000001000 {mode} 00000000 fe:01 77                         {path}")


def test_a_process_that_maps_existing_files_runs_nothing_replaced() -> None:
    assert not maps_deleted_files(SSHD % (b"", b""), b"/usr/sbin/sshd")


def test_a_replaced_library_is_detected_if_its_code_is_mapped() -> None:
    assert maps_deleted_files(SSHD % (DELETED, DELETED), b"/usr/sbin/sshd")


def test_a_read_only_mapping_is_no_code() -> None:
    assert not maps_deleted_files(SSHD % (DELETED, b""), b"/usr/sbin/sshd")


def test_a_replaced_program_is_detected_even_if_its_code_was_moved() -> None:
    assert maps_deleted_files(b"", b"/usr/sbin/mysqld (deleted)")
    assert not maps_deleted_files(b"", b"/home/me/mysqld (deleted)")


@pytest.mark.parametrize(
    "path",
    [
        "/usr/lib/x86_64-linux-gnu/libssl.so.3",
        "/lib/x86_64-linux-gnu/libc.so.6",
        "/lib64/ld-linux-x86-64.so.2",
        "/usr/bin/dbus-daemon",
        "/sbin/agetty",
        "/opt/gitlab/embedded/lib/libz.so.1.2.13",
        "/usr/lib/a name with spaces.so",
    ],
)
def test_package_directories_count(path: str) -> None:
    assert maps_deleted_files(mapped(f"{path} (deleted)"), b"")
    assert maps_deleted_files(mapped(f"{path} (deleted)", "r-xs"), b"")


@pytest.mark.parametrize(
    "path",
    [
        "/memfd:systemd-executor",
        "/SYSV00000000",
        "/dev/zero",
        "/dev/shm/ruby.1",  # noqa: S108 - a name, no file
        "/[aio]",
        "/drm mm object",
        "/i915",
        "/dev/nvidia0",
        "/tmp/jna-3506402/jna7402.tmp",  # noqa: S108 - a name, no file
        "/var/tmp/x.so",  # noqa: S108 - a name, no file
        "/run/user/1000/orcexec.7A1TNl",
        "/#1314",
        "/var/lib/postgresql/15/main/x",
        "/home/me/bin/x",
        "/usr/local/bin/own",
        "/usrlocal/x",
        "/libexec-of-nobody/x",
    ],
)
def test_intentionally_deleted_and_unpackaged_files_do_not_count(path: str) -> None:
    assert not maps_deleted_files(mapped(f"{path} (deleted)"), b"")


def test_other_directories_can_be_given() -> None:
    assert maps_deleted_files(mapped("/srv/lib/x.so (deleted)"), b"", (b"/srv/",))


@given(st.binary(), st.binary())
def test_no_maps_content_is_an_error(text: bytes, program: bytes) -> None:
    assert maps_deleted_files(text, program) in {True, False}


@given(st.lists(st.sampled_from([b"7f0-7f1 r-xp 0 0:0 7 ", b"/usr/lib/x", DELETED, b"\n", b"\xff", b" "]), max_size=9))
def test_only_complete_maps_lines_count(parts: list[bytes]) -> None:
    text = b"".join(parts)

    lines = [line.split(b" ", 5) for line in text.split(b"\n")[:-1]]
    whole = [
        line[5].lstrip(b" ") for line in lines if line[:5] == [b"7f0-7f1", b"r-xp", b"0", b"0:0", b"7"] and line[5:]
    ]
    replaced = [path for path in whole if path.startswith(b"/usr/lib/x") and path.endswith(DELETED)]
    assert maps_deleted_files(text, b"") is bool(replaced)


def test_the_deleted_files_of_a_process_have_the_names_that_they_had() -> None:
    found = deleted_files(SSHD % (DELETED, DELETED), b"/usr/sbin/sshd (deleted)")

    assert found == {b"/usr/sbin/sshd", b"/usr/lib/x86_64-linux-gnu/libcrypto.so.3"}


UNIFIED = "0::{}\n"
OLD = "12:pids:{0}\n4:memory:/elsewhere\n1:name=systemd:{0}\n"
HYBRID = "5:devices:{0}\n1:name=systemd:{0}\n0::{0}\n"
PATHS = {
    "/system.slice/ssh.service": "ssh.service",
    "/system.slice/system-getty.slice/getty@tty1.service": "getty@tty1.service",
    "/system.slice/system-openvpn.slice/openvpn@my\\x2dnet.service": "openvpn@my\\x2dnet.service",
    "/system.slice/docker.service/init": "docker.service",
    "/user.slice/user-1000.slice/session-3.scope": "session-3.scope",
    "/user.slice/user-1000.slice/user@1000.service/app.slice/syncthing.service": "user@1000.service",
    "/machine.slice/systemd-nspawn@web.service/payload/system.slice/ssh.service": "systemd-nspawn@web.service",
    "/init.scope": "init.scope",
    "/system.slice/_cpu.service": "cpu.service",
    "/": None,
    "/system.slice": None,
    "/docker/0123456789abcdef": None,
    "/lxc.payload.web/system.slice/ssh.service": None,
    "/../../other": None,
    "/system.slice/\x1b[2Jevil.service": None,
}


@pytest.mark.parametrize("layout", [UNIFIED, OLD, HYBRID], ids=["unified", "old", "hybrid"])
@pytest.mark.parametrize("path", PATHS)
def test_a_process_belongs_to_the_unit_that_systemd_names(path: str, layout: str) -> None:
    assert unit_of(layout.format(path).encode()) == PATHS[path]


def test_a_container_on_a_legacy_host_may_use_the_unified_hierarchy() -> None:
    assert unit_of(b"9:name=systemd:/\n4:memory:/api/12\n0::/system.slice/cron.service\n") == "cron.service"


@given(st.binary())
def test_no_cgroup_content_is_an_error(text: bytes) -> None:
    found = unit_of(text)

    assert found is None or found.isprintable()


def test_names_are_sorted_and_unique() -> None:
    found = unit_names(Process(program="x", unit=unit) for unit in ("ssh.service", "cron.service", "ssh.service"))

    assert found == ("cron.service", "ssh.service")


def test_a_process_without_a_unit_is_named_by_its_program() -> None:
    assert unit_names([Process(program="nginx", unit=None), Process(program="\x1b[2J", unit=None)]) == ("?[2J", "nginx")


def test_the_agents_own_processes_are_ignored() -> None:
    units = ("session-3.scope", None, "cron.service", "maestro-agent.service")
    processes = [Process(program="maestro-agent", unit=unit) for unit in units]

    assert unit_names([*processes, Process(program="python3", unit="maestro-agent.service")]) == ()


@pytest.mark.parametrize("layout", [UNIFIED, OLD, HYBRID], ids=["unified", "old", "hybrid"])
@pytest.mark.parametrize(
    ("path", "uid"),
    [
        ("/user.slice/user-1000.slice/session-3.scope", 1000),
        ("/user.slice/user-0.slice/session-c1.scope", 0),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/syncthing.service", 1000),
        ("/system.slice/ssh.service", None),
        ("/machine.slice/web.scope/user.slice/user-1000.slice/session-3.scope", None),
        ("/user.slice/session-3.scope", None),
        ("/", None),
    ],
)
def test_the_slice_of_a_session_names_its_user(path: str, uid: int | None, layout: str) -> None:
    assert session_user(layout.format(path).encode()) == uid


def test_each_replaced_file_has_its_units_but_the_agents() -> None:
    processes = [
        Process(program="sshd", unit="session-3.scope", files=frozenset({"/usr/lib/a.so"}), uid=1000),
        Process(program="cron", unit="cron.service", files=frozenset({"/usr/lib/a.so", "/usr/sbin/cron"})),
        Process(program="maestro-agent", unit="session-4.scope", files=frozenset({"/usr/lib/b.so"}), uid=1001),
    ]

    assert replaced_files(processes) == (
        ReplacedFile(path="/usr/lib/a.so", units=("cron.service", "session-3.scope")),
        ReplacedFile(path="/usr/sbin/cron", units=("cron.service",)),
    )
    assert session_uids(processes) == {"session-3.scope": 1000}
