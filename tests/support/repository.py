"""Signed package repositories of tiny packages, built on the spot in milliseconds."""

import functools
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path


class Signer:
    """A throwaway OpenPGP key; its public half is what a source's `signed-by` names."""

    def __init__(self, home: Path, *, faked: str = "", expires: str = "never") -> None:
        """Make a key, at the present or a faked time (gpg's form: "20240101T000000"), or take the one that is there."""
        self._home = home
        self._clock = ["--faked-system-time", faked] if faked else []
        if not home.exists():
            home.mkdir(mode=0o700, parents=True)
            identity = "Maestro Test Archive <archive@example.org>"
            self._gpg("--quick-generate-key", identity, "ed25519", "sign", expires)
        self.public_key = self._gpg("--armor", "--export")

    def sign(self, release: bytes, *, digest: str = "SHA512") -> bytes:
        """Return the release text as InRelease."""
        return self._gpg("--clearsign", "--digest-algo", digest, stdin=release)

    def detached(self, release: bytes) -> bytes:
        """Return the content of Release.gpg."""
        return self._gpg("--armor", "--detach-sign", "--digest-algo", "SHA512", stdin=release)

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint."""
        listed = self._gpg("--with-colons", "--list-keys").decode().splitlines()
        return next(line.split(":")[9] for line in listed if line.startswith("fpr:"))

    def export(self) -> bytes:
        """Return the public key in its binary form."""
        return self._gpg("--export")

    def close(self) -> None:
        """End the key's agent, which gpg started."""
        subprocess.run(["gpgconf", "--homedir", str(self._home), "--kill", "all"], check=False)

    def _gpg(self, *arguments: str, stdin: bytes = b"") -> bytes:
        command = [
            "gpg",
            "--homedir",
            str(self._home),
            "--batch",
            "--quiet",
            "--passphrase",
            "",
            *self._clock,
            *arguments,
        ]
        return subprocess.run(command, input=stdin, stdout=subprocess.PIPE, check=True).stdout


