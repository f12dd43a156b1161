"""Conffiles as dpkg handles them: prompts predicted before a transaction, local files kept after one."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import apt_inst
import apt_pkg

from agent.core.frozen import frozen
from agent.core.model.package import PackageId
from agent.core.model.plan import Step
from agent.core.packages.conffiles import (
    Conffile,
    ConffilePrompt,
    DpkgOptions,
    NoPlainFile,
    describe_prompts,
    prompt_reason,
    read_options,
)
from agent.core.pattern import lazy_pattern
from agent.errors import HostError
from agent.host.dpkg import database as dpkg_database
from agent.host.dpkg.environment import KEEP_LOCAL_CONFFILES

_DROP_IN = lazy_pattern(r"[0-9A-Za-z_-]+")
"""Names of files that dpkg reads in dpkg.cfg.d (dpkg(1))."""
_LINK = "link"
"""In place of a checksum: the new version ships a link, which never equals a local regular file."""


def conffile_prompts(archives: Mapping[PackageId, Path], steps: Iterable[Step]) -> Mapping[PackageId, str]:
    """Predict dpkg's conffile prompts: a description for each step that would prompt.

    `archives` are the downloaded packages, whatever their files are called. The prediction uses dpkg's options as the
    administrator configured them, not the ones that the agent adds. Reinstalls of the current version are skipped. A
    preinst that changes the file first is not predicted.

    Raises:
        HostError: dpkg's database or its configuration cannot be read.
    """
    options = administrators_options()
    upgrades = [step for step in steps if step.installed != step.candidate]
    if options.answers or not upgrades:
        return {}
    database = _FileDatabase.read()
    found: dict[PackageId, str] = {}
    for step in upgrades:
        text = _prompts_of(archives[step.id], step, database, options) if step.id in archives else ""
        if text:
            found[step.id] = text
    return found


def _prompts_of(path: Path, step: Step, database: "_FileDatabase", options: DpkgOptions) -> str:
    """Describe the prompts of one archive; empty if there is none."""
    try:
        archive = _Archive(path)
        prompts = tuple(_prompts(archive, database, options))
    except (SystemError, UnicodeDecodeError, LookupError, OSError) as error:
        return f"its configuration files cannot be read from {path}: {error}"
    if (archive.package, archive.version) != (step.id, step.candidate):
        return (
            f"{path} is not the package that the package lists announce, but {archive.package.label} {archive.version}"
        )
    return describe_prompts(prompts, step.label) if prompts else ""


def kept_conffiles(packages: Iterable[PackageId], since: float) -> tuple[str, ...]:
    """Return local conffiles of these packages that were kept instead of the new version's.

    dpkg wrote the new version beside each at or after `since` (Unix time): as `.dpkg-dist` if it kept the local file,
    as `.dpkg-new` if it does not touch the local file or has not decided yet. Diverted files: the diverted name.

    Raises:
        HostError: dpkg's database cannot be read.
    """
    wanted = set(packages)
    diversions = dpkg_database.diversions()
    found = set()
    for recorded in dpkg_database.conffiles():
        if recorded.package in wanted:
            path = _actual_path(recorded.file, recorded.package, diversions)
            if _created(f"{path}.dpkg-dist", since) or (
                _created(f"{path}.dpkg-new", since) and _is_kept(path, recorded)
            ):
                found.add(path)
    return tuple(sorted(found))


def administrators_options() -> DpkgOptions:
    """Read dpkg's options from its configuration files, its environment and apt, without those that the agent adds.

    Raises:
        HostError: a file cannot be read.
    """
    directory = Path("/etc/dpkg/dpkg.cfg.d")
    try:
        names = sorted(entry.name for entry in directory.iterdir()) if directory.is_dir() else []
        files = [directory / name for name in names if _DROP_IN.fullmatch(name)]
        files.append(Path("/etc/dpkg/dpkg.cfg"))
        if "HOME" in os.environ:
            files.append(Path(os.environ["HOME"], ".dpkg.cfg"))
        lines = [line for file in files if file.exists() for line in os.fsdecode(file.read_bytes()).split("\n")]
    except OSError as error:
        raise HostError(f"{error.filename}: cannot be read: {error.strerror}") from error
    forced = f"force={os.environ.get('DPKG_FORCE', '')}"
    from_apt = apt_pkg.config.value_list("DPkg::Options")
    return read_options([forced, *lines, *from_apt[: len(from_apt) - len(KEEP_LOCAL_CONFFILES)]])


@frozen
class _FileDatabase:
    """dpkg's recorded conffiles and its diversions."""

    records: Mapping[str, Sequence[dpkg_database.RecordedConffile]]
    """By path."""
    diversions: Mapping[str, tuple[str, str]]

    @classmethod
    def read(cls) -> "_FileDatabase":
        records: dict[str, list[dpkg_database.RecordedConffile]] = {}
        for recorded in dpkg_database.conffiles():
            records.setdefault(recorded.file, []).append(recorded)
        return cls(records=records, diversions=dpkg_database.diversions())

    def sums(self, file: str, package: PackageId) -> tuple[str, ...]:
        """Return the checksums dpkg compares with: the package's own or, if it has none, other packages'."""
        records = self.records.get(file, ())
        own = [one for one in records if one.package == package]
        return tuple(dict.fromkeys(one.md5 for one in own or records if one.md5 is not None))


