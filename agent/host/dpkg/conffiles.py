"""Configuration files as dpkg handles them: what it would ask about before it runs, and what it left alone after."""

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import apt_inst
import apt_pkg

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
from agent.errors import HostError
from agent.host.dpkg import database as dpkg_database
from agent.host.dpkg.environment import KEEP_LOCAL_CONFFILES

_DROP_IN = re.compile(r"[0-9A-Za-z_-]+")
"""Names of the files that dpkg reads in dpkg.cfg.d (dpkg(1))."""
_LINK = "link"
"""Instead of a sum: the new version brings a link, which no local file can equal."""


def conffile_prompts(archives: Iterable[Path], steps: Iterable[Step]) -> Mapping[str, str]:
    """Say, by `name:architecture`, which of the steps would make dpkg ask about which file.

    `archives` are the downloaded packages. Asked is about dpkg as the administrator has configured it, not as this
    agent runs it. What is installed again as it is, to be mended, is not judged. A preinst that changes the file
    first is not foreseen.

    Raises:
        HostError: dpkg's database or its configuration cannot be read.
    """
    options = administrators_options()
    wanted = [step for step in steps if step.installed != step.candidate]
    if options.answers or not wanted:
        return {}
    view = _View.of_this_machine()
    found: dict[str, str] = {}
    for path in archives:
        # by the name of the file first: its inside may be unreadable, and must then hold back this package alone
        own = [step for step in wanted if step.package == path.name.split("_")[0]]
        if own:
            found |= _judge(path, own, view, options)
    return found


def _judge(path: Path, steps: Sequence[Step], view: "_View", options: DpkgOptions) -> dict[str, str]:
    try:
        archive = _Archive(path)
        asked = tuple(_asked(archive, view, options))
    except (SystemError, LookupError, OSError) as error:
        words = f"its configuration files cannot be read from {path}: {error}"
        return {f"{step.package}:{step.architecture}": words for step in steps}
    fits = any((step.package, step.architecture, step.candidate) == archive.identity for step in steps)
    return {archive.name: describe_prompts(asked, archive.identity[0])} if fits and asked else {}


def kept_conffiles(packages: Iterable[str], since: float) -> tuple[str, ...]:
    """Return local files of these packages (`name:architecture`) that stand instead of what a new version brought.

    dpkg laid that beside each at or after `since` (Unix time): as `.dpkg-dist` where it decided so, as `.dpkg-new`
    where it does not touch the local one, or has yet to decide. A diverted file goes by the name that it has.

    Raises:
        HostError: dpkg's database cannot be read.
    """
    wanted = set(packages)
    diversions = dpkg_database.diversions()
    found = set()
    for recorded in dpkg_database.conffiles():
        if recorded.package in wanted:
            place = _place(recorded.file, recorded.package, diversions)
            if _appeared(f"{place}.dpkg-dist", since) or (
                _appeared(f"{place}.dpkg-new", since) and _stands(place, recorded)
            ):
                found.add(place)
    return tuple(sorted(found))


def administrators_options() -> DpkgOptions:
    """Read dpkg's options from its configuration files, its environment and apt's, without what this agent adds.

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
    given = apt_pkg.config.value_list("DPkg::Options")
    return read_options([forced, *lines, *given[: len(given) - len(KEEP_LOCAL_CONFFILES)]])


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """What dpkg knows about files."""

    records: Mapping[str, Sequence[dpkg_database.RecordedConffile]]
    """By file."""
    diversions: Mapping[str, tuple[str, str]]

    @classmethod
    def of_this_machine(cls) -> "_View":
        records: dict[str, list[dpkg_database.RecordedConffile]] = {}
        for recorded in dpkg_database.conffiles():
            records.setdefault(recorded.file, []).append(recorded)
        return cls(records=records, diversions=dpkg_database.diversions())

    def sums(self, file: str, package: str) -> tuple[str, ...]:
        """Return what dpkg will compare with: the package's own record or, without one, what others have."""
        records = self.records.get(file, ())
        own = [one for one in records if one.package == package]
        return tuple(dict.fromkeys(one.md5 for one in own or records if one.md5 is not None))


class _Archive:
    """One binary package. Only what is asked for is unpacked, and that in memory."""

    def __init__(self, path: Path) -> None:
        self._deb = apt_inst.DebFile(os.fspath(path))
        control = apt_pkg.TagSection(self._deb.control.extractdata("control"))
        architecture = control["Architecture"]
        if architecture == "all":
            architecture = apt_pkg.config.find("APT::Architecture")
        self.identity = (control["Package"], architecture, control["Version"])
        self.name = f"{control['Package']}:{architecture}"

    def conffiles(self) -> Iterator[str]:
        """Return the names of the configuration files that the package brings (deb-conffiles(5))."""
        try:
            lines = os.fsdecode(self._deb.control.extractdata("conffiles")).split("\n")
        except LookupError:
            return
        for line in lines:
            if line.startswith("/"):  # a flag before the name says that the file is to go (remove-on-upgrade)
                yield line.rstrip()

    def md5(self, name: str) -> str | None:
        """Return a file's sum; None where the archive does not hold it."""
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


def _asked(archive: _Archive, view: _View, options: DpkgOptions) -> Iterator[ConffilePrompt]:
    for name in archive.conffiles():
        if not options.unpacks(name):
            continue
        place = _place(name, archive.name, view.diversions)
        local = _local(place)
        sums = view.sums(name, archive.name)
        worst = Conffile(recorded=sums, local=local, packaged=_LINK)
        # Reading an archive takes long, so only where it matters what is in it.
        if prompt_reason(worst, options) is not None:
            asked = prompt_reason(Conffile(recorded=sums, local=local, packaged=archive.md5(name)), options)
            if asked is not None:
                yield ConffilePrompt(file=place, question=asked)


def _place(file: str, package: str, diversions: Mapping[str, tuple[str, str]]) -> str:
    """Return where dpkg has a package's file, which may be diverted."""
    to, owner = diversions.get(file, (file, ""))
    return file if owner == package.split(":")[0] else to


def _local(path: str) -> str | NoPlainFile:
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return NoPlainFile.NOT_A_FILE
        return _sum_of(path)
    except (FileNotFoundError, NotADirectoryError):
        return NoPlainFile.EMPTY
    except OSError:
        return NoPlainFile.NOT_A_FILE


def _stands(place: str, recorded: dpkg_database.RecordedConffile) -> bool:
    """Whether the local file is another than the `.dpkg-new` beside it, and dpkg would not simply replace it."""
    local = _local(place)
    try:
        packaged = _sum_of(f"{place}.dpkg-new")
    except OSError:
        return False
    if recorded.unpacked and local is not NoPlainFile.NOT_A_FILE:
        sums = () if recorded.md5 is None else (recorded.md5,)
        return prompt_reason(Conffile(recorded=sums, local=local, packaged=packaged)) is not None
    with suppress(OSError):
        return _sum_of(place) != packaged
    return True


def _appeared(path: str, since: float) -> bool:
    try:
        return os.lstat(path).st_ctime >= since
    except OSError:
        return False


def _sum_of(path: str) -> str:
    """Return a file's sum; a link is followed.

    Raises:
        OSError: it cannot be read, or is no plain file: reading a pipe would wait for ever.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(f"{path}: is no plain file")
    found = hashlib.md5(usedforsecurity=False)  # what dpkg has on record
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            found.update(chunk)
    return found.hexdigest()


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