@dataclass(frozen=True, kw_only=True)
class Package:
    """One binary package: control fields, maintainer scripts, files."""

    name: str
    version: str
    architecture: str = "all"
    fields: tuple[tuple[str, str], ...] = ()
    scripts: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str | bytes], ...] = ()
    conffiles: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    """Symbolic links, and where they lead."""
    hard_links: tuple[tuple[str, str], ...] = ()
    """Further names of files that are in the package."""
    triggers: tuple[str, ...] = ()
    """Lines of deb-triggers(5)."""
    compression: str = "none"

    @property
    def control(self) -> str:
        """The control stanza, without what the index adds."""
        stanza = {
            "Package": self.name,
            "Version": self.version,
            "Architecture": self.architecture,
            "Maintainer": "Maestro Tests <tests@example.org>",
            "Installed-Size": "1",
            **dict(self.fields),
            "Description": f"test package {self.name}",
        }
        return "".join(f"{key}: {value}\n" for key, value in stanza.items())

    @property
    def filename(self) -> str:
        """The file's name in the pool, as apt-ftparchive would give it."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_{self.architecture}.deb"

    def build(self) -> bytes:
        """Return the .deb, built by dpkg-deb once per content."""
        return _build(self)


@dataclass(frozen=True, kw_only=True)
class Ready(Package):
    """A package that was built elsewhere, offered under another version."""

    deb: Path

    @property
    def control(self) -> str:
        """The control stanza that is in the package, with the version changed."""
        stanza = subprocess.run(["dpkg-deb", "-f", str(self.deb)], stdout=subprocess.PIPE, text=True, check=True).stdout
        return re.sub(r"(?m)^Version: .*$", f"Version: {self.version}", stanza)

    def build(self) -> bytes:
        """Return the package, its version changed."""
        with tempfile.TemporaryDirectory() as scratch:
            tree = Path(scratch, "tree")
            subprocess.run(["dpkg-deb", "-R", str(self.deb), str(tree)], check=True)
            (tree / "DEBIAN/control").write_text(self.control)
            changed = Path(scratch, "changed.deb")
            command = ["dpkg-deb", "-Znone", "--root-owner-group", "-b", str(tree), str(changed)]
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            return changed.read_bytes()


@functools.cache
def _build(package: Package) -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch, "tree")
        debian = tree / "DEBIAN"
        debian.mkdir(parents=True)
        tree.chmod(0o755)
        (debian / "control").write_text(package.control)
        for name, text in package.scripts:
            script = debian / name
            script.write_text(f"#!/bin/sh\n{text}\n")
            script.chmod(0o755)
        for name, content in package.files:
            file = tree / name.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        for name, target in (*package.links, *package.hard_links):
            (tree / name.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
            if (name, target) in package.links:
                (tree / name.lstrip("/")).symlink_to(target)
            else:
                (tree / name.lstrip("/")).hardlink_to(tree / target.lstrip("/"))
        if package.conffiles:
            names = "".join(f"{name}\n" for name in package.conffiles)
            (debian / "conffiles").write_bytes(names.encode(errors="surrogateescape"))
        if package.triggers:
            (debian / "triggers").write_text("".join(f"{line}\n" for line in package.triggers))
        deb = Path(scratch, "package.deb")
        command = ["dpkg-deb", f"-Z{package.compression}", "--root-owner-group", "-b", str(tree), str(deb)]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        return deb.read_bytes()


def package(name: str, version: str, **control: str) -> Package:
    """Return a package; keyword arguments are control fields (`depends="a (>= 2)"`) or maintainer scripts."""
    scripts = ("preinst", "postinst", "prerm", "postrm")
    fields = {k.replace("_", "-").title(): v for k, v in control.items() if k not in (*scripts, "architecture")}
    return Package(
        name=name,
        version=version,
        architecture=control.get("architecture", "all"),
        fields=tuple(fields.items()),
        scripts=tuple((script, control[script]) for script in scripts if script in control),
    )


@dataclass(kw_only=True)
class Repository:
    """One suite of an archive, published as a directory; publish again after changing it."""

    directory: Path
    signer: Signer | None
    origin: str = "Debian"
    label: str = "Debian-Security"
    suite: str = "stable-security"
    codename: str = "bookworm-security"
    packages: list[Package] = field(default_factory=list)
    extra_stanzas: str = ""
    valid_for: timedelta | None = None
    release_fields: dict[str, str] = field(default_factory=dict)
    published_at: float = 0.0
    mangle: Callable[[bytes], bytes] = bytes
    """Changes each Packages file before it is signed."""

    def add(self, *packages: Package) -> "Repository":
        """Add packages and publish."""
        self.packages.extend(packages)
        self.publish()
        return self

    def publish(self) -> None:
        """Write pool, Packages.gz, and InRelease (or an unsigned Release where there is no signer)."""
        dists = self.directory / "dists" / self.codename
        shutil.rmtree(self.directory / "dists", ignore_errors=True)
        (self.directory / "pool").mkdir(exist_ok=True)
        stanzas: dict[str, list[str]] = {architecture: [] for architecture in self._architectures}
        for one in self.packages:
            deb = one.build()
            (self.directory / self.place(one)).parent.mkdir(parents=True, exist_ok=True)
            (self.directory / self.place(one)).write_bytes(deb)
            stanza = f"{one.control}Filename: {self.place(one)}\nSize: {len(deb)}\nSHA256: {_sha256(deb)}\n\n"
            for architecture in self._architectures if one.architecture == "all" else (one.architecture,):
                stanzas[architecture].append(stanza)
        files = {}
        for architecture in self._architectures:
            index = self.mangle(("".join(stanzas[architecture]) + self.extra_stanzas).encode())
            files[f"main/binary-{architecture}/Packages"] = index
            files[f"main/binary-{architecture}/Packages.gz"] = gzip.compress(index, compresslevel=1, mtime=0)
        for name, content in files.items():
            (dists / name).parent.mkdir(parents=True, exist_ok=True)
            (dists / name).write_bytes(content)
        release = self._release(files)
        published = dists / ("InRelease" if self.signer else "Release")
        published.write_bytes(self.signer.sign(release) if self.signer else release)
        # apt asks "if modified since", by the second: two publications within one second must differ
        self.published_at = max(time.time(), self.published_at + 1)
        os.utime(published, (self.published_at, self.published_at))

    def place(self, one: Package) -> str:
        """Return where a package's file is, below the repository."""
        return f"pool/{one.filename}"

    @property
    def _architectures(self) -> tuple[str, ...]:
        """Those of the packages, the machine's own first."""
        return tuple(
            dict.fromkeys(["amd64", *(one.architecture for one in self.packages if one.architecture != "all")])
        )

    def deb(self, name: str) -> Path:
        """Return the pool file of a package by name."""
        return next(self.directory / "pool" / one.filename for one in self.packages if one.name == name)

    def _release(self, files: dict[str, bytes]) -> bytes:
        now = datetime.now(timezone.utc) - timedelta(minutes=1)
        fields = {
            "Origin": self.origin,
            "Label": self.label,
            "Suite": self.suite,
            "Codename": self.codename,
            "Date": _rfc2822(now),
            "Architectures": " ".join(self._architectures),
            "Components": "main",
            **self.release_fields,
        }
        if self.valid_for is not None:
            fields["Valid-Until"] = _rfc2822(now + self.valid_for)
        lines = [f"{key}: {value}" for key, value in fields.items()]
        lines += ["SHA256:", *(f" {_sha256(data)} {len(data)} {name}" for name, data in files.items())]
        return ("\n".join(lines) + "\n").encode(errors="surrogateescape")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _rfc2822(moment: datetime) -> str:
    return format_datetime(moment).replace("+0000", "UTC")
