"""Whether a reboot is required: by the flag, by a newer kernel, by both; the forms that each can take."""

import os
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

import pytest

from agent.host.container import in_container
from agent.host.dpkg import installed
from agent.host.dpkg.installed import InstalledPackages
from agent.host.reboot.need import RebootNeed, read_reboot_need

BEFORE, LATER = 1_790_000_000, 1_790_003_600
OLD, NEW = "linux-image-6.1.0-18-amd64", "linux-image-6.1.0-20-amd64"
RUNNING = "6.1.0-18-amd64"


class Root:
    """A machine's root directory with dpkg's database and /run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "var/lib/dpkg/info").mkdir(parents=True)
        (path / "var/lib/dpkg/status").touch()
        (path / "run").mkdir()

    def install(self, name: str, version: str, *, status: str = "install ok installed", at: int | None = LATER) -> None:
        """Add a package to the database, unpacked at this time."""
        with (self.path / "var/lib/dpkg/status").open("a") as file:
            file.write(f"Package: {name}\nStatus: {status}\nArchitecture: amd64\nVersion: {version}\n"
                       f"Description: x\n Package: linux-image-9.9.9-amd64\n\n")  # fmt: skip
        if at is not None:
            listed = self.path / f"var/lib/dpkg/info/{name}.list"
            listed.touch()
            os.utime(listed, (at, at))

    def flag(self, packages: str | None, at: int = BEFORE, directory: str = "run") -> None:
        """Set the flag."""
        flag = self.path / directory / "reboot-required"
        flag.parent.mkdir(parents=True, exist_ok=True)
        flag.touch()
        os.utime(flag, (at, at))
        if packages is not None:
            flag.with_name("reboot-required.pkgs").write_text(packages)

    def need(self) -> RebootNeed:
        """Return what is read from it."""
        return read_reboot_need(str(self.path))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Root:
    """Return a machine that runs Debian's 6.1.0-18-amd64."""
    build = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 (2024-02-01)"
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "m", RUNNING, build, "x86_64")))
    made = Root(tmp_path)
    made.install(OLD, "6.1.76-1", at=BEFORE)
    return made


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def test_without_flag_and_newer_kernel_none_is_required(root: Root) -> None:
    view = root.need().view

    assert (view.required, view.packages, view.since) == (False, [], None)


@pytest.mark.parametrize("directory", ["run", "var/run"])
def test_the_flag_of_other_tools_requires_a_reboot_too(root: Root, directory: str) -> None:
    flag = root.path / directory / "reboot-needed"
    flag.parent.mkdir(parents=True, exist_ok=True)
    flag.touch()
    os.utime(flag, (BEFORE, BEFORE))

    view = root.need().view

    assert (view.required, view.packages, view.since) == (True, [], moment(BEFORE))


def test_a_newer_kernel_requires_a_reboot_without_a_flag(root: Root) -> None:
    root.install(NEW, "6.1.85-1")

    view = root.need().view

    assert (view.required, view.packages, view.since) == (True, [NEW], moment(LATER))


@pytest.mark.parametrize(
    ("status", "required"),
    [
        ("install ok installed", True),
        ("hold ok installed", True),
        ("install ok triggers-awaited", True),
        ("install ok triggers-pending", True),
        ("install ok unpacked", False),
        ("install ok half-configured", False),
        ("install reinstreq half-installed", False),
        ("deinstall ok config-files", False),
        ("purge ok not-installed", False),
    ],
)
def test_a_kernel_counts_once_it_is_complete(root: Root, status: str, *, required: bool) -> None:
    root.install(NEW, "6.1.85-1", status=status)

    assert root.need().view.required is required


def test_the_time_of_a_kernel_without_a_file_list_is_unknown(root: Root) -> None:
    root.install(NEW, "6.1.85-1", at=None)

    view = root.need().view

    assert (view.required, view.since) == (True, None)


def test_of_two_newer_kernels_the_last_is_named_and_the_first_gives_the_time(root: Root) -> None:
    root.install("linux-image-6.1.0-19-amd64", "6.1.82-1", at=BEFORE + 60)
    root.install(NEW, "6.1.85-1")

    view = root.need().view

    assert (view.packages, view.since) == ([NEW], moment(BEFORE + 60))