class _Archive:
    """One binary package file. Members are unpacked on demand, in memory."""

    def __init__(self, path: Path) -> None:
        self._deb = apt_inst.DebFile(os.fspath(path))
        control = apt_pkg.TagSection(self._deb.control.extractdata("control"))
        architecture = control["Architecture"]
        if architecture == "all":
            architecture = apt_pkg.config.find("APT::Architecture")
        self.package = PackageId(name=control["Package"], architecture=architecture)
        self.version = control["Version"]

    def conffiles(self) -> Iterator[str]:
        """Yield the paths of the package's conffiles (deb-conffiles(5))."""
        try:
            lines = os.fsdecode(self._deb.control.extractdata("conffiles")).split("\n")
        except LookupError:
            return
        for line in lines:
            if line.startswith("/"):  # otherwise a flag: the file is removed (remove-on-upgrade)
                yield line.rstrip()

    def md5(self, name: str) -> str | None:
        """Return a member's MD5 sum; None if the archive has no such member."""
        found: list[str] = []

        def take(member: apt_inst.TarMember, data: bytes) -> None:
            if member.isreg():
                found.append(_md5(data))
            elif member.islnk():
                found.append(self.md5(member.linkname.removeprefix(".")) or _LINK)
            else:
                found.append(_LINK)

        with suppress(LookupError):
            self._deb.data.go(take, name.lstrip("/"))
        return found[0] if found else None


def _prompts(archive: _Archive, database: _FileDatabase, options: DpkgOptions) -> Iterator[ConffilePrompt]:
    for name in archive.conffiles():
        if not options.unpacks(name):
            continue
        path = _actual_path(name, archive.package, database.diversions)
        local = _local_md5(path)
        sums = database.sums(name, archive.package)
        worst = Conffile(recorded=sums, local=local, packaged=_LINK)
        # Unpacking an archive is slow, so it is done only if its content decides.
        if prompt_reason(worst, options) is not None:
            reason = prompt_reason(Conffile(recorded=sums, local=local, packaged=archive.md5(name)), options)
            if reason is not None:
                yield ConffilePrompt(file=path, reason=reason)


def _actual_path(file: str, package: PackageId, diversions: Mapping[str, tuple[str, str]]) -> str:
    """Return the path of a package's file after diversions (dpkg-divert(1))."""
    to, owner = diversions.get(file, (file, ""))
    return file if owner == package.name else to


def _local_md5(path: str) -> str | NoPlainFile:
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return NoPlainFile.NOT_A_FILE
        return _md5_of_file(path)
    except (FileNotFoundError, NotADirectoryError):
        return NoPlainFile.EMPTY
    except OSError:
        return NoPlainFile.NOT_A_FILE


def _is_kept(path: str, recorded: dpkg_database.RecordedConffile) -> bool:
    """Whether the local file differs from the `.dpkg-new` beside it, and dpkg would not replace it without a prompt."""
    local = _local_md5(path)
    try:
        packaged = _md5_of_file(f"{path}.dpkg-new")
    except OSError:
        return False
    if recorded.unpacked and local is not NoPlainFile.NOT_A_FILE:
        sums = () if recorded.md5 is None else (recorded.md5,)
        return prompt_reason(Conffile(recorded=sums, local=local, packaged=packaged)) is not None
    with suppress(OSError):
        return _md5_of_file(path) != packaged
    return True


def _created(path: str, since: float) -> bool:
    try:
        return os.lstat(path).st_ctime >= since
    except OSError:
        return False


def _md5_of_file(path: str) -> str:
    """Return a file's MD5 sum; symbolic links are followed.

    Raises:
        OSError: the file cannot be read, or is not a regular file: reading a pipe would block.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(f"{path}: is not a regular file")
    found = hashlib.md5(usedforsecurity=False)  # dpkg records MD5
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            found.update(chunk)
    return found.hexdigest()


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