@pytest.mark.parametrize("directory", ["run", "var/run"])
@pytest.mark.parametrize(
    ("packages", "named"),
    [
        ("libc6\nlinux-base\nlibc6\n", ["libc6", "linux-base"]),
        ("", []),
        (None, []),
        ("\n \n", []),
    ],
)
def test_the_flag_requires_a_reboot_by_itself(
    root: Root, directory: str, packages: str | None, named: list[str]
) -> None:
    root.flag(packages, directory=directory)

    view = root.need().view

    assert (view.required, view.packages, view.since) == (True, named, moment(BEFORE))


def test_flag_and_kernel_are_one_requirement(root: Root) -> None:
    root.install(NEW, "6.1.85-1")
    root.flag(f"libc6\n{NEW}\n")

    view = root.need().view

    assert (view.required, view.packages, view.since) == (True, ["libc6", NEW], moment(BEFORE))


def test_a_package_of_the_flag_that_was_removed_is_known_and_the_flag_holds(root: Root) -> None:
    root.install("libc6", "2.36-9")
    root.install("gone-with-conffiles", "1", status="deinstall ok config-files")
    root.flag("libc6:amd64\ngone\ngone-with-conffiles\n")

    need = root.need()

    assert need.view.required
    assert need.gone == ("gone", "gone-with-conffiles")


def test_names_without_a_flag_require_nothing(root: Root) -> None:
    (root.path / "run/reboot-required.pkgs").write_text("libc6\n")

    assert not root.need().view.required


def test_without_dpkg_only_the_flag_counts(root: Root) -> None:
    (root.path / "var/lib/dpkg/status").unlink()

    assert (root.need().view.required, root.need().kernel.outdated) == (False, None)


def test_a_database_that_cannot_be_read_is_an_error_unless_the_flag_answers(root: Root) -> None:
    (root.path / "var/lib/dpkg/status").unlink()
    (root.path / "var/lib/dpkg/status").mkdir()
    with pytest.raises(OSError, match="status"):
        root.need()

    root.flag("libc6\n")

    assert root.need().view.packages == ["libc6"]


@pytest.mark.parametrize(
    ("files", "contained"),
    [
        ({}, False),
        ({"run/systemd/container": "lxc"}, True),
        ({"run/systemd/container": "systemd-nspawn"}, True),
        ({"run/.containerenv": ""}, True),
        ({".dockerenv": ""}, True),
        ({"proc/self/uid_map": "         0     100000      65536\n"}, True),
        ({"proc/self/uid_map": "         0          0 4294967295\n"}, False),
        ({"proc/self/uid_map": "         0       1000          1\n         1     100000      65536\n"}, True),
        (
            {"proc/self/uid_map": "         0          0          1\n       998        998          1\n"},
            False,
        ),  # PrivateUsers=
        ({"proc/self/uid_map": "nonsense\n"}, False),
        ({"proc/vz/version": ""}, True),
        ({"proc/vz/version": "", "proc/bc/0": ""}, False),  # an OpenVZ host
    ],
    ids=str,
)
def test_in_a_container_the_kernel_is_the_hosts(root: Root, files: Mapping[str, str], *, contained: bool) -> None:
    root.install(NEW, "6.1.85-1")
    for name, text in files.items():
        (root.path / name).parent.mkdir(parents=True, exist_ok=True)
        (root.path / name).write_text(text)

    need = root.need()

    assert in_container(str(root.path)) is contained
    assert need.view.required is not contained
    assert need.kernel.outdated is (None if contained else True)


def test_a_machine_booted_from_a_docker_image_is_no_container(root: Root) -> None:
    (root.path / ".dockerenv").touch()
    (root.path / "proc").symlink_to("/proc")

    assert in_container(str(root.path)) is (os.stat("/proc/self/ns/pid").st_ino != 0xEFFFFFFC)


def test_only_whole_names_and_real_fields_are_found(root: Root) -> None:
    root.install("libc", "1")
    packages = InstalledPackages(str(root.path / "var/lib/dpkg"))

    assert "libc" in packages
    assert "lib" not in packages
    assert [found.name for found in packages.named("linux-image-")] == [OLD]


@pytest.mark.parametrize(
    ("what", "there"),
    [
        ("libc", True),
        ("libc:amd64", True),
        ("libc:all", True),
        ("libc:adm64", False),
        ("libc:i386", False),
        ("data", True),
        ("data:amd64", True),
        ("data:i386", False),
        ("lib", False),
        ("lib:amd64", False),
    ],
)
def test_a_package_of_another_architecture_is_not_installed(tmp_path: Path, what: str, *, there: bool) -> None:
    installed = (("dpkg", "amd64"), ("libc", "amd64"), ("data", "all"))
    stanzas = [f"Package: {name}\nStatus: install ok installed\nArchitecture: {own}\n" for name, own in installed]
    (tmp_path / "status").write_text("\n".join(stanzas))

    assert InstalledPackages(str(tmp_path)).has(what) is there


def boot(root: Root, package: str, *, there: bool) -> None:
    """Write the image of a kernel package into its file list, and into /boot if it is there."""
    name = f"vmlinuz-{package.removeprefix('linux-image-')}"
    listed = root.path / f"var/lib/dpkg/info/{package}.list"
    listed.write_text(f"/.\n/boot\n/boot/{name}\n/boot/config\n")
    (root.path / "boot").mkdir(exist_ok=True)
    if there:
        (root.path / "boot" / name).touch()


@pytest.mark.parametrize("there", [True, False])
def test_a_kernel_whose_image_was_deleted_requires_no_reboot_and_is_named(root: Root, *, there: bool) -> None:
    root.install(NEW, "6.1.85-1")
    boot(root, OLD, there=True)
    boot(root, NEW, there=there)

    need = root.need()

    assert need.view.required == there
    assert need.kernel.without_image == (() if there else (NEW,))
    assert need.kernel.newest == (NEW if there else OLD).removeprefix("linux-image-")


def test_the_newest_of_the_kernels_that_can_be_booted_requires_the_reboot(root: Root) -> None:
    between = "linux-image-6.1.0-19-amd64"
    root.install(between, "6.1.82-1")
    root.install(NEW, "6.1.85-1")
    for package, there in ((OLD, True), (between, True), (NEW, False)):
        boot(root, package, there=there)

    assert root.need().view.packages == [between]


def test_a_boot_directory_without_any_image_is_not_mounted(root: Root) -> None:
    root.install(NEW, "6.1.85-1")
    for package in (OLD, NEW):
        boot(root, package, there=False)

    assert (root.need().view.required, root.need().kernel.without_image) == (True, ())


def test_an_image_that_is_a_link_to_nothing_cannot_be_booted(root: Root) -> None:
    root.install(NEW, "6.1.85-1")
    boot(root, OLD, there=True)
    boot(root, NEW, there=False)
    (root.path / "boot/vmlinuz-6.1.0-20-amd64").symlink_to("nothing")

    assert not root.need().view.required


def test_a_flag_holds_whatever_is_in_boot(root: Root) -> None:
    root.install(NEW, "6.1.85-1")
    root.flag("linux-image\n")
    boot(root, OLD, there=True)
    boot(root, NEW, there=False)

    assert root.need().view.required


def test_dpkgs_database_is_read_again_after_each_change(root: Root) -> None:
    found = [root.need().view.packages]
    root.install(NEW, "6.1.85-1")
    found.append(root.need().view.packages)
    database = root.path / "var/lib/dpkg/status"
    replacement = database.with_name("status-new")
    replacement.write_text(database.read_text().replace("6.1.0-20", "6.1.0-21"))  # of the same size, as dpkg does it
    os.utime(replacement, ns=(database.stat().st_atime_ns, database.stat().st_mtime_ns))
    replacement.rename(database)
    found.append(root.need().view.packages)

    assert found == [[], [NEW], ["linux-image-6.1.0-21-amd64"]]


def test_the_files_of_a_kernel_are_read_again_after_a_change(root: Root) -> None:
    root.install(NEW, "6.1.85-1")
    boot(root, OLD, there=True)
    boot(root, NEW, there=False)
    before = root.need().view.required
    (root.path / f"var/lib/dpkg/info/{NEW}.list").write_text("/.\n")

    assert (before, root.need().view.required) == (False, True)


def test_an_unchanged_database_is_not_opened_again(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    root.install(NEW, "6.1.85-1")
    root.flag("libc6\n")
    first = root.need()
    opened: list[str] = []
    monkeypatch.setattr(installed, "open", lambda path, *_, **__: opened.append(path), raising=False)

    assert root.need().view.document == first.view.document
    assert root.need().gone == first.gone == ("libc6",)
    assert opened == []
